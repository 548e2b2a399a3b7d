// A simulated history as cards to edit. It is stored in the URL only.

// Changes the history by the event of a card; a click after a change of the URL is ignored.
function change(data, card, edit) {
  const events = listed(data.name)
  if (events[card.at] !== card.token) return
  edit(events)
  setParams({ [data.name]: events.join() })
}

function controls(item, card, data) {
  const [key, action = "", seconds = ""] = card.token.split("*")
  const values = [action, seconds]
  // The value is written to the card immediately, so that the click that leaves the field also takes effect, and the card is not drawn
  // again under the pointer when the page returns the same values.
  const field = (at, label, control) => {
    Object.assign(control, { value: values[at], onchange: () => change(data, card, (events) => {
      values[at] = control.value
      events[card.at] = card.token = [key, ...values].join("*").replace(/\*+$/, "")
      item.key = keyOf(item.parentElement, card)
    }) })
    control.dataset.key = `${key}:${label}`
    return h("label", { class: "field" }, h("span", {}, label), control)
  }
  const actions = [{ token: "", label: "Unknown" }, ...data.actions].map(({ token, label }) => new Option(label, token))
  const move = (_from, to) => change(data, card, (events) => {
    const { at } = item.parentElement.children[to]
    events.splice(at, 0, ...events.splice(card.at, 1))
  })
  const remove = () => change(data, card, (events) => events.splice(card.at, 1))
  const label = `Remove ${card.title}`
  return h("div", { class: "controls" },
    data.actions.length && field(0, "Action", h("select", {}, ...actions)),
    data.durations && field(1, "Seconds", h("input", { type: "number", min: 0, step: 1, placeholder: "Unknown" })),
    h("div", { class: "buttons" },
      ...moveControls(card.title, data.cards.indexOf(card), data.cards.length, key, move),
      button("✕", remove, { title: label, "aria-label": label, "data-key": `${key}:remove` }),
    ),
  )
}

// The title links to the listing, because the card has controls.
function extend(item, card, data) {
  item.at = card.at
  item.querySelector(".title").replaceWith(h("a", { href: card.href, class: "title" }, card.title))
  item.querySelector(".words").append(controls(item, card, data))
}

export default function ({ data, parentElement }) {
  const list = parentElement.querySelector(".gallery")
  showCards(list, data, parentElement, { extend: (item, card) => extend(item, card, data) })
  // The link of a listing that is dragged here, from any list or map of the explorer, also in another window, adds the listing.
  list.ondragover = (event) => event.dataTransfer.types.includes("text/uri-list") && event.preventDefault()
  list.ondrop = (event) => {
    event.preventDefault()
    const listing = new URL(event.dataTransfer.getData("text/uri-list")).searchParams.get("listing")
    if (listing) addEvent(data, encodeURIComponent(listing))
  }
}
