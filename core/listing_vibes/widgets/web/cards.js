// Listing cards: a grid, or a strip to scroll. `data.extend` adds elements to a card.

// The buttons on a card that make its listing an example of a style direction, and what a click on one does.
const SIDES = [
  { side: "more", word: "+ More", label: "More like" },
  { side: "less", word: "− Less", label: "Less like" },
]
const chooseExample = ({ id }, chosen) => setParams(Object.fromEntries(SIDES.map(({ side }) => {
  const others = listed(side).filter((part) => decoded(part) !== id)
  const isNew = side === chosen && others.length === listed(side).length
  return [side, [...others, ...(isNew ? [encodeURIComponent(id)] : [])].join()]
})))

function words(card, data) {
  return h("div", { class: "words" },
    card.rank && h("p", { class: "rank" }, h("span", { class: "hidden" }, "No. "), `${card.rank}`),
    card.step && h("p", { class: "step" }, card.step),
    card.title && h("p", { class: "title" }, card.title),
    card.marks?.length && h("p", { class: "marks" }, ...card.marks.map(mark)),
    card.badge && h("p", { class: "badge" }, symbol("✓"), ` ${card.badge}`),
    card.facts.length && facts(card),
    card.same && kinship("✓", "Same: ", card.same),
    card.differs && kinship("≠", "Differs: ", card.differs),
    card.score && h("p", { class: "score", title: data.scoreHelp }, card.score),
  )
}

const mark = ({ kind, sign, text }) => h("span", { class: `mark ${kind}` }, symbol(sign), ` ${text}`)

// What a neighbor has in common with the query listing, or what differs.
const kinship = (sign, label, text) =>
  h("p", { class: "kinship", title: text }, symbol(sign), h("span", { class: "label" }, label), text)

// Shows a photo at most twice as large as it is.
const limitSize = ({ target }) => (target.style.maxWidth = `${2 * target.naturalWidth}px`)

// All photos of a listing in the large size, one beside the other; arrow keys, swipes and buttons move.
function openPhotos(root, card, box) {
  const strip = h("ul", { class: "slides", tabIndex: 0, style: `--box: ${box}` }, ...card.photos.map((src, at) =>
    h("li", {}, h("img", { src, alt: `Photo ${at + 1} of ${card.title}`, onload: limitSize }), h("p", {}, `${at + 1} of ${card.photos.length}`)),
  ))
  const step = (way) => strip.scrollBy({ left: way * strip.clientWidth })
  const control = (sign, label, click) => button(sign, click, { "aria-label": label, class: "key" })
  const steps = card.photos.length > 1 && [
    control("‹", "Photo before", () => step(-1)), control("›", "Next photo", () => step(1)),
  ]
  const close = control("✕", "Close", () => dialog.close())
  const dialog = openDialog(root, "Photos", strip, h("div", { class: "keys" }, ...(steps || []), close))
  strip.scrollLeft = card.start * strip.clientWidth
  strip.focus()
}

// Adds an event to the history in the URL, up to its limit.
const addEvent = ({ name, most }, token) => setParams({ [name]: [...listed(name), token].slice(-most).join() })

// The buttons of a card. Those of a choice call `choose`, which leads to a card with another `side`.
function actions(card, { history, sides = [], choose }) {
  const action = (word, label, key, click, attributes = {}) => (
    button(word, click, { class: "action", "aria-label": label, "data-key": `${card.id}:${key}`, ...attributes })
  )
  const choice = ({ side, word, label }) => action(word, `${label} ${card.title}`, side, () => choose(card, side), {
    ariaPressed: String(card.side === side),
  })
  return [
    card.add && action("+ Add", `Add ${card.title} to ${history.target}`, "add", () => addEvent(history, card.add), { class: "action add" }),
    card.unwanted && action("Not this", `Not this: ${card.title} and its like`, "unwanted", () => addEvent(history, card.unwanted)),
    ...(card.id ? sides.map(choice) : []),
    card.why && action("Why?", `Why is ${card.title} here?`, "why", () => go(card.why)),
  ].filter(Boolean)
}

// The covers of several listings, in a row.
const covers = (card) => h("div", { class: "covers" }, ...card.covers.map((src) => (
  src ? h("img", { src, alt: "", loading: "lazy", decoding: "async" }) : h("span", { class: "nothing" }, "No photo")
)))

