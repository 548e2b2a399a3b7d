// Listing cards: a grid, or a strip to scroll. `data.extend` adds elements to a card.
function words(card, data) {
  const all = element("div", "words")
  if (card.step) all.append(element("p", "step", card.step))
  if (card.title) all.append(element("p", "title", card.title))
  if (card.badge) {
    const badge = element("p", "badge")
    const sign = element("span", "", "✓")
    sign.setAttribute("aria-hidden", "true")
    badge.append(sign, ` ${card.badge}`)
    all.append(badge)
  }
  if (card.facts.length) all.append(facts(card))
  if (card.same) all.append(kinship("✓", "Same: ", card.same))
  if (card.differs) all.append(kinship("≠", "Differs: ", card.differs))
  if (card.reasons.length) all.append(reasons(card))
  if (card.score) {
    const score = element("p", "score", card.score)
    if (data.scoreHelp) score.title = data.scoreHelp
    all.append(score)
  }
  return all
}

// What a neighbor has in common with the query listing, and what differs.
function kinship(sign, label, text) {
  const line = element("p", "kinship")
  const mark = element("span", "sign", sign)
  mark.setAttribute("aria-hidden", "true")
  line.append(mark, element("span", "label", label), text)
  line.title = text
  return line
}

// The explanation of a recommendation: events, each with its listing's cover, and an attribute or a photo.
function reasons(card) {
  const list = element("ul", "reasons")
  list.setAttribute("aria-label", "Reasons")
  for (const one of card.reasons) {
    const row = element("li")
    if (one.photo) {
      const image = element("img")
      image.src = one.photo
      image.alt = ""
      image.loading = "lazy"
      row.append(image)
    }
    const text = element("span", "reason-text")
    text.append(element("span", "name", one.title), element("span", "note", one.note))
    row.append(text)
    row.title = `${one.title}, ${one.note}`
    list.append(row)
  }
  return list
}

function build(card, data, root, list) {
  const item = element("li", `card ${card.tone}`)
  if (data.dividers) item.append(element("p", "divider", card.divider))
  const body = card.href && !data.extend ? link(card, "body") : element("div", "body")
  const album = card.photos.map((address, number) => ({ photo: address, alt: `Photo ${number + 1} of ${card.title}` }))
  if (data.photos) body.append(photo(album.length ? { ...card, count: 0 } : card))
  const text = words(card, data)
  if (text.childElementCount) body.append(text)
  item.append(body)
  if (album.length) {
    const [label, all] = album.length === 1 ? ["1 photo", "the photo"] : [`${album.length} photos`, `all ${album.length} photos`]
    item.append(button(label, () => openLightbox(root, album, card.start), `See ${all} of ${card.title}`, "album"))
  }
  if (data.choices && card.id) item.append(chooser(list, card, data.choices))
  if (card.why) {
    item.append(button("Why?", () => go(card.why), `Why is ${card.title} here?`, "why"))
  }
  data.extend?.(item, card)
  return item
}

// The data of a card as text, to detect changes.
const keyOf = (list, card) => list.frame + JSON.stringify(card)
const photoOf = (card) => (card.photo ? [card.photo, card.count, card.photos.length].join(" ") : "")

// Draws the changes: an unchanged card keeps its node, and a card with the same photo keeps the photo's element.
function draw(list, data, root) {
  const { cards, ...around } = data
  list.frame = JSON.stringify(around)
  const old = new Map([...list.children].map((node) => [node.key, node]))
  const keys = cards.map((card) => keyOf(list, card))
  const same = keys.map((key) => {
    const node = old.get(key)
    old.delete(key)
    return node
  })
  const photos = new Map([...old.values()].map((node) => [node.photo, node]))
  const nodes = cards.map((card, place) => {
    if (same[place]) return same[place]
    const node = Object.assign(build(card, data, root, list), { key: keys[place], photo: photoOf(card) })
    const spare = data.photos && node.photo && photos.get(node.photo)
    photos.delete(node.photo)
    if (spare) node.querySelector(".photo").replaceWith(spare.querySelector(".photo"))
    return node
  })
  for (const node of [...list.children]) if (!nodes.includes(node)) node.remove()
  nodes.forEach((node, place) => {
    if (list.children[place] !== node) list.insertBefore(node, list.children[place] ?? null)
  })
}

// Keeps the focus on the same control, or on the one that replaced it.
function keepFocus(list, redraw) {
  const focused = () => list.getRootNode().activeElement
  const keyed = () => [...list.querySelectorAll("[data-key]")]
  const place = keyed().indexOf(focused())
  const key = focused()?.dataset.key
  redraw()
  if (place < 0 || list.contains(focused())) return
  const all = keyed()
  const next = [...all.filter((node) => node.dataset.key === key), ...all.slice(0, place + 1).reverse()].find((node) => !node.disabled)
  next?.focus({ preventScroll: true })
}

function showCards(list, { examples, ...given }, root, extend) {
  const data = { ...given, choices: examples ? SIDES : given.choices, extend }
  const shown = JSON.stringify(data)
  if (list.shown !== shown) {
    list.shown = shown
    list.className = `gallery ${data.layout}`
    list.style.setProperty("--box", data.box)
    list.style.setProperty("--ratio", data.ratio)
    list.style.setProperty("--least", `${data.least}px`)
    list.style.setProperty("--height", data.height ? `${data.height}px` : "auto")
    list.setAttribute("aria-label", data.label)
    if (data.layout !== "grid") list.tabIndex = 0
    keepFocus(list, () => draw(list, data, root))
    const start = list.querySelector(".start")
    if (start) list.scrollLeft = start.offsetLeft - list.offsetLeft - (list.clientWidth - start.clientWidth) / 2
  }
  if (examples) markExamples(list)
}
