// What the explorer's own components share; prepended to each of them.
const PLAIN = (event) => event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)

function element(tag, className, text) {
  const node = document.createElement(tag)
  if (className) node.className = className
  if (text !== undefined && text !== null) node.textContent = text
  return node
}

// A button with a label, and a name of its own for a screen reader where the label is a sign.
function button(label, click, name, className = "") {
  const node = element("button", className, label)
  node.type = "button"
  if (name) node.setAttribute("aria-label", name)
  if (click) node.addEventListener("click", click)
  return node
}

// Change the address without a reload; the app follows it, as it does after the browser's back button.
function go(url) {
  window.history.pushState({}, "", url)
  window.dispatchEvent(new PopStateEvent("popstate"))
}

// A real link. A plain click goes there without a reload; a click with a modifier key opens the link as any link.
function link(card, className) {
  const anchor = element("a", className)
  anchor.href = card.href
  anchor.addEventListener("click", (event) => {
    if (!PLAIN(event)) return
    event.preventDefault()
    go(anchor.href)
    document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0)
  })
  return anchor
}

function photo(card) {
  const box = element("div", "photo")
  if (!card.photo) {
    box.append(element("span", "nothing", "No photo"))
    return box
  }
  const image = element("img")
  image.alt = card.alt
  image.decoding = "async"
  image.loading = "lazy"
  image.addEventListener("load", () => {
    const shape = (image.naturalWidth / image.naturalHeight) * (box.clientHeight / box.clientWidth)
    // A photo of nearly the box's shape fills it; any other is shown whole.
    image.classList.toggle("fill", shape > 0.8 && shape < 1.25)
    image.classList.add("ready")
  })
  image.src = card.photo
  box.append(image)
  if (card.count > 1) box.append(element("span", "count", `${card.count} photos`))
  return box
}

function facts(card, className = "facts") {
  const list = element("dl", className)
  for (const [label, value] of card.facts) {
    const row = element("div")
    row.append(element("dt", "", label), element("dd", "", value))
    list.append(row)
  }
  return list
}

// What a card can be chosen for, in words before and after; the sides of a vibe dial that is being made.
const SIDES = [
  { side: "more", off: "+ More", on: "✓ More", told: "More like" },
  { side: "less", off: "− Less", on: "✓ Less", told: "Less like" },
]

// The buttons by which a card of a list is chosen; `list.choose` is told, and `markChosen` shows what came of it.
function chooser(list, card, choices) {
  const box = element("div", "choices")
  const buttons = choices.map(({ side, told }) => {
    const made = button("", () => list.choose(card.id, side), `${told} ${card.title}`, "choice")
    made.dataset.key = `${card.id}:${side}`
    return made
  })
  box.mark = (chosen) => choices.forEach(({ side, off, on }, place) => {
    const is = chosen.get(card.id) === side
    buttons[place].setAttribute("aria-pressed", String(is))
    buttons[place].textContent = is ? on : off
  })
  box.append(...buttons)
  return box
}

function markChosen(list, chosen) {
  for (const box of list.querySelectorAll(".choices")) {
    box.mark(chosen)
    box.closest(".card")?.classList.toggle("chosen", Boolean(box.querySelector("[aria-pressed=true]")))
  }
}

// Parts of the address, each escaped, that it keeps as a list.
const listed = (name) => (new URLSearchParams(location.search).get(name) || "").split(",").filter(Boolean)

// Change lists of the address by a new one, as a click on a link would, so that the browser's back button takes it back.
function keepLists(lists) {
  const url = new URL(location.href)
  for (const [name, parts] of Object.entries(lists)) {
    if (parts.length) url.searchParams.set(name, parts.join(","))
    else url.searchParams.delete(name)
  }
  go(url)
}

function decoded(part) {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

// The examples of a dial that is being made lie in the address: marks them on the cards of a list, and lets clicks change them.
function markExamples(list) {
  list.choose = (id, side) => {
    const had = listed(side).some((part) => decoded(part) === id)
    const lists = Object.fromEntries(SIDES.map((one) => [one.side, listed(one.side).filter((part) => decoded(part) !== id)]))
    if (!had) lists[side].push(encodeURIComponent(id))
    keepLists(lists)
    markExamples(list)
  }
  markChosen(list, new Map(SIDES.flatMap(({ side }) => listed(side).map((part) => [decoded(part), side]))))
}
