// The vibe map: move, zoom, point at a listing, draw around listings, by pointer or keyboard; what is selected stands beside it.
const STEP = 1.5 // of the zoom
const PAN = 80 // pixels that an arrow key moves the map
const CORNERS = 80 // most corners of an outline
const MIDDLE = { x: SIZE / 2, y: SIZE / 2, zoom: 1 }
const CLOSEST = 60 // largest zoom
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }
const KEYS = { "+": "in", "=": "in", "-": "out", 0: "whole" }
const EMPTY = { region: [], group: null, place: null, where: [], day: -1, unmet: false }

// What belongs to the listings of one map.
const emptyMap = (n) => ({
  ...MIDDLE, n, size: n, places: new Uint16Array(2 * n), clusters: new Int16Array(n), codes: new Uint8Array(n),
  facets: [], groups: [], hasGroups: false, labels: [], cards: new Map(), shots: new Map(), photos: new Map(), tiles: [], lit: null, order: null, sorted: "",
  now: null, dayOf: -1, unmet: null, unmetOf: "", regionOf: null, aboutOf: "", picked: -1, hovered: -1, pointer: null, shown: -1, line: [],
  state: EMPTY, isRestored: false,
})

function build(host) {
  const parts = Object.fromEntries([...host.querySelectorAll("[class]")].map((node) => [node.className.split(" ").at(-1), node]))
  const map = { ...emptyMap(0), host, parts, canvas: host.querySelector("canvas"), status: parts.status, isDrawing: false, withPhotos: true }
  map.tools = Object.fromEntries([...host.querySelectorAll("[data-tool]")].map((node) => [node.dataset.tool, node]))
  for (const name in map.tools) map.tools[name].onclick = () => use(map, name)
  listenToDays(map)
  new ResizeObserver(() => draw(map)).observe(map.canvas)
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(map))
  window.addEventListener("popstate", () => host.isConnected && follow(map))
  listen(map)
  return map
}

function use(map, name) {
  if (name === "lasso") map.isDrawing = !map.isDrawing
  else if (name === "photos") map.withPhotos = !map.withPhotos
  else if (name === "unmet") select(map, { unmet: !map.state.unmet, place: null })
  else if (name === "whole") Object.assign(map, MIDDLE)
  else if (name === "sight") {
    const [halfX, halfY] = halvesOf(map)
    const [left, right, low, high] = [map.x - halfX, map.x + halfX, map.y - halfY, map.y + halfY]
    choose(map, [[left, low], [right, low], [right, high], [left, high]])
  } else if (name === "out") zoom(map, 1 / STEP, [map.x, map.y])
  else {
    const i = marked(map) < 0 ? nearest(map, map.x, map.y, SIZE) : marked(map) // in sight, so that the frame is never empty
    zoom(map, STEP, [map.places[2 * i], map.places[2 * i + 1]])
  }
  draw(map)
}

// Zooms around a position, which stays where it is.
function zoom(map, times, [x, y]) {
  const before = map.zoom
  map.zoom = Math.max(1, Math.min(CLOSEST, before * times))
  const ratio = before / map.zoom
  Object.assign(map, map.zoom === 1 ? MIDDLE : { x: x + (map.x - x) * ratio, y: y + (map.y - y) * ratio })
  draw(map)
}

function choose(map, corners) {
  const step = Math.ceil(corners.length / CORNERS) // no more corners than fit in a URL
  const onGrid = (part) => Math.max(-SIZE, Math.min(2 * SIZE, Math.round(part)))
  const region = corners.filter((_, at) => at % step === 0).map((corner) => corner.map(onGrid))
  if (region.length < 3) return
  select(map, { region, group: null, place: null })
  map.status.textContent = `${counted(map.size)} chosen.`
}

// Changes the selection: the map, the histograms and the photos follow at once, layers of the server once they are loaded.
function select(map, changes) {
  map.state = { ...map.state, ...changes }
  update(map)
  map.loading = loadLayers(map)
}

