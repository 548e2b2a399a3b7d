// Geometry and painting of the map, on the grid of core/listing_vibes/insight/map/region.py.
const SIZE = 50000
const EDGE = 36 // pixels beside the whole map, room for half a photo
const FLAG = 128 // bit of a listing's byte on a day: it was active; the other bits count interactions
const HALO = 11 // pixels around a listing of a region of unmet demand

// The points inside a closed outline, by the even-odd rule with integers, as on the server.
function insideOutline(places, outline) {
  const within = new Uint8Array(places.length / 2)
  outline.forEach(([x1, y1], edge) => {
    const [x2, y2] = outline[(edge + 1) % outline.length]
    if (y1 === y2) return
    for (let i = 0; i < within.length; i++) {
      const y = places[2 * i + 1]
      if (y1 > y === y2 > y) continue
      const left = (places[2 * i] - x1) * (y2 - y1) - (x2 - x1) * (y - y1)
      if (y2 > y1 ? left < 0 : left > 0) within[i] ^= 1
    }
  })
  return within
}

// Pixels of a grid step when the whole map is in sight.
function unitOf({ canvas, data }) {
  const room = [canvas.clientWidth, canvas.clientHeight].map((side) => side / 2 - EDGE)
  return Math.min(...data.reach.map((far, axis) => room[axis] / Math.max(far, 1)))
}

// Half the width and height of what is in sight, on the grid.
const halvesOf = ({ canvas, unit }) => [canvas.clientWidth / 2 / unit, canvas.clientHeight / 2 / unit]

// The listing nearest to a position, within reach; -1 for none.
function nearest({ n, places }, x, y, reach) {
  let [best, least] = [-1, reach * reach]
  for (let i = 0; i < n; i++) {
    const away = (places[2 * i] - x) ** 2 + (places[2 * i + 1] - y) ** 2
    if (away < least) [least, best] = [away, i]
  }
  return best
}

const radiusFor = ({ n, zoom }) => Math.min(8, (16 / n ** 0.2) * Math.min(2.5, Math.sqrt(zoom)))

// A disc as the half width in pixels of each of its rows, from the top.
function disc(radius) {
  const half = Math.floor(radius)
  return Int32Array.from({ length: 2 * half + 1 }, (_, row) => Math.sqrt((half + 0.5) ** 2 - (row - half) ** 2))
}

// A color of the palette as a pixel.
function pixelOf(color, opacity) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16))
  return ((Math.round(255 * opacity) << 24) | (blue << 16) | (green << 8) | red) >>> 0
}

// All points as small discs, written as pixels: a hundred thousand take a few milliseconds. Regions of unmet demand are halos around
// their listings; on a day, inactive listings are faint, and listings with more interactions are larger.
function paintPoints({ context, ratio, theme }, map) {
  const { width, height } = context.canvas
  const { places, codes, now, lit } = map
  const hidden = new Set(map.tiles.filter((i) => map.photos.get(i))) // their photos are drawn
  const image = context.createImageData(width, height)
  const pixels = new Uint32Array(image.data.buffer)
  const radius = radiusFor(map) * ratio
  const discs = [1, 1.3, 1.5, 1.75, 2].map((times) => disc(times * radius))
  const unit = map.unit * ratio
  const [left, top] = [width / 2 - map.x * unit, height / 2 + map.y * unit]
  const paint = (i, color, rows) => {
    const px = Math.round(places[2 * i] * unit + left)
    let y = Math.round(top - places[2 * i + 1] * unit) - (rows.length >> 1)
    if (px < -rows.length || px >= width + rows.length) return
    for (let row = 0; row < rows.length; row++, y++) {
      if (y < 0 || y >= height) continue
      const end = y * width + Math.min(width - 1, px + rows[row])
      for (let at = y * width + Math.max(0, px - rows[row]); at <= end; at++) pixels[at] = color
    }
  }
  for (const [i, region] of map.unmet?.codes.entries() ?? []) {
    const opacity = map.state.place === null ? 0.34 : map.state.place === region ? 0.5 : 0.14
    if (region) paint(i, pixelOf(map.data.unmet.colors[theme], opacity), disc((map.showsPhotos ? 3 : 1) * HALO * ratio))
  }
  const events = (i) => (now ? now[i] & (FLAG - 1) : 0)
  // From back to front: inactive listings, those that are not selected, the rest, and those with interactions.
  const layer = (i) => (now && now[i] < FLAG ? 0 : lit && !lit[i] ? 1 : events(i) ? 3 : 2)
  for (const [at, opacity] of [0.12, 0.22, 1, 1].entries()) {
    const colors = map.palette.map((color) => pixelOf(color, opacity))
    for (let i = 0; i < map.n; i++) {
      if (layer(i) !== at || hidden.has(i)) continue
      paint(i, colors[codes[i]], discs[at === 3 ? 1 + Math.min(3, Math.floor(Math.log2(events(i)))) : 0])
    }
  }
  context.putImageData(image, 0, 0)
}

