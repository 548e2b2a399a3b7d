// A simulated history as cards to edit. It is stored in the URL only.

// Changes the history by the event of a card; a click after a change of the URL is ignored.
function change(data, card, edit) {
  const events = listed(data.name)
  if (events[card.at] !== card.token) return
  edit(events)
  setParams({ [data.name]: events.join() })
}

// Opens the action and the seconds of an event.
function openEvent(root, card, data) {
  const [key, action = "", seconds = ""] = card.token.split("*")
  const values = [action, seconds]
  const field = (at, label, control) => {
    Object.assign(control, { value: values[at], onchange: () => change(data, card, (events) => {
      values[at] = control.value
      events[card.at] = card.token = [key, ...values].join("*").replace(/\*+$/, "")
    }) })
    return h("label", { class: "field" }, h("span", {}, label), control)
  }
  const actions = [{ token: "", label: "Unknown" }, ...data.actions].map(({ token, label }) => new Option(label, token))
  const dialog = openDialog(root, `Action and time of ${card.title}`,
    h("p", { class: "title" }, card.title),
    data.actions.length && field(0, "Action", h("select", {}, ...actions)),
    data.durations && field(1, "Seconds", h("input", { type: "number", min: 0, step: 1, placeholder: "Unknown" })),
    button("Done", () => dialog.close()),
  )
}

function controls(item, card, data, root) {
  const [key] = card.token.split("*")
  const move = (_from, to) => change(data, card, (events) => {
    const { at } = item.parentElement.children[to]
    events.splice(at, 0, ...events.splice(card.at, 1))
  })
  const remove = () => change(data, card, (events) => events.splice(card.at, 1))
  const control = (sign, label, word, click) => button(sign, click, { title: label, "aria-label": label, "data-key": `${key}:${word}` })
  return h("div", { class: "buttons" },
    ...moveControls(card.title, data.cards.indexOf(card), data.cards.length, key, move, "←→"),
    (data.actions.length || data.durations) && control("✎", `Action and time of ${card.title}`, "edit", () => openEvent(root, card, data)),
    control("✕", `Remove ${card.title}`, "remove", remove),
  )
}

// The photo, or the title without one, links to the listing, because the card has controls.
function extend(item, card, data, root) {
  item.at = card.at
  const [title, shown] = [item.querySelector(".title"), item.querySelector(".photo")]
  if (card.photo) title.remove()
  else title.replaceWith(h("a", { href: card.href, class: "title" }, card.title))
  if (card.photo) item.querySelector(".body").prepend(h("a", { href: card.href, title: card.title }, shown))
  item.querySelector(".words").append(controls(item, card, data, root))
}

export default function ({ data, parentElement }) {
  const list = parentElement.querySelector(".gallery")
  showCards(list, data, parentElement, { extend: (item, card) => extend(item, card, data, parentElement) })
  // The link of a listing that is dragged here, from any list or map of the explorer, also in another window, adds the listing.
  list.ondragover = (event) => event.dataTransfer.types.includes("text/uri-list") && event.preventDefault()
  list.ondrop = (event) => {
    event.preventDefault()
    const listing = new URL(event.dataTransfer.getData("text/uri-list")).searchParams.get("listing")
    if (listing) addEvent(data, encodeURIComponent(listing))
  }
}