function build(card, data, root) {
  const body = card.href && !data.extend ? h("a", { href: card.href, class: "body" }) : h("div", { class: "body" })
  if (data.photos) body.append(card.covers?.length ? covers(card) : photo(card))
  const text = words(card, data)
  if (text.childElementCount) body.append(text)
  const [number, buttons] = [card.photos.length, actions(card, data)]
  const item = h("li", { class: `card ${card.tone}` },
    data.dividers && h("p", { class: "divider" }, card.divider),
    body,
    number && button(number > 1 ? `${number} photos` : "1 photo", () => openPhotos(root, card, data.box), {
      class: "album", "aria-label": `See ${number > 1 ? `all ${number} photos` : "the photo"} of ${card.title}`,
    }),
    buttons.length && h("div", { class: "actions" }, ...buttons),
  )
  data.extend?.(item, card)
  return item
}

// The data of a card as text, to detect changes.
const keyOf = (list, card) => list.frame + JSON.stringify(card)

// Draws the changes: an unchanged card keeps its node, and a card with the same photo keeps the photo's element.
function draw(list, cards, data, root) {
  const old = [...list.children]
  const take = (matches) => {
    const at = old.findIndex(matches)
    return at < 0 ? null : old.splice(at, 1)[0]
  }
  const same = cards.map((card) => take((node) => node.key === keyOf(list, card)))
  const nodes = cards.map((card, place) => {
    if (same[place]) return same[place]
    const node = Object.assign(build(card, data, root), { key: keyOf(list, card), photo: card.photo })
    const spare = data.photos && node.photo && take((other) => other.photo === node.photo)
    if (spare) node.querySelector(".photo").replaceWith(spare.querySelector(".photo"))
    return node
  })
  for (const node of [...list.children]) if (!nodes.includes(node)) node.remove()
  nodes.forEach((node, place) => {
    if (list.children[place] !== node) list.insertBefore(node, list.children[place] ?? null)
  })
}

// Sets the width of the cards of a strip so that none is cut at its end, and the number of columns of a grid: as many as cards of the
// least width fit, or up to a third fewer for a full last row.
function divide(list, { layout, least }) {
  const width = list.clientWidth, count = list.childElementCount, gap = parseFloat(getComputedStyle(list).columnGap) || 0
  if (layout === "strip") {
    const whole = Math.max(1, Math.floor((width + gap) / (0.85 * least + gap)))
    return list.style.setProperty("--wide", count * (least + gap) > width + gap ? `${(width - 4 + gap) / whole - gap}px` : `${least}px`)
  }
  const most = Math.floor((width + gap) / (Math.min(least, Math.max(128, width / 2 - 8)) + gap))
  const gaps = (columns) => (columns - count % columns) % columns
  let best = most
  for (let columns = most - 1; columns >= most * 2 / 3; columns--) if (gaps(columns) < gaps(best)) best = columns
  list.style.gridTemplateColumns = width && count > most ? `repeat(${best}, minmax(0, 1fr))` : ""
}

function showCards(list, { cards, ...frame }, root, { choose = chooseExample, extend } = {}) {
  const data = { ...frame, sides: frame.examples ? SIDES : frame.sides, choose, extend }
  const shown = JSON.stringify([data, cards])
  if (list.shown !== shown) {
    list.shown = shown
    list.frame = JSON.stringify(data)
    list.className = `gallery ${data.layout}`
    list.ariaLabel = data.label
    const height = data.height ? `${data.height}px` : "auto"
    list.style = `--box: ${data.box}; --ratio: ${data.ratio}; --least: ${data.least}px; --height: ${height}`
    if (data.layout === "strip") list.tabIndex = 0
    list.resized?.disconnect()
    keepFocus(list, () => draw(list, cards, data, root))
    root.querySelector(".spoken")?.replaceChildren(frame.spoken ?? "")
    if (data.layout !== "tiles") {
      list.resized = new ResizeObserver(() => divide(list, data))
      list.resized.observe(list)
      divide(list, data)
    }
    const now = data.dividers && data.layout === "strip" && [...list.children].find((item) => item.querySelector(".divider").textContent)
    // The strip starts in sight of the first divider.
    if (now) list.scrollLeft += now.getBoundingClientRect().left - list.getBoundingClientRect().left - list.clientWidth * 0.7
  }
}
