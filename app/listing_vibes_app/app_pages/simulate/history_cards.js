// A simulated history as cards to change, and listings to add to it. The history lies in the address alone: every
// change writes a new address, as a click on a link would, so that the browser's back button takes it back.
const tokens = (name) => (new URLSearchParams(window.location.search).get(name) || "").split(",").filter(Boolean)

function write(name, list) {
  const url = new URL(window.location.href)
  if (list.length) url.searchParams.set(name, list.join(","))
  else url.searchParams.delete(name)
  go(url)
}

// Change the event of a card; a click that comes after the address has changed already is not meant for it.
function change(data, card, edit) {
  const list = tokens(data.name)
  if (list[card.at] !== card.token) return
  edit(list, card.at)
  write(data.name, list)
}

// What is told of an event. The card knows it at once, so that the click that leaves the field counts as well, and is
// not drawn anew under the pointer when the page comes back with the same.
function retell(data, card, control, part, value) {
  change(data, card, (list, at) => {
    const parts = [0, 1, 2].map((place) => card.token.split("*")[place] ?? "")
    parts[part] = value
    list[at] = card.token = parts.join("*").replace(/\*+$/, "")
    control.closest(".cards").shown = JSON.stringify(data)
  })
}

function titled(card) {
  return card.href ? link(card, "title") : element("span", "title", "")
}

function control(key, sign, label, click, disabled = false) {
  const node = Object.assign(button(sign, click, label), { title: label, disabled })
  node.dataset.key = key
  return node
}

function field(name, control) {
  const label = element("label", "field")
  label.append(element("span", "", name), control)
  return label
}

function controls(card, number, data) {
  const box = element("div", "controls")
  const [listing, action = "", seconds = ""] = card.token.split("*")
  if (data.actions.length) {
    const select = element("select")
    select.dataset.key = `${listing}:action`
    for (const one of [{ token: "", label: "Not told" }, ...data.actions]) {
      const option = element("option", "", one.label)
      option.value = one.token
      option.selected = one.token === action
      select.append(option)
    }
    select.addEventListener("change", () => retell(data, card, select, 1, select.value))
    box.append(field("Action", select))
  }
  if (data.durations) {
    const input = element("input")
    input.type = "number"
    input.min = 0
    input.step = 1
    input.value = seconds
    input.placeholder = "Not told"
    input.dataset.key = `${listing}:seconds`
    input.addEventListener("change", () => {
      const told = input.value === "" ? "" : String(Math.max(0, Number(input.value)))
      if (told !== (card.token.split("*")[2] ?? "")) retell(data, card, input, 2, told)
    })
    box.append(field("Seconds", input))
  }
  const swap = (step) => (list, at) => { [list[at], list[at + step]] = [list[at + step], list[at]] }
  const row = element("div", "buttons")
  const last = number === data.cards.length - 1
  row.append(
    control(`${listing}:earlier`, "←", `Move ${card.title} earlier`, () => change(data, card, swap(-1)), number === 0),
    control(`${listing}:later`, "→", `Move ${card.title} later`, () => change(data, card, swap(1)), last),
    control(`${listing}:remove`, "✕", `Remove ${card.title}`, () => change(data, card, (list, at) => list.splice(at, 1))),
  )
  box.append(row)
  return box
}

function marks(card) {
  const box = element("p", "marks")
  for (const mark of card.marks) {
    const one = element("span", `mark ${mark.kind}`)
    const sign = element("span", "", mark.sign)
    sign.setAttribute("aria-hidden", "true")
    one.append(sign, ` ${mark.text}`)
    box.append(one)
  }
  return box
}

function adder(card, data) {
  const node = button("", () => add(data, card.token), `Add ${card.title} to ${data.target}`, "pick")
  node.dataset.key = `${card.token}:add`
  if (data.photos) node.append(photo(card))
  node.append(element("span", "plus", "+ Add"))
  return node
}

// The newest stay, as many as a history holds.
const add = (data, token) => write(data.name, [...tokens(data.name), token].slice(-data.most))

function refuser(card, data) {
  const box = element("div", "buttons one")
  const label = `Not this: ${card.title} and its like`
  box.append(control(`${card.token}:unwanted`, "Not this", label, () => add(data, card.unwanted)))
  return box
}

function build(card, number, data, list) {
  const item = element("li", "card")
  const body = element("div", "body")
  if (data.kind === "choice") body.append(adder(card, data))
  else if (data.photos) body.append(photo(card))
  const words = element("div", "words")
  if (card.step) words.append(element("p", "step", card.step))
  const title = titled(card)
  title.textContent = card.title
  words.append(title)
  if (card.marks.length) words.append(marks(card))
  if (card.facts.length) words.append(facts(card))
  if (card.score) {
    const score = element("p", "score", card.score)
    if (data.scoreHelp) score.title = data.scoreHelp
    words.append(score)
  }
  if (card.unwanted) words.append(refuser(card, data))
  if (data.choices) words.append(chooser(list, card, data.choices))
  if (data.kind === "history") words.append(controls(card, number, data))
  body.append(words)
  item.append(body)
  return item
}

export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector(".cards")
  showWithExamples(list, data, setTriggerValue, (told) => show(list, told, parentElement))
}

function show(list, data, parentElement) {
  const grew = data.kind === "history" && data.cards.length > Number(list.dataset.count || 0)
  list.dataset.count = data.cards.length
  list.className = `cards ${data.layout}`
  list.style.setProperty("--box", data.box)
  list.style.setProperty("--least", `${data.least}px`)
  list.setAttribute("aria-label", data.label)
  const root = list.getRootNode()
  const held = list.contains(root.activeElement) ? root.activeElement.dataset.key : null
  const place = held ? [...list.querySelectorAll("[data-key]")].indexOf(root.activeElement) : -1
  list.replaceChildren(...data.cards.map((card, number) => build(card, number, data, list)))
  if (data.layout === "strip") list.tabIndex = 0
  if (grew) list.scrollLeft = list.scrollWidth
  if (held) {
    // The keyboard stays where it was: on the same control, or on the one that took its place.
    const all = [...list.querySelectorAll("[data-key]")]
    const same = all.find((node) => node.dataset.key === held && !node.disabled)
    const next = same ?? all.slice(0, place + 1).reverse().find((node) => !node.disabled)
    if (next) next.focus({ preventScroll: true })
  }
  const spoken = parentElement.querySelector(".spoken")
  if (spoken.textContent !== data.spoken) spoken.textContent = data.spoken
}
