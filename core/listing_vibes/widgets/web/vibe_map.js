// The vibe map: move, zoom, point at a listing, draw around listings, by pointer or keyboard; what is selected stands beside it.
const STEP = 1.5
const CORNERS = 80 // most corners of an outline
const NEAREST = 60 // largest zoom
const TOOLS = [
  ["move", "Move", "Drag moves the map"],
  ["lasso", "Draw around", "Drag draws a line around listings"],
  ["in", "+", "Zoom in"],
  ["out", "−", "Zoom out"],
  ["whole", "Whole map", "Show all listings"],
  ["sight", "Choose what is in sight", "Make all listings within the frame the region"],
  ["photos", "Photos", "Photos instead of dots"],
  ["unmet", "Unmet demand", "Where users want more than is active"],
]
const MAPS = new WeakMap()
const EMPTY = { region: [], group: null, place: null, where: [], day: -1, unmet: false }

function themed(host) {
  const style = getComputedStyle(host)
  const color = (name, fallback) => style.getPropertyValue(name).trim() || fallback
  const ground = color("--st-background-color", "#ffffff")
  const [red, green, blue] = /^#[0-9a-f]{6}/i.test(ground) ? parts(ground) : [255, 255, 255]
  const dark = 0.299 * red + 0.587 * green + 0.114 * blue < 128
  return { ground: ground.slice(0, 7), ink: color("--st-text-color", "#000000"), dark, font: style.fontFamily }
}

function build(host) {
  const map = {
    host, n: 0, x: SIZE / 2, y: SIZE / 2, zoom: 1, unit: 1, span: [SIZE, SIZE], mode: "move", picked: -1, hovered: -1, line: [],
    places: new Uint16Array(), codes: new Uint8Array(), clusters: new Int16Array(), lit: null, litOf: 0, size: 0, labels: [], groups: [],
    facets: [], fails: new Uint16Array(), unmet: null, photos: photosOf(), withPhotos: true, palette: [], only: null, cards: new Map(),
    state: EMPTY, canvas: host.querySelector("canvas"), stage: host.querySelector(".stage"), pointed: host.querySelector(".pointed"),
    status: host.querySelector(".status"), data: null, buttons: {},
  }
  map.context = map.canvas.getContext("2d")
  for (const [name, label, hint] of TOOLS) {
    map.buttons[name] = button(label, () => use(map, name), label.length === 1 ? hint : "", "tool")
    map.buttons[name].title = hint
    host.querySelector(".tools").append(map.buttons[name])
  }
  buildDays(map)
  buildPanel(map)
  use(map, "move")
  new ResizeObserver(() => draw(map)).observe(map.stage)
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(map))
  listen(map)
  return map
}