function update(map) {
  refilter(map)
  showFacets(map)
  showDay(map)
  showPanel(map)
  draw(map)
}

function clear(map) {
  for (const facet of map.facets) facet.chosen = null
  map.isPlaying = false
  select(map, { ...EMPTY, unmet: map.state.unmet })
}

function draw(map) {
  if (map.waiting || !map.data) return
  map.waiting = true
  requestAnimationFrame(() => {
    map.waiting = false
    if (map.canvas.clientWidth) paint(map)
  })
}

function paint(map) {
  const { canvas, host } = map
  const ratio = window.devicePixelRatio || 1
  const [width, height] = [canvas.clientWidth, canvas.clientHeight]
  Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) })
  const { color: ink, backgroundColor: ground, fontFamily: font, colorScheme: theme } = getComputedStyle(canvas)
  const brush = { context: canvas.getContext("2d"), ratio, ink, ground, font, theme: theme === "dark" ? "dark" : "light" }
  brush.context.scale(ratio, ratio)
  map.palette = map.data.palette[brush.theme]
  map.showsPhotos = map.data.photos && map.withPhotos
  map.unit = unitOf(map) * map.zoom
  if (map.showsPhotos) planPhotos(map)
  else map.tiles = []
  paintPoints(brush, map)
  paintPhotos(brush, map)
  paintLabels(brush, map)
  paintMarks(brush, map)
  paintOverview(brush, map)
  const isPressed = { lasso: map.isDrawing, photos: map.showsPhotos, unmet: map.state.unmet }
  for (const [name, pressed] of Object.entries(isPressed)) map.tools[name].ariaPressed = String(pressed)
  Object.assign(host.dataset, {
    drawn: map.n, photos: map.tiles.filter((i) => map.photos.get(i)).length,
    day: map.now || map.state.day < 0 ? map.state.day : "", selected: map.lit ? map.size : "",
  })
  canvas.classList.toggle("drawing", map.isDrawing)
}

function showLegend({ data, parts }) {
  const entry = ([label, code, number]) => (
    h("li", { class: "chip" }, dot(data, code), `${label} `, h("span", { class: "number" }, number.toLocaleString("en")))
  )
  parts.legend.replaceChildren(...(data.legend ?? []).map(entry))
}

async function loadCards(map, numbers) {
  const missing = numbers.filter((i) => !map.cards.has(i))
  const cards = missing.length ? await json(map, "cards", { of: missing.join() }) : []
  cards.forEach((card, at) => map.cards.set(missing[at], card))
}

// Shows the listing pointed at or picked in a corner of the map.
async function point(map, i) {
  if (map.shown === i) return
  map.shown = i
  map.parts.pointed.hidden = i < 0
  if (i < 0) return
  // Away from the pointer, which would leave the map otherwise.
  map.parts.pointed.classList.toggle("right", map.places[2 * i] < map.x)
  await loadCards(map, [i])
  const card = map.cards.get(i)
  if (map.shown !== i || !card) return
  map.parts.pointed.replaceChildren(...(map.data.photos ? [photo(card)] : []), h("div", {},
    h("p", { class: "title" }, card.title),
    card.step && hint(card.step),
    facts(card),
    card.href && h("a", { href: card.href, class: "further" }, "What is like it"),
    card.simulate && h("a", { href: card.simulate, class: "further" }, "Add to a history"),
  ))
}

// Marks the listing pointed at (`hovered`) or picked.
function mark(map, changes) {
  Object.assign(map, changes)
  map.parts.pointed.classList.toggle("picked", map.picked >= 0)
  point(map, marked(map))
  draw(map)
}

const hover = (map, i) => map.hovered === i || mark(map, { hovered: i })
const pick = (map, i) => mark(map, { picked: i })

