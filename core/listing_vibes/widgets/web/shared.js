// Functions that the components share; prepended to each of them.

// An element with attributes (or properties such as `onclick`) and children; what is empty is left out.
function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null) continue
    if (name in node) node[name] = value
    else node.setAttribute(name, value)
  }
  node.append(...children.filter(Boolean))
  return node
}

const button = (label, onclick, attributes = {}, ...more) => h("button", { type: "button", onclick, ...attributes }, label, ...more)
const symbol = (sign) => h("span", { class: "sign", "aria-hidden": "true" }, sign)

// Changes the URL without a reload; the app follows it, as after the browser's back button.
function go(url) {
  window.history.pushState({}, "", url)
  window.dispatchEvent(new PopStateEvent("popstate"))
}

// A dialog, which Escape and a click beside it close.
function openDialog(root, name, ...content) {
  const box = h("dialog", { "aria-label": name, closedby: "any", onclose: () => box.remove() }, ...content)
  root.append(box)
  box.showModal()
  return box
}

// The cover of a listing, which fills its box; a market's box has the usual shape of its photos.
function photo(card) {
  const image = card.photo && h("img", { alt: card.alt, decoding: "async", loading: "lazy", src: card.photo })
  return h("div", { class: "photo" }, image || h("span", { class: "nothing" }, "No photo"))
}

function facts(card) {
  const rows = card.facts.map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value)))
  return h("dl", { class: "facts" }, ...rows)
}

// Controls that move an item of a list: a handle to drag by mouse, pen or finger, and a step to either side. `move` is called with
// the places from which and to which; `key` identifies the buttons for `keepFocus`.
function moveControls(name, at, count, key, move, [before, after] = "↑↓") {
  const handle = h("span", { class: "handle", title: "Drag to another place" }, symbol("⠿"))
  const items = () => [...handle.closest("li").parentElement.children]
  const under = ({ clientX, clientY }) => handle.getRootNode().elementFromPoint(clientX, clientY)
  const placeOf = (event) => items().indexOf(under(event)?.closest("li"))
  const mark = (place) => items().forEach((item, other) => item.classList.toggle("target", other === place && other !== at))
  handle.onpointerdown = (event) => {
    event.preventDefault()
    handle.setPointerCapture(event.pointerId)
  }
  handle.onpointermove = (event) => handle.hasPointerCapture(event.pointerId) && mark(placeOf(event))
  handle.onlostpointercapture = () => mark(-1)
  handle.onpointerup = (event) => {
    const to = placeOf(event)
    if (to >= 0 && to !== at) move(at, to)
  }
  const step = (sign, word, to) => {
    const label = `Move ${name} ${word}`
    const disabled = to < 0 || to >= count
    return button(sign, () => move(at, to), { title: label, "aria-label": label, disabled, "data-key": `${key}:${word}` })
  }
  return [handle, step(before, "earlier", at - 1), step(after, "later", at + 1)]
}

// Keeps the focus on the same control of a list; where it is gone or disabled, on the first one.
function keepFocus(list, redraw) {
  const focused = () => list.getRootNode().activeElement
  const key = list.contains(focused()) && focused().dataset.key
  redraw()
  if (!key || list.contains(focused())) return
  const controls = [...list.querySelectorAll("[data-key]:not(:disabled)")]
  const next = controls.find((node) => node.dataset.key === key) ?? controls[0]
  next?.focus({ preventScroll: true })
}

// The escaped items of a list in the URL.
const listed = (name) => (new URLSearchParams(location.search).get(name) || "").split(",").filter(Boolean)

// Writes parameters of the URL like a click on a link, so that the browser's back button undoes it; an empty text removes one.
function setParams(params) {
  const url = new URL(location.href)
  for (const [name, text] of Object.entries(params)) {
    if (text) url.searchParams.set(name, text)
    else url.searchParams.delete(name)
  }
  if (url.href !== location.href) go(url) // the app has to know the URL, or its next control would write an older one
}

function decoded(part) {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