const hex = (color) => (/^#[0-9a-f]{6}/i.test(color) ? color.slice(0, 7) : "#808080")

function use(map, tool) {
  if (tool === "move" || tool === "lasso") {
    map.mode = tool
    for (const name of ["move", "lasso"]) map.buttons[name].setAttribute("aria-pressed", String(name === tool))
    map.canvas.dataset.mode = tool
  } else if (tool === "photos") {
    map.withPhotos = !map.withPhotos
    map.photos.plan = ""
  } else if (tool === "unmet") {
    select(map, { unmet: !map.state.unmet, place: null })
    showUnmet(map)
  } else if (tool === "whole") {
    Object.assign(map, { x: SIZE / 2, y: SIZE / 2, zoom: 1 })
  } else if (tool === "sight") {
    const [halfX, halfY] = [map.canvas.clientWidth / 2 / map.unit, map.canvas.clientHeight / 2 / map.unit]
    const [left, right] = [Math.round(map.x - halfX), Math.round(map.x + halfX)].map(held)
    const [low, high] = [Math.round(map.y - halfY), Math.round(map.y + halfY)].map(held)
    choose(map, [[left, low], [right, low], [right, high], [left, high]])
  } else {
    map.zoom = Math.max(1, Math.min(NEAREST, map.zoom * (tool === "in" ? STEP : 1 / STEP)))
  }
  draw(map)
}

const held = (value) => Math.max(-SIZE, Math.min(2 * SIZE, value))

function showUnmet(map) {
  loadUnmet(map).then(() => update(map)).catch((error) => (map.status.textContent = error.message))
}

function choose(map, region) {
  select(map, { region, group: null, place: null })
  map.status.textContent = `${counted(map.size)} chosen.`
}

// Changes the selection: the map, the histograms and the photos follow at once.
function select(map, changes) {
  const rest = Object.keys(changes).some((name) => name !== "where")
  map.state = { ...map.state, ...changes }
  if (rest) failRest(map)
  refresh(map)
}

function refresh(map) {
  refilter(map)
  showFacets(map)
  showPanel(map)
  draw(map)
}

function update(map) {
  failRest(map)
  refresh(map)
}

function showOnly(map, code) {
  map.only = map.only === code ? null : code
  update(map)
}

function clear(map) {
  for (const facet of map.facets) {
    facet.chosen = null
    failFacet(map, facet)
  }
  map.only = null
  map.state = { ...EMPTY, unmet: map.state.unmet, day: map.state.day }
  if (map.day >= 0) restDay(map, -1)
  update(map)
}

function draw(map) {
  if (map.waiting || !map.data) return
  map.waiting = true
  requestAnimationFrame(() => {
    map.waiting = false
    const ratio = window.devicePixelRatio || 1
    const { clientWidth, clientHeight } = map.canvas
    if (!clientWidth) return
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)]
    if (map.canvas.width !== width || map.canvas.height !== height) Object.assign(map.canvas, { width, height })
    else map.context.clearRect(0, 0, width, height)
    map.unit = Math.min(clientWidth / map.span[0], clientHeight / map.span[1]) * 0.94 * map.zoom
    const { ground, ink, dark, font } = themed(map.host)
    map.palette = map.data.palette[dark ? "dark" : "light"]
    if (showsPhotos(map)) planPhotos(map, clientWidth, clientHeight)
    paintHalos(map.context, map, ratio, dark)
    paintPoints(map.context, map, ratio, ground, hex(ink))
    paintPhotos(map.context, map, ratio)
    paintOutline(map.context, map, ratio, map.line.length ? map.line : map.state.region, ink)
    paintLabels(map.context, map, ratio, ink, ground, font)
    paintNumbers(map.context, map, ratio, dark, font)
    const marked = map.hovered >= 0 ? map.hovered : map.picked
    if (marked >= 0) paintRing(map.context, map, ratio, marked, ink, ground)
    legend(map, dark)
    map.buttons.photos.setAttribute("aria-pressed", String(showsPhotos(map)))
    map.buttons.unmet.setAttribute("aria-pressed", String(map.state.unmet))
    map.host.dataset.drawn = String(map.n)
    map.host.dataset.photos = String(showsPhotos(map) ? map.photos.tiles.filter((i) => map.photos.shown.get(i)).length : 0)
    map.host.dataset.day = map.now || map.day < 0 ? String(map.day) : ""
    map.host.dataset.selected = String(map.lit ? map.size : "")
  })
}

function legend(map, dark) {
  const list = map.host.querySelector(".legend")
  const key = `${dark}|${map.only}|${map.data.by}|${map.data.legend?.length}`
  list.hidden = !map.data.legend
  if (!map.data.legend || list.dataset.shown === key) return
  list.dataset.shown = key
  const focused = [...list.querySelectorAll("button")].indexOf(list.getRootNode().activeElement)
  list.replaceChildren(
    ...map.data.legend.map(([label, code, count]) => {
      const entry = button("", () => showOnly(map, code), "", "entry")
      entry.title = "Show only these"
      entry.setAttribute("aria-pressed", String(map.only === code))
      const sign = element("span", "sign")
      sign.style.background = map.palette[code]
      entry.append(sign, element("span", "", label), element("span", "number", count.toLocaleString("en")))
      const item = element("li")
      item.append(entry)
      return item
    })
  )
  if (focused >= 0) list.querySelectorAll("button")[focused]?.focus()
}

async function card(map, i) {
  if (!map.cards.has(i)) {
    const [found] = await map.source.cards(map.data, [i]).catch(() => [null])
    if (found) map.cards.set(i, found)
  }
  return map.cards.get(i)
}

