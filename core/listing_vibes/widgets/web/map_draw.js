// Geometry and painting of the map; the grid is that of core/listing_vibes/insight/map/region.py.
const SIZE = 50000
const CELLS = 128

// Which points lie inside a closed outline: the even-odd rule with whole numbers, as the server reckons.
function insideOutline(places, outline) {
  const n = places.length / 2
  const within = new Uint8Array(n)
  for (let edge = 0; edge < outline.length; edge++) {
    const [x1, y1] = outline[edge]
    const [x2, y2] = outline[(edge + 1) % outline.length]
    if (y1 === y2) continue
    for (let i = 0; i < n; i++) {
      const y = places[2 * i + 1]
      if (y1 > y === y2 > y) continue
      const left = (places[2 * i] - x1) * (y2 - y1) - (x2 - x1) * (y - y1)
      if (y2 > y1 ? left < 0 : left > 0) within[i] ^= 1
    }
  }
  return within
}

// Fewer corners that stay within `near` of the line drawn (Ramer, Douglas and Peucker).
function simplify(line, near) {
  if (line.length < 3) return line
  const [ax, ay] = line[0]
  const [bx, by] = line[line.length - 1]
  const length = Math.hypot(bx - ax, by - ay)
  let far = 0
  let at = 0
  for (let i = 1; i < line.length - 1; i++) {
    const [x, y] = line[i]
    const away = length
      ? Math.abs((by - ay) * (x - ax) - (bx - ax) * (y - ay)) / length
      : Math.hypot(x - ax, y - ay)
    if (away > far) [far, at] = [away, i]
  }
  if (far <= near) return [line[0], line[line.length - 1]]
  return [...simplify(line.slice(0, at + 1), near).slice(0, -1), ...simplify(line.slice(at), near)]
}

// Points sorted into square cells, so that the nearest one is found without looking at all.
function cellsOf(places) {
  const n = places.length / 2
  const cell = (i) =>
    Math.min(CELLS - 1, Math.floor((places[2 * i + 1] * CELLS) / SIZE)) * CELLS +
    Math.min(CELLS - 1, Math.floor((places[2 * i] * CELLS) / SIZE))
  const start = new Uint32Array(CELLS * CELLS + 1)
  for (let i = 0; i < n; i++) start[cell(i) + 1]++
  for (let c = 0; c < CELLS * CELLS; c++) start[c + 1] += start[c]
  const next = start.slice()
  const order = new Uint32Array(n)
  for (let i = 0; i < n; i++) order[next[cell(i)]++] = i
  return { start, order }
}

// Width and height that all points take around the middle of the grid, so that a flat map fills its frame, too.
function spanOf(places) {
  const far = [1, 1]
  for (let at = 0; at < places.length; at++) far[at % 2] = Math.max(far[at % 2], Math.abs(places[at] - SIZE / 2))
  return far.map((half) => 2 * half)
}

// Each point of the cells that a box of the grid touches, cell by cell.
function eachNear(cells, left, low, right, high, visit) {
  const cell = (value) => Math.max(0, Math.min(CELLS - 1, Math.floor((value * CELLS) / SIZE)))
  const [first, last, top] = [cell(left), cell(right), cell(high)]
  for (let row = cell(low); row <= top; row++)
    for (let at = cells.start[row * CELLS + first]; at < cells.start[row * CELLS + last + 1]; at++) visit(cells.order[at])
}

function nearest(places, cells, x, y, reach) {
  let best = -1
  let least = reach * reach
  eachNear(cells, x - reach, y - reach, x + reach, y + reach, (i) => {
    const away = (places[2 * i] - x) ** 2 + (places[2 * i + 1] - y) ** 2
    if (away <= least) [least, best] = [away, i]
  })
  return best
}

const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16))
const mixed = (one, two, share) => parts(one).map((part, i) => Math.round(part * share + parts(two)[i] * (1 - share)))
const packed = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0

function radiusFor(n, zoom) {
  const plain = n <= 600 ? 4.5 : n <= 3000 ? 3.5 : n <= 20000 ? 2.2 : 1.3
  return Math.min(8, plain * Math.min(2.5, Math.sqrt(zoom)))
}

