// Histograms of the attributes: a brush or a click filters the map, the gallery and the other histograms at once. Each listing has a
// bit for each filter that it fails, so that a histogram counts the listings that pass all filters but its own.
const REST = 1 << 15 // the bit of everything else that is selected: region, group, region of unmet demand, color, day

function readFacets(map, facets, codes) {
  map.facets = facets.map((facet, at) => ({ ...facet, bit: 1 << at, codes: codes.subarray(at * map.n, (at + 1) * map.n), chosen: null }))
  map.fails = new Uint16Array(map.n)
  const box = map.host.querySelector(".facets")
  box.replaceChildren(...map.facets.map((facet) => facetBox(map, facet)))
  box.hidden = !facets.length
  map.facets.forEach((facet) => (facet.total = countBars(map, facet, () => true)))
}

function countBars(map, facet, passes) {
  const counts = new Uint32Array(facet.bars.length)
  for (let i = 0; i < map.n; i++) if (passes(i)) addTo(counts, facet, facet.codes[i])
  return counts
}

function addTo(counts, facet, code) {
  if (facet.kind !== "set") {
    if (code < counts.length) counts[code] += 1
  } else for (let bar = 0; bar < counts.length; bar++) counts[bar] += (code >> bar) & 1
}

// A facet's filter as a table over the codes; `chosen` holds the bars.
function allowedBy(facet) {
  return Uint8Array.from({ length: 256 }, (_, code) => {
    if (facet.kind === "set") return Number([...facet.chosen].some((bar) => (code >> bar) & 1))
    return Number(facet.chosen.has(code))
  })
}

function failFacet(map, facet) {
  const allowed = facet.chosen && allowedBy(facet)
  for (let i = 0; i < map.n; i++) {
    if (!allowed || allowed[facet.codes[i]]) map.fails[i] &= ~facet.bit
    else map.fails[i] |= facet.bit
  }
}

function failRest(map) {
  const { state, clusters, now } = map
  const within = state.region.length ? insideOutline(map.places, state.region) : null
  const group = within || state.group === null ? null : state.group
  const place = map.unmet && state.place ? state.place : null
  for (let i = 0; i < map.n; i++) {
    const out =
      (within && !within[i]) || (group !== null && clusters[i] !== group) || (place && map.unmet.codes[i] !== place) ||
      (map.only !== null && map.codes[i] !== map.only) || (now && now[i] < FLAG)
    if (out) map.fails[i] |= REST
    else map.fails[i] &= ~REST
  }
}

// The listings that pass all filters, and the counts of each histogram.
function refilter(map) {
  const active = Boolean(map.facets.some((facet) => facet.chosen) || map.state.region.length || map.state.group !== null ||
    (map.unmet && map.state.place) || map.only !== null || map.now)
  const lit = active ? new Uint8Array(map.n) : null
  const byBit = new Map(map.facets.map((facet) => [facet.bit, facet]))
  for (const facet of map.facets) facet.counts = active ? new Uint32Array(facet.bars.length) : facet.total
  let size = 0
  if (active) {
    for (let i = 0; i < map.n; i++) {
      const fails = map.fails[i]
      if (!fails) {
        lit[i] = 1
        size += 1
        for (const facet of map.facets) addTo(facet.counts, facet, facet.codes[i])
      } else if (byBit.has(fails)) addTo(byBit.get(fails).counts, byBit.get(fails), byBit.get(fails).codes[i])
    }
  }
  Object.assign(map, { lit, size: active ? size : map.n, litOf: map.litOf + 1 })
}

function facetBox(map, facet) {
  const box = element("div", `facet ${facet.kind}`)
  box.setAttribute("role", "group")
  box.setAttribute("aria-label", facet.label)
  facet.range = element("span", "range")
  const title = element("p", "facet-title", facet.label)
  title.append(facet.range)
  box.append(title, facet.kind === "number" ? numberBars(map, facet) : valueBars(map, facet))
  return box
}

function numberBars(map, facet) {
  const last = facet.bars.length - 1
  const box = element("div", "brush")
  const bars = element("div", "bars")
  facet.nodes = facet.bars.map((label) => Object.assign(element("div", "bar"), { title: label }))
  bars.append(...facet.nodes)
  const ends = ["from", "to"].map((name, end) => {
    const input = element("input")
    Object.assign(input, { type: "range", min: "0", max: String(last), value: String(end * last) })
    input.setAttribute("aria-label", `${facet.label}, ${name}`)
    input.addEventListener("input", () => {
      const [low, high] = facet.bounds()
      brush(map, facet, end ? Math.min(low, Number(input.value)) : Number(input.value), end ? Number(input.value) : Math.max(high, Number(input.value)))
    })
    return input
  })
  facet.inputs = ends
  facet.bounds = () => (facet.chosen ? [Math.min(...facet.chosen), Math.max(...facet.chosen)] : [0, last])
  const at = (event) => {
    const { left, width } = bars.getBoundingClientRect()
    return Math.max(0, Math.min(last, Math.floor(((event.clientX - left) / width) * (last + 1))))
  }
  let from = null
  bars.addEventListener("pointerdown", (event) => {
    bars.setPointerCapture(event.pointerId)
    from = at(event)
    const alone = facet.chosen?.size === 1 && facet.chosen.has(from)
    brush(map, facet, alone ? 0 : from, alone ? last : from)
  })
  bars.addEventListener("pointermove", (event) => {
    if (from !== null) brush(map, facet, Math.min(from, at(event)), Math.max(from, at(event)))
  })
  for (const name of ["pointerup", "pointercancel"]) bars.addEventListener(name, () => (from = null))
  box.append(bars, ...ends)
  return box
}

