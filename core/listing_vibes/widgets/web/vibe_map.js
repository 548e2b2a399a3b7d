// The vibe map: move, zoom, point at a listing, draw around listings, by pointer or keyboard.
const STEP = 1.5
const CORNERS = 80 // most corners of an outline
const TOOLS = [
  ["move", "Move", "Drag moves the map"],
  ["lasso", "Draw around", "Drag draws a line around listings"],
  ["in", "+", "Zoom in"],
  ["out", "−", "Zoom out"],
  ["whole", "Whole map", "Show all listings"],
  ["sight", "Choose what is in sight", "Make all listings within the frame the region"],
  ["photos", "Photos", "Photos instead of dots, close up"],
]
const MAPS = new WeakMap()

function themed(host) {
  const style = getComputedStyle(host)
  const color = (name, fallback) => style.getPropertyValue(name).trim() || fallback
  const ground = color("--st-background-color", "#ffffff")
  const [red, green, blue] = /^#[0-9a-f]{6}/i.test(ground) ? parts(ground) : [255, 255, 255]
  const dark = 0.299 * red + 0.587 * green + 0.114 * blue < 128
  return { ground: ground.slice(0, 7), ink: color("--st-text-color", "#000000"), dark, font: style.fontFamily }
}

function build(host) {
  const tools = host.querySelector(".tools")
  const map = {
    host, n: 0, x: SIZE / 2, y: SIZE / 2, zoom: 1, unit: 1, span: [SIZE, SIZE], mode: "move", picked: -1, hovered: -1, line: [],
    places: new Uint16Array(), codes: new Uint8Array(), clusters: new Int16Array(), lit: null, litOf: 0, labels: [], photos: photosOf(), withPhotos: true,
    palette: [], only: null, cards: new Map(), canvas: host.querySelector("canvas"), stage: host.querySelector(".stage"),
    beside: host.querySelector(".beside"), status: host.querySelector(".status"), data: null,
  }
  map.context = map.canvas.getContext("2d")
  map.buttons = {}
  for (const [name, label, hint] of TOOLS) {
    map.buttons[name] = button(label, () => use(map, name), label.length === 1 ? hint : "", "tool")
    map.buttons[name].title = hint
    tools.append(map.buttons[name])
  }
  buildDays(map)
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
    map.withPhotos = !showsPhotos(map)
    if (map.withPhotos) map.zoom = Math.max(map.zoom, FROM)
  } else if (tool === "whole") {
    Object.assign(map, { x: SIZE / 2, y: SIZE / 2, zoom: 1 })
  } else if (tool === "sight") {
    const [halfX, halfY] = [map.canvas.clientWidth / 2 / map.unit, map.canvas.clientHeight / 2 / map.unit]
    const [left, right] = [Math.round(map.x - halfX), Math.round(map.x + halfX)].map(held)
    const [low, high] = [Math.round(map.y - halfY), Math.round(map.y + halfY)].map(held)
    choose(map, [[left, low], [right, low], [right, high], [left, high]])
  } else {
    map.zoom = Math.max(1, Math.min(60, map.zoom * (tool === "in" ? STEP : 1 / STEP)))
  }
  draw(map)
}

const held = (value) => Math.max(-SIZE, Math.min(2 * SIZE, value))

function choose(map, outline) {
  map.lit = insideOutline(map.places, outline)
  map.status.textContent = `${map.lit.reduce((sum, one) => sum + one, 0)} listings chosen.`
  map.send("outline", outline.map((corner) => corner.join(",")).join(";"))
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
    paintOutline(map.context, map, ratio, map.line.length ? map.line : map.outline, ink)
    paintLabels(map.context, map, ratio, ink, ground, font)
    paintNumbers(map.context, map, ratio, dark, font)
    const marked = map.hovered >= 0 ? map.hovered : map.picked
    if (marked >= 0) paintRing(map.context, map, ratio, marked, ink, ground)
    legend(map, dark)
    map.buttons.photos.setAttribute("aria-pressed", String(showsPhotos(map)))
    map.host.dataset.drawn = String(map.n)
    map.host.dataset.photos = String(showsPhotos(map) ? map.photos.tiles.filter((i) => map.photos.shown.has(i)).length : 0)
    map.host.dataset.day = map.now || map.day < 0 ? String(map.day) : ""
  })
}

function legend(map, dark) {
  const key = `${dark}|${map.only}|${map.data.colours}|${map.now ? map.day : ""}`
  const list = map.host.querySelector(".legend")
  if (list.dataset.shown === key) return
  list.dataset.shown = key
  const focused = [...list.querySelectorAll("button")].indexOf(list.getRootNode().activeElement)
  // On a day, the number of active listings.
  const live = new Array(256).fill(0)
  if (map.now) for (let i = 0; i < map.n; i++) live[map.codes[i]] += map.now[i] >> 7
  list.replaceChildren(
    ...map.data.legend.map(([label, code, count]) => {
      const item = element("li")
      const choose = () => {
        map.only = map.only === code ? null : code
        light(map)
        draw(map)
      }
      const entry = button("", choose, "", "entry")
      entry.title = "Show only these"
      entry.setAttribute("aria-pressed", String(map.only === code))
      const sign = element("span", "sign")
      sign.style.background = map.palette[code]
      entry.append(sign, element("span", "", label), element("span", "number", (map.now ? live[code] : count).toLocaleString("en")))
      item.append(entry)
      return item
    })
  )
  if (focused >= 0) list.querySelectorAll("button")[focused]?.focus()
}