// The listing pointed at or picked, in a corner of the map.
async function point(map, i) {
  if (map.shown === i) return
  map.shown = i
  map.pointed.hidden = i < 0
  if (i < 0) return
  // Away from the pointer, which would leave the map otherwise.
  map.pointed.classList.toggle("right", map.places[2 * i] < map.x)
  const shown = await card(map, i)
  if (map.shown !== i || !shown) return
  const words = element("div", "words")
  words.append(element("p", "title", shown.title))
  if (shown.step) words.append(element("p", "group", shown.step))
  words.append(facts(shown, ""))
  if (shown.href) {
    const further = link(shown, "further")
    further.textContent = "What is like it"
    words.append(further)
  }
  map.pointed.replaceChildren(...(map.data.photos ? [photo(shown)] : []), words)
}

function hover(map, i) {
  if (map.hovered === i) return
  map.hovered = i
  draw(map)
  point(map, i >= 0 ? i : map.picked)
}

function pick(map, i) {
  map.picked = i
  map.pointed.classList.toggle("picked", i >= 0)
  point(map, i)
  if (i >= 0) {
    card(map, i).then((shown) => {
      if (shown && map.picked === i) map.status.textContent = [shown.title, shown.step, ...shown.facts.map((one) => one.join(" "))].filter(Boolean).join(", ")
    })
  }
  draw(map)
}

// The listing nearest to the current one in the direction of an arrow key.
function walk(map, dx, dy) {
  if (map.picked < 0) return pick(map, nearest(map.places, map.x, map.y, SIZE))
  const [x, y] = [map.places[2 * map.picked], map.places[2 * map.picked + 1]]
  let best = -1
  let least = Infinity
  for (let i = 0; i < map.n; i++) {
    const ahead = (map.places[2 * i] - x) * dx + (map.places[2 * i + 1] - y) * dy
    const aside = Math.abs((map.places[2 * i] - x) * dy) + Math.abs((map.places[2 * i + 1] - y) * dx)
    if (ahead > 0 && aside <= ahead && ahead + 2 * aside < least) [least, best] = [ahead + 2 * aside, i]
  }
  if (best < 0) return
  const [width, height] = [map.canvas.clientWidth / map.unit, map.canvas.clientHeight / map.unit]
  const [px, py] = [map.places[2 * best], map.places[2 * best + 1]]
  if (Math.abs(px - map.x) > 0.45 * width) map.x = px
  if (Math.abs(py - map.y) > 0.45 * height) map.y = py
  pick(map, best)
}

function listen(map) {
  const { canvas } = map
  const onGrid = (event) => {
    const box = canvas.getBoundingClientRect()
    const [x, y] = [event.clientX - box.left, event.clientY - box.top]
    return [map.x + (x - box.width / 2) / map.unit, map.y - (y - box.height / 2) / map.unit]
  }
  // The listing of the photo under the pointer, else of the nearest point.
  const at = (x, y, reach) => {
    const under = photoUnder(map, x, y)
    return under >= 0 ? under : nearest(map.places, x, y, reach / map.unit)
  }
  let from = null
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return
    canvas.setPointerCapture(event.pointerId)
    from = { at: [event.clientX, event.clientY], x: map.x, y: map.y, moved: false }
    const [x, y] = onGrid(event)
    map.line = map.mode === "lasso" ? [[x, y]] : []
  })
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = onGrid(event)
    if (!from) return hover(map, at(x, y, 12))
    const [dx, dy] = [event.clientX - from.at[0], event.clientY - from.at[1]]
    from.moved ||= Math.hypot(dx, dy) > 4
    if (map.mode === "lasso") map.line.push([x, y])
    else if (from.moved) Object.assign(map, { x: from.x - dx / map.unit, y: from.y + dy / map.unit })
    hover(map, -1)
    draw(map)
  })
  canvas.addEventListener("pointerup", (event) => {
    if (!from) return
    const { moved } = from
    from = null
    const [x, y] = onGrid(event)
    if (!moved) {
      map.line = []
      return pick(map, at(x, y, 16))
    }
    if (map.mode === "lasso") {
      // No more corners than fit in a URL.
      const step = Math.ceil(map.line.length / CORNERS)
      const line = map.line.filter((_, at) => at % step === 0).map((corner) => corner.map((part) => held(Math.round(part))))
      map.line = []
      if (line.length >= 3) choose(map, line)
    }
    draw(map)
  })
  canvas.addEventListener("pointercancel", () => {
    from = null
    map.line = []
    draw(map)
  })
  canvas.addEventListener("pointerleave", () => hover(map, -1))
  canvas.addEventListener(
    "wheel",
    (event) => {
      // Out of the whole map the wheel scrolls the page, so that the map is no trap.
      if (map.zoom === 1 && event.deltaY > 0) return
      event.preventDefault()
      const [x, y] = onGrid(event)
      const before = map.zoom
      map.zoom = Math.max(1, Math.min(NEAREST, map.zoom * Math.exp(-event.deltaY / 400)))
      const ratio = before / map.zoom
      Object.assign(map, map.zoom === 1 ? { x: SIZE / 2, y: SIZE / 2 } : { x: x + (map.x - x) * ratio, y: y + (map.y - y) * ratio })
      draw(map)
    },
    { passive: false }
  )
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }
  canvas.addEventListener("keydown", (event) => {
    if (event.key in ways) {
      if (event.shiftKey) {
        const [dx, dy] = ways[event.key]
        Object.assign(map, { x: map.x + (60 * dx) / map.unit, y: map.y + (60 * dy) / map.unit })
        draw(map)
      } else walk(map, ...ways[event.key])
    } else if (event.key === "+" || event.key === "=") use(map, "in")
    else if (event.key === "-") use(map, "out")
    else if (event.key === "0") use(map, "whole")
    else if (event.key === "Enter" && map.picked >= 0) map.pointed.querySelector("a")?.click()
    else return
    event.preventDefault()
  })
}

