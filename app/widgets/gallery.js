// Listing cards: a grid, a strip to scroll, or a mosaic of one listing's photos.
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
  if (card.score) {
    const score = element("p", "score", card.score)
    if (data.scoreHelp) score.title = data.scoreHelp
    all.append(score)
  }
  return all
}

function build(card, data) {
  const item = element("li", `card ${card.tone}`)
  if (data.dividers) item.append(element("p", "divider", card.divider))
  const body = card.href ? link(card, "body") : element("div", "body")
  if (data.photos) body.append(photo(card))
  const text = words(card, data)
  if (text.childElementCount) body.append(text)
  item.append(body)
  return item
}

export default function ({ data, parentElement }) {
  const list = parentElement.querySelector(".gallery")
  const shown = JSON.stringify(data)
  if (list.dataset.shown === shown) return
  list.dataset.shown = shown
  list.className = `gallery ${data.layout}`
  list.style.setProperty("--box", data.box)
  list.style.setProperty("--ratio", data.ratio)
  list.style.setProperty("--least", `${data.least}px`)
  list.style.setProperty("--height", `${data.height}px`)
  list.style.setProperty("--rows", data.cards.length > 3 ? 3 : 2)
  list.setAttribute("aria-label", data.label)
  if (data.layout === "strip" || data.layout === "mosaic") list.tabIndex = 0
  list.replaceChildren(...data.cards.map((card) => build(card, data)))
  const start = list.querySelector(".start")
  if (start) list.scrollLeft = start.offsetLeft - list.offsetLeft - (list.clientWidth - start.clientWidth) / 2
}