// The highlighted points: those of the region, of the chosen group or of the chosen color; null for all.
function light(map) {
  map.litOf += 1
  if (map.only !== null) map.lit = map.codes.map((code) => Number(code === map.only))
  else if (map.outline.length) map.lit = insideOutline(map.places, map.outline)
  else if (map.unmet && map.data.unmet?.chosen) map.lit = Uint8Array.from(map.unmet, (one) => Number(one === map.data.unmet.chosen))
  else if (map.data.group !== null) map.lit = Uint8Array.from(map.clusters, (one) => Number(one === map.data.group))
  else map.lit = null
}

async function card(map, i) {
  if (!map.cards.has(i)) {
    map.cards.set(i, map.source.card(map.data, i).catch(() => null))
  }
  return map.cards.get(i)
}

async function beside(map, i) {
  if (map.shown === i) return
  map.shown = i
  const shown = await card(map, i)
  if (map.shown !== i || !shown) return
  const parts = []
  if (map.data.photos) parts.push(photo(shown))
  parts.push(element("p", "title", shown.title))
  if (shown.step) parts.push(element("p", "group", shown.step))
  parts.push(facts(shown, ""))
  if (shown.href) {
    const further = link(shown, "further")
    further.textContent = "What is like it"
    parts.push(further)
  }
  map.beside.replaceChildren(...parts)
}

function hover(map, i) {
  if (map.hovered === i) return
  map.hovered = i
  draw(map)
  if (i >= 0) beside(map, i)
}

function pick(map, i) {
  map.picked = i
  if (i >= 0) {
    beside(map, i)
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
    const pictured = photoUnder(map, x, y)
    return pictured >= 0 ? pictured : nearest(map.places, x, y, reach / map.unit)
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
      if (line.length >= 3) choose(map, (map.outline = line))
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
      // The wheel scrolls the page unless the map has the focus or Ctrl is pressed.
      if (!event.ctrlKey && canvas.getRootNode().activeElement !== canvas) {
        map.status.textContent = "Click the map, or hold Ctrl, to zoom with the wheel."
        return
      }
      event.preventDefault()
      const [x, y] = onGrid(event)
      const before = map.zoom
      map.zoom = Math.max(1, Math.min(60, map.zoom * Math.exp(-event.deltaY / 400)))
      const kept = before / map.zoom
      Object.assign(map, { x: x + (map.x - x) * kept, y: y + (map.y - y) * kept })
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
    else if (event.key === "Enter" && map.picked >= 0) map.beside.querySelector("a")?.click()
    else return
    event.preventDefault()
  })
}

async function bytes(url) {
  const answer = await fetch(url)
  if (!answer.ok) throw new Error(await answer.text())
  return answer.arrayBuffer()
}

// The source of the map's bytes and cards: the explorer's server, or a source from the notebook.
const SERVER = {
  bytes,
  card: (data, i) => fetch(data.listing.replace("{number}", i)).then((found) => (found.ok ? found.json() : null)),
  photo: (data, i) => squareAt(data.photo.replace("{number}", i)),
}

async function load(map, data) {
  const [places, codes] = await Promise.all([
    map.loaded === data.places ? null : map.source.bytes(data.places),
    map.source.bytes(data.colours),
  ])
  if (map.data !== data) return
  if (places) {
    map.n = data.n
    map.places = new Uint16Array(places, 0, 2 * data.n)
    map.clusters = new Int16Array(places, 4 * data.n, data.n)
    map.span = spanOf(map.places)
    map.cards.clear()
    map.photos = photosOf()
    map.loaded = data.places
    Object.assign(map, { picked: -1, hovered: -1, shown: -1, x: SIZE / 2, y: SIZE / 2, zoom: 1, only: null })
    map.beside.replaceChildren(element("p", "hint", data.hint))
  }
  map.codes = new Uint8Array(codes)
  await Promise.all([loadUnmet(map, data), loadDays(map, data)])
  if (map.data !== data) return
  light(map)
  draw(map)
}

export default function ({ data, parentElement, setTriggerValue, source = SERVER }) {
  const host = parentElement.querySelector(".vibe-map")
  if (!MAPS.has(host)) MAPS.set(host, build(host))
  const map = MAPS.get(host)
  map.send = setTriggerValue
  map.source = source
  const shown = JSON.stringify(data)
  if (host.dataset.shown === shown) return
  host.dataset.shown = shown
  if (map.data?.colours !== data.colours) map.only = null
  // A group was chosen below the map, so scroll back to the map.
  if (map.data && data.group !== null && data.group !== map.data.group && host.getBoundingClientRect().bottom < 100)
    host.scrollIntoView({ block: "start" })
  map.data = data
  map.labels = data.labels
  map.outline = data.outline ? data.outline.split(";").map((corner) => corner.split(",").map(Number)) : []
  host.style.setProperty("--box", data.box)
  host.style.setProperty("--height", `${data.height}px`)
  map.buttons.photos.hidden = !pictured(map)
  map.canvas.setAttribute("aria-label", data.label)
  map.canvas.setAttribute("aria-description", data.keys)
  map.host.querySelector(".legend").setAttribute("aria-label", data.legendLabel)
  load(map, data).catch((error) => {
    map.status.textContent = `The map could not be loaded: ${error.message}`
  })
}
