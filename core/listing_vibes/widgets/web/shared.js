// Functions that the explorer's components share; prepended to each of them.
const PLAIN = (event) => event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)

function element(tag, className, text) {
  const node = document.createElement(tag)
  if (className) node.className = className
  if (text !== undefined && text !== null) node.textContent = text
  return node
}

// A button with a label, and a name for screen readers if the label is a symbol.
function button(label, click, name, className = "") {
  const node = element("button", className, label)
  node.type = "button"
  if (name) node.setAttribute("aria-label", name)
  if (click) node.addEventListener("click", click)
  return node
}

// Changes the URL without a reload; the app follows it, as after the browser's back button.
function go(url) {
  window.history.pushState({}, "", url)
  window.dispatchEvent(new PopStateEvent("popstate"))
}

// A link. A plain click opens it without a reload; a click with a modifier key has the browser's default behavior.
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
    // A photo with nearly the shape of the box fills it; other photos are fully visible.
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

// The choices on a card, with their labels before and after a click: the sides of a style direction.
const SIDES = [
  { side: "more", off: "+ More", on: "✓ More", label: "More like" },
  { side: "less", off: "− Less", on: "✓ Less", label: "Less like" },
]

// The choice buttons of a card; a click calls `list.choose`, and `markChosen` shows the result.
function chooser(list, card, choices) {
  const box = element("div", "choices")
  const buttons = choices.map(({ side, label }) => {
    const made = button("", () => list.choose(card.id, side), `${label} ${card.title}`, "choice")
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

// The escaped items of a list in the URL.
const listed = (name) => (new URLSearchParams(location.search).get(name) || "").split(",").filter(Boolean)

// Changes lists in the URL like a click on a link, so that the browser's back button undoes it.
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

// Marks the examples of a style direction (in the URL) on the cards of a list, and changes them by clicks.
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
