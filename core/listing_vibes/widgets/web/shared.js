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

// Draws a list whose cards may be examples of a dial: by `show`, where what is told changed, and then its marks, as the server
// told them and as clicks since have it.
function showWithExamples(list, { examples, ...told }, send, show) {
  const data = examples ? { ...told, choices: SIDES } : told
  const shown = JSON.stringify(data)
  if (list.shown !== shown) show(data)
  list.shown = shown
  if (examples) markExamples(list, examples, send)
}

// Each click goes with those that are not answered yet, so that none is lost where several come at once.
function markExamples(list, examples, send) {
  const chosen = new Map(SIDES.flatMap(({ side }) => examples[side].map((id) => [id, side])))
  list.clicks = (list.clicks ?? []).filter(([number]) => number > examples.answered)
  for (const [, id, side] of list.clicks) chosen.set(id, side)
  list.choose = (id, side) => {
    const number = Math.max(Date.now(), (list.clicks.at(-1)?.[0] ?? examples.answered) + 1)
    list.clicks.push([number, id, chosen.get(id) === side ? "" : side])
    chosen.set(id, list.clicks.at(-1)[2])
    markChosen(list, chosen)
    send("example", list.clicks)
  }
  markChosen(list, chosen)
}
