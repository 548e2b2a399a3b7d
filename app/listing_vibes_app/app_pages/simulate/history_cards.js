// A simulated history as cards to edit, and listings to add to it. The history is stored in the URL only.

// Changes the event of a card; a click after a change of the URL is ignored.
function change(data, card, edit) {
  const events = listed(data.name)
  if (events[card.at] !== card.token) return
  edit(events, card.at)
  keepLists({ [data.name]: events })
}

// Action and seconds of an event. They are written to the card immediately, so that the click that leaves the field also
// takes effect, and the card is not drawn again under the pointer when the page returns the same values.
function retell(data, card, control, part, value) {
  change(data, card, (events, at) => {
    const parts = [0, 1, 2].map((place) => card.token.split("*")[place] ?? "")
    parts[part] = value
    events[at] = card.token = parts.join("*").replace(/\*+$/, "")
    const item = control.closest(".card")
    item.key = keyOf(item.parentElement, card)
  })
}

function control(key, sign, label, click, disabled = false) {
  const node = Object.assign(button(sign, click, label), { title: label, disabled })
  node.dataset.key = key
  return node
}

function field(name, key, control) {
  const label = element("label", "field")
  control.dataset.key = key
  label.append(element("span", "", name), control)
  return label
}

function controls(card, data) {
  const box = element("div", "controls")
  const [listing, action = "", seconds = ""] = card.token.split("*")
  if (data.actions.length) {
    const select = element("select")
    select.append(...[{ token: "", label: "Unknown" }, ...data.actions].map((one) => new Option(one.label, one.token)))
    select.value = action
    select.addEventListener("change", () => retell(data, card, select, 1, select.value))
    box.append(field("Action", `${listing}:action`, select))
  }
  if (data.durations) {
    const input = Object.assign(element("input"), { type: "number", min: 0, step: 1, value: seconds, placeholder: "Unknown" })
    input.addEventListener("change", () => {
      const newSeconds = input.value === "" ? "" : String(Math.max(0, Number(input.value)))
      if (newSeconds !== (card.token.split("*")[2] ?? "")) retell(data, card, input, 2, newSeconds)
    })
    box.append(field("Seconds", `${listing}:seconds`, input))
  }
  const swap = (step) => (events, at) => { [events[at], events[at + step]] = [events[at + step], events[at]] }
  const row = element("div", "buttons")
  row.append(
    control(`${listing}:earlier`, "←", `Move ${card.title} earlier`, () => change(data, card, swap(-1)), card.first),
    control(`${listing}:later`, "→", `Move ${card.title} later`, () => change(data, card, swap(1)), card.last),
    control(`${listing}:remove`, "✕", `Remove ${card.title}`, () => change(data, card, (events, at) => events.splice(at, 1))),
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

// Keeps the newest events up to the limit of a history.
const add = (data, token) => keepLists({ [data.name]: [...listed(data.name), token].slice(-data.most) })

function extend(item, card, data) {
  const [title, words, picture] = [".title", ".words", ".photo"].map((one) => item.querySelector(one))
  if (card.href) {
    const anchor = link(card, "title")
    anchor.textContent = card.title
    title.replaceWith(anchor)
  }
  if (card.marks.length) words.querySelector(".title").after(marks(card))
  if (data.kind === "history") {
    words.append(controls(card, data))
    item.draggable = true // the buttons do the same from the keyboard
    item.ondragstart = (event) => event.dataTransfer.setData("text/plain", card.token)
    item.ondragover = (event) => event.preventDefault()
    item.ondrop = (event) => {
      event.preventDefault()
      const from = listed(data.name).indexOf(event.dataTransfer.getData("text/plain"))
      if (from >= 0) change(data, card, (events, at) => events.splice(at, 0, ...events.splice(from, 1)))
    }
    return
  }
  const adder = button("", () => add(data, card.token), `Add ${card.title} to ${data.target}`, "pick")
  adder.dataset.key = `${card.token}:add`
  words.before(adder)
  adder.append(...(picture ? [picture] : []), element("span", "plus", "+ Add"))
  if (card.unwanted) {
    words.append(control(`${card.token}:unwanted`, "Not this", `Not this: ${card.title} and its like`, () => add(data, card.unwanted)))
  }
}

export default function ({ data, parentElement }) {
  const list = parentElement.querySelector(".gallery")
  const grew = data.kind === "history" && data.cards.length > list.childElementCount
  showCards(list, data, parentElement, (item, card) => extend(item, card, data))
  if (grew) list.scrollLeft = list.scrollWidth
  const spoken = parentElement.querySelector(".spoken")
  if (spoken.textContent !== data.spoken) spoken.textContent = data.spoken
}
