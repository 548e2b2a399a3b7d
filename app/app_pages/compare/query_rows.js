// Test queries: the listing that was touched next at the left, and beside it the history and two lists as small photos.
function tile(card, data) {
  const item = element("li", card.tone)
  const anchor = link(card, "tile")
  anchor.title = card.title
  if (data.photos) anchor.append(photo({ ...card, alt: card.title, count: 0 }))
  else anchor.append(element("span", "name", card.title))
  if (card.step) {
    const place = element("span", "place", card.step)
    place.setAttribute("aria-hidden", "true")
    anchor.append(place)
  }
  item.append(anchor)
  if (card.tone === "hit") item.append(element("span", "hit-word", "✓ touched next"))
  return item
}

function strip(one, data) {
  const part = element("div", "strip")
  part.append(element("p", "label", one.label))
  if (!one.cards.length) {
    part.append(element("p", "note", one.note))
    return part
  }
  const list = element("ul", "tiles")
  list.setAttribute("aria-label", one.label)
  list.append(...one.cards.map((card) => tile(card, data)))
  part.append(list)
  return part
}

function row(one, data) {
  const item = element("li", "query")
  const target = element("div", "target")
  const body = link(one.target, "body")
  if (data.photos) body.append(photo({ ...one.target, count: 0 }))
  const words = element("div", "words")
  words.append(element("p", "label", "Touched next"), element("p", "title", one.target.title))
  const told = facts(one.target)
  told.title = data.placeHelp
  words.append(told)
  body.append(words)
  const user = link(one, "user")
  user.textContent = one.user
  target.append(body, user)
  const strips = element("div", "strips")
  strips.append(...one.strips.map((each) => strip(each, data)))
  item.append(target, strips)
  return item
}

export default function ({ data, parentElement }) {
  const list = parentElement.querySelector(".queries")
  const shown = JSON.stringify(data)
  if (list.dataset.shown === shown) return
  list.dataset.shown = shown
  list.style.setProperty("--box", data.box)
  list.setAttribute("aria-label", data.label)
  list.replaceChildren(...data.rows.map((one) => row(one, data)))
}