function listen(map) {
  const { canvas } = map
  const onGrid = ({ offsetX, offsetY }) => (
    [map.x + (offsetX - canvas.clientWidth / 2) / map.unit, map.y - (offsetY - canvas.clientHeight / 2) / map.unit]
  )
  // The listing of the photo under the pointer, else of the nearest point.
  const at = (event, reach) => {
    const [x, y] = onGrid(event)
    const under = photoUnder(map, x, y)
    return under >= 0 ? under : nearest(map, x, y, reach / map.unit)
  }
  let from = null
  canvas.onpointerdown = (event) => {
    if (event.button !== 0) return
    canvas.setPointerCapture(event.pointerId)
    from = { at: [event.clientX, event.clientY], x: map.x, y: map.y, hasMoved: false }
    map.line = map.isDrawing ? [onGrid(event)] : []
  }
  canvas.onpointermove = (event) => {
    map.pointer = onGrid(event)
    if (!from) {
      if (map.showsPhotos) draw(map)
      return hover(map, at(event, 12))
    }
    const [dx, dy] = [event.clientX - from.at[0], event.clientY - from.at[1]]
    from.hasMoved ||= Math.hypot(dx, dy) > 4
    if (map.isDrawing) map.line.push(onGrid(event))
    else if (from.hasMoved) Object.assign(map, { x: from.x - dx / map.unit, y: from.y + dy / map.unit })
    hover(map, -1)
    draw(map)
  }
  canvas.onpointerup = (event) => {
    if (from && !from.hasMoved) pick(map, at(event, 16))
    else if (from && map.isDrawing) choose(map, map.line)
  }
  canvas.onlostpointercapture = () => {
    from = null
    map.line = []
    draw(map)
  }
  canvas.onpointerleave = () => {
    map.pointer = null
    hover(map, -1)
    draw(map)
  }
  const onWheel = (event) => {
    // Out of the whole map the wheel scrolls the page, so that the map is no trap.
    if (map.zoom === 1 && event.deltaY > 0) return
    event.preventDefault()
    zoom(map, Math.exp(-event.deltaY / 400), onGrid(event))
  }
  canvas.addEventListener("wheel", onWheel, { passive: false })
  canvas.onkeydown = (event) => {
    const way = ARROWS[event.key]
    if (way) {
      Object.assign(map, { x: map.x + (PAN * way[0]) / map.unit, y: map.y + (PAN * way[1]) / map.unit })
      pick(map, nearest(map, map.x, map.y, SIZE))
    } else if (event.key in KEYS) use(map, KEYS[event.key])
    else if (event.key === "Enter" && map.picked >= 0) map.parts.pointed.querySelector("a")?.click()
    else return
    event.preventDefault()
    draw(map)
  }
}

const outlineText = (region) => region.map((corner) => corner.join(",")).join(";")
function outlineOf(text) {
  const region = text.split(";").map((corner) => corner.split(",").map(Number))
  return region.length >= 3 && region.every((corner) => corner.length === 2 && corner.every(Number.isInteger)) ? region : []
}
function dayOf(text, { days }) {
  const day = days && text ? Date.parse(text) / MS_A_DAY - days.first : -1
  return Number.isInteger(day) && day >= 0 && day < days.count ? day : -1
}
const numberOf = (text) => (/^\d{1,5}$/.test(text) ? Number(text) : null)
// How each part of the state is read from a URL and written there, in the names of core/listing_vibes/insight/map/parts.py.
const IN_URL = {
  region: [outlineOf, outlineText],
  group: [numberOf, String],
  place: [numberOf, String],
  where: [(text) => text.split(";").filter(Boolean).map(decoded), (where) => where.map(encodeURIComponent).join(";")],
  day: [dayOf, (day, data) => (day < 0 ? "" : dayText(data, day))],
  unmet: [(text) => text === "1", (unmet) => (unmet ? "1" : "")],
}

// The state as parameters of a URL, or of a request about the selection; empty where a part is not set.
function paramsOf({ state, data }) {
  const written = Object.entries(IN_URL).map(([name, [, write]]) => [name, state[name] === null ? "" : write(state[name], data)])
  return Object.fromEntries(written)
}

