// The title and the main attributes of a listing without a photo.
function words(card) {
  const box = element("span", "words")
  box.append(element("strong", "", card.title), ...card.facts.map(([label, value]) => element("span", "", `${label}: ${value}`)))
  return box
}

// A photo that links to its listing.
function tile(card) {
  const anchor = link(card, "tile")
  anchor.title = card.title
  if (card.photo) anchor.append(photo(card))
  else anchor.append(words(card))
  if (card.rank) anchor.append(element("span", "rank", card.rank))
  if (card.hit) {
    const mark = element("span", "hit", "✓")
    mark.setAttribute("role", "img")
    mark.setAttribute("aria-label", "opened next")
    anchor.classList.add("opened")
    anchor.append(mark)
  }
  return anchor
}

function strip({ label, cards }) {
  const box = element("section", "strip")
  if (label) box.append(element("h3", "", label))
  const list = element("ul", "tiles")
  for (const card of cards) {
    const item = element("li")
    item.append(tile(card))
    list.append(item)
  }
  box.append(list)
  return box
}

// A row for each method: its name, its bar with the interval as a line, and its share.
function bars(rows) {
  const most = Math.max(...rows.map((row) => row.high ?? row.value))
  const list = element("ul", "bars")
  const percent = (share) => `${(100 * share) / most}%`
  for (const row of rows) {
    const item = element("li", row.model ? "model" : "")
    const track = element("span", "track")
    const bar = element("span", "bar")
    bar.style.width = percent(row.value)
    track.append(bar)
    if (row.low !== null && row.high !== null) {
      const line = element("span", "interval")
      line.style.left = percent(row.low)
      line.style.width = percent(row.high - row.low)
      line.title = row.interval
      track.append(line)
    }
    item.append(element("span", "method", row.label), track, element("strong", "", row.text))
    list.append(item)
  }
  return list
}

export default function ({ data, parentElement }) {
  const beat = parentElement.querySelector(".beat")
  beat.className = `beat ${data.key} ${data.ratio < 1 ? "portrait" : ""}`
  beat.style.setProperty("--box", data.box)
  beat.style.setProperty("--ratio", data.ratio)
  const head = element("header")
  const title = element("h2")
  const only = link({ href: data.only }, "only")
  only.append(data.title)
  title.append(only)
  head.append(title, element("p", "", data.sentence))
  const more = link({ href: data.href }, "more")
  more.append(data.more)
  head.append(more)
  const evidence = element("div", "evidence")
  evidence.append(...data.strips.map(strip))
  if (data.bars.length) evidence.append(bars(data.bars))
  beat.replaceChildren(head, evidence)
}
