// Rows of small photos: what a row is about at the left, strips of listings under a name each beside it.
function tile(card, data) {
  const item = element("li", card.tone)
  const anchor = link(card, "tile")
  anchor.title = card.title
  if (data.photos) anchor.append(photo({ ...card, alt: card.title, count: 0 }))
  if (card.step) {
    const place = element("span", "place", card.step)
    place.setAttribute("aria-hidden", "true")
    anchor.append(place)
  }
  if (!data.photos) anchor.append(element("span", "name", card.title))
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

function row(one, data, kept) {
  const item = element("li", "row")
  const head = element("div", "head")
  const body = link(one.head, "body")
  if (data.pictured) body.append(photo({ ...one.head, count: 0 }))
  const words = element("div", "words")
  if (one.label) words.append(element("p", "label", one.label))
  words.append(element("p", "title", one.head.title))
  const told = facts(one.head)
  told.title = data.factsHelp
  words.append(told)
  if (one.head.badge) words.append(element("p", "hit-word", `✓ ${one.head.badge}`))
  body.append(words)
  head.append(body)
  if (one.further) {
    const further = link(one, "further")
    further.textContent = one.further
    head.append(further)
  }
  // The same photos in the same frame are the same nodes: what changes is mostly a figure at the left.
  const shown = JSON.stringify([one.strips, data.box, data.photos])
  item.strips = kept.get(shown)?.shift()
  if (!item.strips) {
    item.strips = element("div", "strips")
    item.strips.told = shown
    item.strips.append(...one.strips.map((each) => strip(each, data)))
  }
  item.append(head, item.strips)
  return item
}

function rows(one, data, kept) {
  const list = element("ul", "rows")
  list.classList.toggle("bare", !data.subject)
  list.classList.toggle("titles", !data.photos)
  list.setAttribute("aria-label", one.label)
  list.append(...one.rows.map((each) => row(each, data, kept)))
  return list
}

export default function ({ data, parentElement }) {
  const lists = parentElement.querySelector(".lists")
  const shown = JSON.stringify(data)
  if (lists.dataset.shown === shown) return
  lists.dataset.shown = shown
  lists.style.setProperty("--box", data.box)
  const kept = new Map()
  for (const { strips } of lists.querySelectorAll(".row")) kept.set(strips.told, [...(kept.get(strips.told) ?? []), strips])
  lists.replaceChildren(
    ...data.lists.flatMap((one) => [
      ...(data.headed ? [element("h3", "", one.label)] : []),
      one.rows.length || !one.note ? rows(one, data, kept) : element("p", "", one.note),
    ])
  )
}