// Requests a part of the map. The source is the explorer's server, with the state in the URL, or the kernel of a notebook.
async function ask(map, part, params = {}, body = undefined) {
  const response = await map.source.ask(map.data, part, params, body)
  if (!response.ok) throw new Error(await response.text())
  return response
}

const json = async (...request) => (await ask(...request)).json()
const bytes = async (...request) => new Uint8Array(await (await ask(...request)).arrayBuffer())
const partUrl = ({ url }, part, params = {}) => `${url.replace("?", `/${part}?`)}&${new URLSearchParams(params)}`
const SERVER = {
  ask: (data, part, params, body) => fetch(partUrl(data, part, params), body && {
    method: "POST", headers: { "Content-Type": "application/json" }, body,
  }),
  photo: (data, i) => partUrl(data, "photo", { of: i }),
  state(data) {
    const params = new URLSearchParams(location.search)
    return Object.fromEntries(Object.entries(IN_URL).map(([name, [read]]) => [name, read(params.get(name) ?? "", data)]))
  },
  keep: (data, state) => setParams(paramsOf({ data, state })),
}

async function load(map, data) {
  const isNew = map.loaded !== data.url
  const [places, colors] = await Promise.all([isNew && bytes(map, "places"), data.legend && bytes(map, "colors", { by: data.by })])
  if (map.data !== data) return
  if (isNew) {
    Object.assign(map, emptyMap(data.n), { loaded: data.url, places: new Uint16Array(places.buffer, 0, 2 * data.n) })
    map.clusters = new Int16Array(places.buffer, 4 * data.n, data.n)
    map.parts.pointed.hidden = true
  }
  map.codes = colors || Uint8Array.from(map.clusters, (group) => (group < 0 ? 11 : Math.min(group, 10)))
  update(map)
  if (isNew) await loadRest(map, data)
}

// What the first sight of the map does not need.
async function loadRest(map, data) {
  const [facets, codes] = await Promise.all([json(map, "facets"), bytes(map, "codes")])
  if (map.loaded !== data.url) return
  readFacets(map, facets, codes)
  map.isRestored = true // from now on the state is kept; its conditions need the histograms
  update(map)
  follow(map)
  const groups = await json(map, "groups")
  if (map.loaded !== data.url) return
  Object.assign(map, { groups, hasGroups: true })
  select(map, map.state.group !== null && !groups[map.state.group]?.size ? { group: null } : {})
  const labels = await json(map, "names")
  if (map.loaded === data.url) map.labels = labels
  draw(map)
}

// Takes the state of the source, after the page was opened and after the browser's back button.
function follow(map) {
  const state = map.source.state(map.data)
  if (!map.isRestored || JSON.stringify(state) === JSON.stringify(map.state)) return
  for (const facet of map.facets) facet.chosen = barsOf(facet, state.where)
  const where = conditions(map)
  const unused = state.where.filter((text) => !where.includes(text))
  if (unused.length) map.status.textContent = `The link has ${unused.join(", ")}, which no histogram shows; it is left out.`
  map.isPlaying = false
  select(map, { ...state, where })
}

export default function ({ data, parentElement, source = SERVER }) {
  const host = parentElement.querySelector(".vibe-map")
  const map = (host.map ??= build(host))
  map.source = source
  const shown = JSON.stringify(data)
  if (host.dataset.shown === shown) return
  host.dataset.shown = shown
  map.data = data
  showLegend(map)
  host.style.setProperty("--box", data.box)
  map.tools.photos.hidden = !data.photos
  map.tools.unmet.hidden = !data.unmet
  map.canvas.ariaLabel = data.label
  map.canvas.setAttribute("aria-description", data.keys)
  map.parts.legend.ariaLabel = data.legendLabel
  load(map, data).catch((error) => (map.status.textContent = `The map could not be loaded: ${error.message}`))
}