function brush(map, facet, low, high) {
  const every = low === 0 && high === facet.bars.length - 1
  chooseBars(map, facet, every ? null : new Set(Array.from({ length: high - low + 1 }, (_, at) => low + at)))
}

function valueBars(map, facet) {
  const list = element("div", "values")
  facet.nodes = facet.bars.map((label, bar) => {
    const node = button("", () => {
      const chosen = new Set(facet.chosen ?? [])
      if (!chosen.delete(bar)) chosen.add(bar)
      chooseBars(map, facet, chosen.size ? chosen : null)
    }, "", "bar")
    facet.numbers ??= []
    facet.numbers[bar] = element("span", "number")
    node.append(element("span", "bar-label", label), facet.numbers[bar])
    return node
  })
  list.append(...facet.nodes)
  return list
}

function chooseBars(map, facet, chosen) {
  facet.chosen = chosen
  failFacet(map, facet)
  select(map, { where: conditions(map) }, true)
}

function showFacets(map) {
  for (const facet of map.facets) {
    const most = Math.max(1, ...facet.total)
    facet.nodes.forEach((node, bar) => {
      node.style.setProperty("--all", `${(100 * facet.total[bar]) / most}%`)
      node.style.setProperty("--lit", `${(100 * facet.counts[bar]) / most}%`)
      const off = Boolean(facet.chosen && !facet.chosen.has(bar))
      node.classList.toggle("off", off)
      if (facet.kind === "number") return
      node.setAttribute("aria-pressed", String(Boolean(facet.chosen?.has(bar))))
      facet.numbers[bar].textContent = facet.counts[bar].toLocaleString("en")
    })
    facet.range.textContent = facet.chosen ? rangeOf(facet) : ""
    if (facet.kind !== "number") continue
    facet.bounds().forEach((bar, end) => {
      facet.inputs[end].value = String(bar)
      facet.inputs[end].setAttribute("aria-valuetext", facet.bars[bar])
    })
  }
}

const rangeOf = (facet) => {
  const labels = [...facet.chosen].sort((a, b) => a - b).map((bar) => facet.bars[bar])
  if (facet.kind !== "number") return labels.join(", ")
  if (labels.length === 1) return labels[0]
  return `${labels[0].split(" to ")[0]} to ${labels.at(-1).split(" to ").at(-1)}`
}

// The filters as conditions of `--where`, and back.
function conditionsOf(facet) {
  if (!facet.chosen) return []
  if (facet.kind !== "number") return [`${facet.name}=${[...facet.chosen].sort().map((bar) => facet.values[bar]).join("|")}`]
  const [low, high] = facet.bounds()
  const above = low > 0 ? [`${facet.name}>=${facet.ends[low - 1]}`] : []
  return high < facet.bars.length - 1 ? [...above, `${facet.name}<${facet.ends[high]}`] : above
}

const conditions = (map) => map.facets.flatMap(conditionsOf)

// Returns the conditions that no histogram shows.
function readConditions(map, where) {
  const unused = new Set(where)
  for (const facet of map.facets) {
    const last = facet.bars.length - 1
    const end = (sign) => facet.ends.findIndex((text) => where.includes(`${facet.name}${sign}${text}`))
    facet.chosen = null
    if (facet.kind === "number") {
      const [low, high] = [end(">=") + 1, end("<")]
      const length = (high < 0 ? last : high) - low + 1
      if ((low > 0 || high >= 0) && length > 0) facet.chosen = new Set(Array.from({ length }, (_, at) => low + at))
    } else {
      const given = where.find((text) => text.startsWith(`${facet.name}=`))
      const bars = (given ?? "").slice(facet.name.length + 1).split(/(?<!\\)\|/).map((value) => facet.values.indexOf(value))
      if (given && !bars.includes(-1)) facet.chosen = new Set(bars)
    }
    conditionsOf(facet).forEach((text) => unused.delete(text))
    failFacet(map, facet)
  }
  return [...unused]
}
