// The selection, and histograms of the attributes: a brush or a click filters the map, the gallery and the other histograms at once.
// A histogram counts the listings that pass all filters but its own.

function readFacets(map, facets, codes) {
  map.facets = facets.map((facet, at) => ({ ...facet, codes: codes.subarray(at * map.n, (at + 1) * map.n), chosen: null }))
  map.parts.facets.replaceChildren(...map.facets.map((facet) => facetBox(map, facet)))
}

function count(counts, facet, code) {
  if (facet.kind !== "set") {
    if (code < counts.length) counts[code] += 1
  } else for (let bar = 0; bar < counts.length; bar++) counts[bar] += (code >> bar) & 1
}

// A facet's filter as a table over the codes.
const allowedBy = ({ kind, chosen }) => chosen && Uint8Array.from({ length: 256 }, (_, code) => (
  Number(kind === "set" ? [...chosen].some((bar) => (code >> bar) & 1) : chosen.has(code))
))

// The listings that pass all filters, and the counts of each histogram.
function refilter(map) {
  const { state, now, unmet, facets } = map
  if (map.regionOf !== state.region) {
    map.regionOf = state.region
    map.within = state.region.length ? insideOutline(map.places, state.region) : null
  }
  const group = map.within ? null : state.group
  const place = unmet ? state.place : null
  const allowed = facets.map(allowedBy)
  const isActive = Boolean(map.within || group !== null || place || now || allowed.some(Boolean))
  const lit = new Uint8Array(map.n)
  let size = 0
  for (const facet of facets) facet.counts = new Uint32Array(facet.bars.length)
  for (let i = 0; i < map.n; i++) {
    if ((map.within && !map.within[i]) || (group !== null && map.clusters[i] !== group)) continue
    if ((place && unmet.codes[i] !== place) || (now && now[i] < FLAG)) continue
    let [fails, last] = [0, null]
    for (let at = 0; at < facets.length; at++) {
      if (!allowed[at] || allowed[at][facets[at].codes[i]]) continue
      fails += 1
      last = facets[at]
    }
    if (fails === 1) count(last.counts, last, last.codes[i])
    if (fails) continue
    lit[i] = 1
    size += 1
    for (const facet of facets) count(facet.counts, facet, facet.codes[i])
  }
  Object.assign(map, { lit: isActive ? lit : null, size })
}

function facetBox(map, facet) {
  const title = h("p", { class: "title" }, facet.label)
  const bars = facet.kind === "number" ? numberBars(map, facet) : valueBars(map, facet)
  return h("div", { class: "facet", role: "group", "aria-label": facet.label }, title, bars)
}

// Bars between two handles.
function numberBars(map, facet) {
  const last = facet.bars.length - 1
  facet.nodes = facet.bars.map((title) => h("div", { class: "bar", title }))
  facet.bounds = () => (facet.chosen ? [Math.min(...facet.chosen), Math.max(...facet.chosen)] : [0, last])
  facet.inputs = ["from", "to"].map((name, end) => {
    const oninput = ({ target }) => {
      const [value, [low, high]] = [Number(target.value), facet.bounds()]
      chooseBars(map, facet, end ? barsBetween(facet, low, Math.max(low, value)) : barsBetween(facet, Math.min(high, value), high))
    }
    return h("input", { type: "range", min: 0, max: last, value: end * last, "aria-label": `${facet.label}, ${name}`, oninput })
  })
  const [low, high] = [facet.bars[0].replace(/^below /, ""), facet.bars[last].replace(/ or more$/, "")]
  const ends = h("div", { class: "ends number" }, h("span", {}, low), h("span", {}, high))
  return h("div", { class: "range" }, h("div", { class: "brush" }, h("div", { class: "bars" }, ...facet.nodes), ...facet.inputs), ends)
}

// The bars from `low` to `high`; null for all.
function barsBetween({ bars }, low, high) {
  const length = high - low + 1
  return length > 0 && length < bars.length ? new Set(Array.from({ length }, (_, at) => low + at)) : null
}

function valueBars(map, facet) {
  facet.numbers = facet.bars.map(() => h("span", { class: "number" }))
  const toggle = (bar) => {
    const chosen = new Set(facet.chosen ?? [])
    if (!chosen.delete(bar)) chosen.add(bar)
    chooseBars(map, facet, chosen.size ? chosen : null)
  }
  facet.nodes = facet.bars.map((label, bar) => (
    button("", () => toggle(bar), { class: "bar" }, h("span", { class: "bar-label" }, label), facet.numbers[bar])
  ))
  return h("div", { class: "values" }, ...facet.nodes, facet.more && hint(`${facet.more.toLocaleString("en")} more`))
}

function chooseBars(map, facet, chosen) {
  facet.chosen = chosen
  select(map, { where: conditions(map) })
}

function showFacets(map) {
  for (const facet of map.facets) {
    const most = Math.max(1, ...facet.totals)
    facet.nodes.forEach((node, bar) => {
      node.style.setProperty("--all", `${(100 * facet.totals[bar]) / most}%`)
      node.style.setProperty("--lit", `${(100 * facet.counts[bar]) / most}%`)
      node.classList.toggle("off", Boolean(facet.chosen && !facet.chosen.has(bar)))
      if (facet.kind === "number") return
      node.ariaPressed = String(Boolean(facet.chosen?.has(bar)))
      facet.numbers[bar].textContent = facet.counts[bar].toLocaleString("en")
    })
    facet.inputs?.forEach((input, end) => {
      const bar = facet.bounds()[end]
      input.value = String(bar)
      input.ariaValueText = facet.bars[bar]
    })
  }
}

function rangeOf(facet) {
  const labels = [...facet.chosen].sort((a, b) => a - b).map((bar) => facet.bars[bar])
  if (facet.kind !== "number") return labels.join(", ")
  return labels.length === 1 ? labels[0] : `${labels[0].split(" to ")[0]} to ${labels.at(-1).split(" to ").at(-1)}`
}

const conditions = (map) => [...new Set(map.facets.flatMap(conditionsOf))]

// The filters as conditions of `--where`, and back.
function conditionsOf(facet) {
  if (!facet.chosen) return []
  if (facet.kind !== "number") return [`${facet.name}=${[...facet.chosen].sort().map((bar) => facet.values[bar]).join("|")}`]
  const [low, high] = facet.bounds()
  const within = facet.within ? [facet.within] : []
  const above = low > 0 ? [...within, `${facet.name}>=${facet.ends[low - 1]}`] : within
  return high < facet.bars.length - 1 ? [...above, `${facet.name}<${facet.ends[high]}`] : above
}

function barsOf(facet, where) {
  if (facet.kind !== "number") {
    const given = where.find((text) => text.startsWith(`${facet.name}=`))
    const bars = given?.slice(facet.name.length + 1).split(/(?<!\\)\|/).map((value) => facet.values.indexOf(value))
    return bars && !bars.includes(-1) ? new Set(bars) : null
  }
  if (facet.within && !where.includes(facet.within)) return null
  const end = (sign) => facet.ends.findIndex((text) => where.includes(`${facet.name}${sign}${text}`))
  return barsBetween(facet, end(">=") + 1, end("<") < 0 ? facet.bars.length - 1 : end("<"))
}
