function strip(data, root) {
  const list = h("ul")
  showCards(list, data, root)
  return h("section", { class: "part" }, data.label && h("h3", {}, data.label), list)
}

// A row for each bar: its name, the bar with its interval as a line, and its value; below them the axis.
function bars(rows, ticks, picture) {
  const most = ticks.at(-1)
  const percent = (share) => `${(100 * Math.max(0, Math.min(share, most))) / most}%`
  const interval = ({ low, high }) => low !== null && high > 0 &&
    h("span", { class: "interval", style: `left: ${percent(low)}; width: ${percent(high - Math.max(0, low))}` })
  const axis = h("li", { class: "axis", "aria-hidden": "true" }, h("span"), h("span", { class: "ticks" },
    ...ticks.map((at) => h("span", {}, `${Math.round(100 * at)}%`))), h("span"))
  return h("div", {}, h("ul", { class: `bars ${rows.length > 5 ? "many" : ""}` }, ...rows.map((row) =>
    h("li", { class: row.kind, title: row.note },
      h("span", { class: "method" }, row.label, row.note && h("small", {}, row.note)),
      h("span", { class: "track" }, h("span", { class: "bar", style: `width: ${percent(row.value)}` }), interval(row)),
      h("strong", {}, row.text),
    )), axis), picture && h("p", { class: "caption" }, picture))
}

// Listings as dots in the color of their group, and the groups with their names, or a photo where there is no name.
function dotMap({ x, y, group, groups, near, here, colors, covers, picture, href }) {
  const svg = (tag, attributes, ...more) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag)
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
    node.append(...more)
    return node
  }
  const [left, top] = [Math.min(...x) - 20, 1000 - Math.max(...y) - 20]
  const box = `${left} ${top} ${Math.max(...x) + 20 - left} ${1000 - Math.min(...y) + 20 - top}`
  const picked = groups.map((_, number) => number).filter((number) => group.includes(number))
  const paths = [-1, ...picked].map((number) => svg("path", {
    d: x.map((at, i) => (group[i] === number ? `M${at} ${1000 - y[i]}h0` : "")).join(""),
    style: `stroke: ${number < 0 ? "var(--st-border-color)" : color(colors, number)}`, "data-group": number,
  }))
  const marks = near.map(([cx, cy]) => svg("circle", { cx, cy: 1000 - cy, r: 11 }))
  if (here) marks.push(svg("rect", { x: here[0] - 14, y: 986 - here[1], width: 28, height: 28, transform: `rotate(45 ${here[0]} ${1000 - here[1]})` }))
  const show = (number) => paths.forEach((path) => path.classList.toggle("faded", number !== null && path.dataset.group !== String(number)))
  const entry = (number) => h("li", {
    style: `--group: ${color(colors, number)}`, onpointerenter: () => show(number), onpointerleave: () => show(null),
  }, h("a", { href: `${href}&group=${number}` },
    !groups[number].is_named && covers[number] && h("img", { src: covers[number], alt: "The most typical listing" }),
    h("b", {}, groups[number].is_named || !covers[number] ? groups[number].name : ""),
    h("span", { class: "hint" }, `${groups[number].size.toLocaleString("en")} listings`)))
  return h("div", { class: "dots" }, svg("svg", { viewBox: box, role: "img", "aria-label": picture }, ...paths, ...marks), h("ul", {}, ...picked.map(entry)))
}

const color = ({ light, dark }, number) => `light-dark(${light[Math.min(number, 10)]}, ${dark[Math.min(number, 10)]})`

// The wall that answers: a column for each group. Pointing at a photo keeps those most like it bright and shows it large beside six of
// them; a click moves the nearest to the front, Escape or the same photo again undoes that.
function wall({ strips, alike, colors, more }) {
  const cards = strips.flatMap((part) => part.cards)
  const large = h("div", { class: "large", "aria-live": "polite" })
  const image = (at, attributes = {}) => h("img", { src: cards[at].photo, alt: cards[at].title, ...attributes })
  let center = null
  const show = (at) => {
    const [near, shown] = [new Set([at, ...(alike[at] ?? [])]), at ?? 0]
    items.forEach((item, other) => item.classList.toggle("faded", at !== null && !near.has(other)))
    large.replaceChildren(
      image(shown), h("p", { class: "title" }, cards[shown].title), h("p", { class: "hint" }, cards[shown].facts.map(([, value]) => value).filter((value) => value !== "—").join(" · ")),
      h("p", { class: "hint" }, "Most like it"), h("div", { class: "near" }, ...alike[shown].slice(0, 6).map((other) => image(other))),
    )
  }
  const gather = (at) => {
    center = center === at ? null : at
    const before = items.map((item) => item.getBoundingClientRect())
    const order = center === null ? items.map((_, other) => other) : [center, ...alike[center]]
    const rest = items.map((_, other) => other).filter((other) => !order.includes(other))
    root.classList.toggle("gathered", center !== null)
    if (center === null) columns.forEach((list, number) => list.replaceChildren(...items.filter((item) => item.column === number)))
    else {
      const rows = [...order, ...rest] // the nearest fill the first rows, across all columns
      columns.forEach((list, number) => list.replaceChildren(...rows.filter((_, place) => place % columns.length === number).map((other) => items[other])))
    }
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches
    items.forEach((item, other) => {
      const after = item.getBoundingClientRect()
      const moved = [before[other].left - after.left, before[other].top - after.top]
      if (!still) item.animate([{ transform: `translate(${moved[0]}px, ${moved[1]}px)` }, { transform: "none" }], { duration: 450, easing: "ease-out" })
    })
    show(at)
  }
  const items = []
  const columns = strips.map((part, column) => h("ul", {}, ...part.cards.map((card) => {
    const at = items.length
    const click = (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return
      event.preventDefault()
      if (center === at) return go(card.href) // the second click opens it
      gather(at)
    }
    const item = h("li", { onpointerenter: () => show(at), onfocusin: () => show(at) },
      h("a", { href: card.href, onclick: click, title: card.title }, image(at, { loading: "lazy" })))
    item.column = column
    items.push(item)
    return item
  })))
  const heads = strips.map((part) => h("a", { class: "head", href: `${more}&group=${part.group}`, style: `--group: ${color(colors, part.group)}; --share: ${100 * part.share}%` },
    h("b", {}, part.label), h("span", { class: "hint" }, part.note), h("span", { class: "share" })))
  const root = h("div", { class: "answers", style: `--box: ${strips[0].box}`, onkeydown: ({ key }) => key === "Escape" && center !== null && gather(center) },
    h("div", { class: "columns", onpointerleave: () => show(center) }, ...strips.map((_, number) => h("div", { class: "group" }, heads[number], columns[number]))), large)
  show(null)
  return root
}

const header = (data) => h("header", {},
  h("div", {}, h("h2", {}, h("a", { href: data.only, class: "only" }, data.headline)), h("p", {}, data.sentence, data.population && h("span", { class: "hint" }, ` Of ${data.population}.`))),
  data.href && h("a", { href: data.href, class: "button more" }, data.more),
)

export default function ({ data, parentElement }) {
  const host = parentElement.querySelector(".evidence")
  host.className = `evidence ${data.key}`
  host.dataset.url = data.url
  host.replaceChildren(
    ...(data.headline ? [header(data)] : []),
    data.alike?.length && matchMedia("(min-width: 641px)").matches ? wall(data) : h("div", { class: "strips" },
      data.dots && dotMap(data.dots), ...data.strips.map((given) => strip(given, parentElement)), data.bars.length && bars(data.bars, data.ticks, data.picture)),
  )
}