// The state in a URL, in the names of core/listing_vibes/insight/map/parts.py.
const outlineText = (region) => region.map((corner) => corner.join(",")).join(";")
const dayText = (days, day) => new Date((days.first + day) * MS_A_DAY).toISOString().slice(0, 10)
const whole = (text) => (/^\d{1,5}$/.test(text ?? "") ? Number(text) : null)

function paramsOf(map) {
  const { state, data } = map
  const params = {}
  if (state.region.length) params.region = outlineText(state.region)
  else if (state.group !== null) params.group = String(state.group)
  if (state.where.length) params.where = state.where.map(encodeURIComponent).join(";")
  if (map.day >= 0 && data.days) params.day = dayText(data.days, map.day)
  return params
}

function stateOf(params, days) {
  const region = (params.get("region") ?? "").split(";").filter(Boolean).map((corner) => corner.split(",").map(Number))
  const day = days && params.get("day") ? Date.parse(params.get("day")) / MS_A_DAY - days.first : -1
  return {
    region: region.length >= 3 && region.every((corner) => corner.length === 2 && corner.every(Number.isInteger)) ? region : [],
    group: whole(params.get("group")),
    place: whole(params.get("place")),
    where: (params.get("where") ?? "").split(";").filter(Boolean).map(decoded),
    day: days && Number.isInteger(day) && day >= 0 && day < days.count ? day : -1,
    unmet: params.get("unmet") === "1",
  }
}

async function fetched(url) {
  const answer = await fetch(url)
  if (!answer.ok) throw new Error(await answer.text())
  return answer
}

// The source of the map's data and the keeper of its state: the explorer's server and the URL; a notebook has its own.
const partUrl = (data, part, params = {}) => {
  const query = new URLSearchParams(params).toString()
  return data.url.replace("%7Bpart%7D", part).replace("{part}", part) + (query ? `&${query}` : "")
}
const SERVER = {
  bytes: (data, part, params) => fetched(partUrl(data, part, params)).then((answer) => answer.arrayBuffer()),
  json: (data, part, params) => fetched(partUrl(data, part, params)).then((answer) => answer.json()),
  cards: (data, numbers) => SERVER.json(data, "cards", { of: numbers.join() }),
  sheet: (data, numbers, side) => fetched(partUrl(data, "sheet", { of: numbers.join(), side })).then((answer) => answer.blob()).then(createImageBitmap),
  photo: (data, i) => partUrl(data, `photo/${i}`),
  file: partUrl,
  state: (data) => stateOf(new URLSearchParams(location.search), data.days),
  async rename(data, group, name) {
    const answer = await fetch(partUrl(data, "name"), { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ group, name }) })
    if (!answer.ok) throw new Error(await answer.text())
    return answer.json()
  },
  keep(data, state) {
    const url = new URL(location.href)
    const day = data.days && state.day >= 0 ? dayText(data.days, state.day) : null
    const given = {
      region: outlineText(state.region), group: state.region.length ? null : state.group, place: state.place, day,
      where: state.where.map(encodeURIComponent).join(";"), unmet: state.unmet ? 1 : null,
    }
    for (const [name, value] of Object.entries(given)) {
      if (value === null || value === "") url.searchParams.delete(name)
      else url.searchParams.set(name, value)
    }
    if (url.href !== location.href) go(url) // the app has to know the URL, or its next control would write an older one
  },
}