// The position in the frame of a grid position, in pixels of the page.
const onScreen = (map, x, y) => (
  [(x - map.x) * map.unit + map.canvas.clientWidth / 2, (map.y - y) * map.unit + map.canvas.clientHeight / 2]
)

// The listing pointed at, else the one picked; -1 for none.
const marked = ({ hovered, picked }) => (hovered >= 0 ? hovered : picked)

// The line around listings, and a ring around the listing that is marked.
function paintMarks({ context, ink, ground }, map) {
  const line = map.line.length ? map.line : map.state.region
  const marks = new Path2D(line.length ? `M${line.map((corner) => onScreen(map, ...corner)).join("L")}Z` : "")
  const i = marked(map)
  const ring = new Path2D()
  if (i >= 0) ring.arc(...onScreen(map, map.places[2 * i], map.places[2 * i + 1]), 9, 0, 2 * Math.PI)
  marks.addPath(ring)
  for (const [strokeStyle, lineWidth] of [[ground, 5], [ink, 2]]) {
    Object.assign(context, { strokeStyle, lineWidth })
    context.stroke(marks)
  }
}

// The names of the groups, or with the layer of unmet demand of its regions.
function labelsOf({ labels, unmet }) {
  if (unmet?.regions.length) return unmet.regions.map(({ name, x, y }, at) => ({ text: `${at + 1}. ${name}`, x, y, isNamed: true }))
  return labels
}

// Names on the map in the color of their group, those that fit without overlap; a group without a name has its most typical photo.
function paintLabels(brush, map) {
  const { context, ground, ink, font } = brush
  const [width, height] = [map.canvas.clientWidth, map.canvas.clientHeight]
  Object.assign(context, { font: `650 13px ${font}`, textAlign: "center", textBaseline: "middle" })
  const taken = []
  for (const { text, x, y, group, isNamed, listing } of labelsOf(map)) {
    const [left, top] = onScreen(map, x, y)
    if (left < 0 || top < 0 || left > width || top > height) continue
    const color = group === undefined || map.data.legend ? ink : map.palette[Math.min(group, 10)]
    const image = !isNamed && map.showsPhotos ? map.photos.get(listing) : null
    if (!isNamed && map.data.photos && !image) continue
    const half = image ? [26, 26] : [context.measureText(text).width / 2 + 7, 12]
    const inside = (at, side, end) => Math.max(side + 8, Math.min(end - side - 8, at))
    const at = [inside(left, half[0], width), inside(top, half[1], height)]
    const box = [at[0] - half[0], at[1] - half[1], at[0] + half[0], at[1] + half[1]]
    if (taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])) continue
    taken.push(box)
    context.save()
    context.beginPath()
    if (image) {
      context.arc(...at, 25, 0, 2 * Math.PI)
      context.clip()
      paintPhoto(context, image, color, at[0] - 26, at[1] - 26, 52)
      Object.assign(context, { strokeStyle: color, lineWidth: 6 })
      context.stroke()
    } else {
      context.roundRect(box[0], box[1], 2 * half[0], 24, 6)
      Object.assign(context, { globalAlpha: 0.9, fillStyle: ground })
      context.fill()
      Object.assign(context, { globalAlpha: 1, fillStyle: color })
      context.fillText(text, ...at)
    }
    context.restore()
  }
}

// The whole map in a corner with the frame of what is in sight, while it is zoomed.
function paintOverview({ context, ground, ink }, map) {
  if (map.zoom < 1.5) return
  const [width, height] = [120, (120 * map.canvas.clientHeight) / map.canvas.clientWidth]
  const scale = (unitOf(map) * width) / map.canvas.clientWidth
  const [left, top] = [10, map.canvas.clientHeight - height - 10]
  const at = (x, y) => [left + width / 2 + (x - SIZE / 2) * scale, top + height / 2 - (y - SIZE / 2) * scale]
  Object.assign(context, { globalAlpha: 0.92, fillStyle: ground, strokeStyle: ink, lineWidth: 1 })
  context.fillRect(left, top, width, height)
  context.globalAlpha = 1
  context.strokeRect(left, top, width, height)
  for (let i = 0; i < map.n; i += Math.ceil(map.n / 3000)) {
    context.fillStyle = map.palette[map.codes[i]]
    context.fillRect(...at(map.places[2 * i], map.places[2 * i + 1]), 1.5, 1.5)
  }
  const [halfX, halfY] = halvesOf(map)
  context.lineWidth = 2
  context.strokeRect(...at(map.x - halfX, map.y + halfY), 2 * halfX * scale, 2 * halfY * scale)
}