// All points as small discs, written straight into a picture that is kept from frame to frame: a hundred thousand take a few
// milliseconds.
function pointsOf(context, map, ratio, ground, ink) {
  const { width, height } = context.canvas
  if (map.image?.width !== width || map.image.height !== height) {
    map.image = context.createImageData(width, height)
    map.pixels = new Uint32Array(map.image.data.buffer)
  }
  const { pixels, places, codes, now, lit } = map
  pixels.fill(0)
  const radius = radiusFor(map.n, map.zoom) * ratio
  const small = disc(radius)
  const whole = Math.ceil(2 * radius)
  const strong = map.palette.map((colour) => packed(parts(colour)))
  const faint = map.palette.map((colour) => packed(mixed(colour, ground, 0.22)))
  const gone = map.palette.map((colour) => packed(mixed(colour, ground, 0.12)))
  const unit = map.unit * ratio
  const [left, top] = [width / 2 - map.x * unit, height / 2 + map.y * unit]
  const hidden = showsPhotos(map) ? map.photos.hidden : null
  const paint = (i, colour, rows = small) => {
    if (hidden !== null && hidden[i]) return
    const px = Math.round(places[2 * i] * unit + left)
    const py = Math.round(top - places[2 * i + 1] * unit)
    if (px < -whole || py < -whole || px >= width + whole || py >= height + whole) return
    let y = py - (rows.length >> 1)
    for (let row = 0; row < rows.length; row++, y++) {
      if (y < 0 || y >= height) continue
      const end = y * width + Math.min(width - 1, px + rows[row])
      for (let at = y * width + Math.max(0, px - rows[row]); at <= end; at++) pixels[at] = colour
    }
  }
  // On a day what was not live is all but gone, and what was touched is larger, the more the oftener.
  if (now) eachInSight(map, width / unit, height / unit, whole / unit, (i) => now[i] < FLAG && paint(i, gone[codes[i]]))
  if (lit) eachInSight(map, width / unit, height / unit, whole / unit, (i) => !lit[i] && (!now || now[i] >= FLAG) && paint(i, faint[codes[i]]))
  eachInSight(map, width / unit, height / unit, whole / unit, (i) => (!lit || lit[i]) && (!now || now[i] >= FLAG) && paint(i, strong[codes[i]]))
  if (now) paintTouched(map, radius, ratio, paint, strong, packed(parts(ink)))
  return map.image
}

// Each point that may be in sight: all of a whole map, else those of the cells that a frame so wide and high (on the grid) touches.
function eachInSight(map, width, height, reach, visit) {
  if (map.zoom < 2) {
    for (let i = 0; i < map.n; i++) visit(i)
    return
  }
  const [halfX, halfY] = [width / 2 + reach, height / 2 + reach]
  eachNear(map.cells, map.x - halfX, map.y - halfY, map.x + halfX, map.y + halfY, visit)
}

// A disc as its rows from the top: how many pixels each goes to either side.
const disc = (radius) => {
  const whole = Math.floor(radius)
  return Int32Array.from({ length: 2 * whole + 1 }, (_, row) => Math.floor(Math.sqrt(radius * radius - (row - whole) ** 2)))
}

// What was touched on the day, lit: larger discs with a rim, in four sizes.
function paintTouched(map, radius, ratio, paint, strong, rim) {
  const sizes = [1.3, 1.5, 1.75, 2].map((times) => [disc(times * radius), disc(Math.max(1, times * radius - 1.5 * ratio))])
  for (let i = 0; i < map.n; i++) {
    const events = map.now[i] & (FLAG - 1)
    if (!events || (map.lit && !map.lit[i])) continue
    const [outer, inner] = sizes[Math.min(3, Math.floor(Math.log2(events)))]
    paint(i, rim, outer)
    paint(i, strong[map.codes[i]], inner)
  }
}

// The points over what was painted before them.
function paintPoints(context, map, ratio, ground, ink) {
  const image = pointsOf(context, map, ratio, ground, ink)
  if (!map.unmet) return context.putImageData(image, 0, 0)
  const over = new OffscreenCanvas(image.width, image.height)
  over.getContext("2d").putImageData(image, 0, 0)
  context.drawImage(over, 0, 0)
}

// Where a place of the grid lies on the canvas.
function onCanvas({ canvas }, map, ratio, x, y) {
  const unit = map.unit * ratio
  return [(x - map.x) * unit + canvas.width / 2, (map.y - y) * unit + canvas.height / 2]
}

// Where a listing lies on the canvas.
const listingOn = (context, map, ratio, i) => onCanvas(context, map, ratio, map.places[2 * i], map.places[2 * i + 1])

function paintOutline(context, map, ratio, line, ink) {
  if (line.length < 2) return
  context.beginPath()
  for (const [x, y] of line) context.lineTo(...onCanvas(context, map, ratio, x, y))
  context.closePath()
  context.lineWidth = 2 * ratio
  context.setLineDash([6 * ratio, 4 * ratio])
  context.strokeStyle = ink
  context.stroke()
  context.setLineDash([])
}

function paintRing(context, map, ratio, i, ink, ground) {
  const [x, y] = listingOn(context, map, ratio, i)
  for (const [size, colour, line] of [[9, ground, 5], [9, ink, 2.5]]) {
    context.beginPath()
    context.arc(x, y, size * ratio, 0, 2 * Math.PI)
    context.lineWidth = line * ratio
    context.strokeStyle = colour
    context.stroke()
  }
}