async function load(map, data) {
  const isNew = map.loaded !== data.url
  const [places, colors] = await Promise.all([
    isNew ? map.source.bytes(data, "places") : null,
    data.legend ? map.source.bytes(data, "colors", { by: data.by }) : null,
  ])
  if (map.data !== data) return
  if (places) {
    Object.assign(map, {
      n: data.n, places: new Uint16Array(places, 0, 2 * data.n), clusters: new Int16Array(places, 4 * data.n, data.n),
      isRestored: false, facets: [], groups: [], groupsLoaded: false, cards: new Map(), fails: new Uint16Array(data.n), labels: [], photos: photosOf(),
      loaded: data.url, picked: -1, hovered: -1, shown: -1, x: SIZE / 2, y: SIZE / 2, zoom: 1, only: null, unmet: null, unmetOf: "", aboutOf: "", lit: null, size: data.n,
    })
    map.span = spanOf(map.places)
    map.pointed.hidden = true
    map.state = { ...map.source.state(data), where: [] }
  }
  map.codes = colors ? new Uint8Array(colors) : Uint8Array.from(map.clusters, (one) => (one < 0 ? 8 : Math.min(one, 7)))
  update(map)
  if (places) await loadRest(map, data)
}

// What the first sight of the map does not need.
async function loadRest(map, data) {
  const [facets, codes] = await Promise.all([map.source.json(data, "facets"), map.source.bytes(data, "codes")])
  if (map.loaded !== data.url) return
  readFacets(map, facets, new Uint8Array(codes))
  map.isRestored = true // from now on the state is kept; its conditions need the histograms
  restore(map)
  loadDays(map)
  showUnmet(map)
  const groups = await map.source.json(data, "groups")
  if (map.loaded !== data.url) return
  Object.assign(map, { groups, groupsLoaded: true })
  map.labels = groups.filter(({ x }) => x !== undefined).map(({ name, x, y }) => ({ level: 1, text: name, x, y }))
  if (map.state.group !== null && !groups[map.state.group]?.size) map.state = { ...map.state, group: null }
  update(map)
  const labels = await map.source.json(data, "names")
  if (map.loaded !== data.url) return
  map.labels = labels
  draw(map)
}

const isKept = (map) => JSON.stringify(map.source.state(map.data)) === JSON.stringify(map.state)

// The state of the source, after the page was opened and after the browser's back button.
function restore(map) {
  const state = map.source.state(map.data)
  const unused = readConditions(map, state.where)
  map.state = { ...state, where: conditions(map) }
  if (unused.length) map.status.textContent = `The link has ${unused.join(", ")}, which no histogram shows; it is left out.`
  update(map)
}

export default function ({ data, parentElement, source = SERVER }) {
  const host = parentElement.querySelector(".vibe-map")
  if (!MAPS.has(host)) {
    MAPS.set(host, build(host))
    const map = MAPS.get(host)
    window.addEventListener("popstate", () => {
      if (!host.isConnected || !map.isRestored || isKept(map)) return
      restore(map)
      loadDays(map)
      showUnmet(map)
    })
  }
  const map = MAPS.get(host)
  map.source = source
  const shown = JSON.stringify(data)
  if (host.dataset.shown === shown) return
  host.dataset.shown = shown
  if (map.data?.by !== data.by) map.only = null
  map.data = data
  host.style.setProperty("--box", data.box)
  map.buttons.photos.hidden = !pictured(map)
  map.buttons.unmet.hidden = !data.unmet
  map.canvas.setAttribute("aria-label", data.label)
  map.canvas.setAttribute("aria-description", data.keys)
  host.querySelector(".legend").setAttribute("aria-label", data.legendLabel)
  load(map, data).catch((error) => {
    map.status.textContent = `The map could not be loaded: ${error.message}`
  })
}
