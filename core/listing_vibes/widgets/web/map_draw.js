// Geometry and painting of the map, on the grid of core/listing_vibes/insight/map/region.py.
const SIZE = 50000

// The points inside a closed outline, by the even-odd rule with integers, as on the server.
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

// Width and height of all points around the middle of the grid, so that a flat map also fills its frame.
function spanOf(places) {
  const far = [1, 1]
  for (let at = 0; at < places.length; at++) far[at % 2] = Math.max(far[at % 2], Math.abs(places[at] - SIZE / 2))
  return far.map((half) => 2 * half)
}

function nearest(places, x, y, reach) {
  let best = -1
  let least = reach * reach
  for (let i = 0; 2 * i < places.length; i++) {
    const away = (places[2 * i] - x) ** 2 + (places[2 * i + 1] - y) ** 2
    if (away <= least) [least, best] = [away, i]
  }
  return best
}

const parts = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16))
const mixed = (one, two, share) => parts(one).map((part, i) => Math.round(part * share + parts(two)[i] * (1 - share)))
const packed = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0

function radiusFor(n, zoom) {
  const plain = n <= 600 ? 4.5 : n <= 3000 ? 3.5 : n <= 20000 ? 2.2 : 1.3
  return Math.min(8, plain * Math.min(2.5, Math.sqrt(zoom)))
}

// A disc as the half width in pixels of each of its rows, from the top.
const disc = (radius) => {
  const whole = Math.floor(radius)
  return Int32Array.from({ length: 2 * whole + 1 }, (_, row) => Math.floor(Math.sqrt(radius * radius - (row - whole) ** 2)))
}

// All points as small discs, written into an image buffer that is reused between frames: a hundred thousand take a few
// milliseconds. On a day, inactive listings are faint, and listings with more interactions are larger.
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
  const unit = map.unit * ratio
  const [left, top] = [width / 2 - map.x * unit, height / 2 + map.y * unit]
  const hidden = showsPhotos(map) ? map.photos.hidden : null
  const paint = (i, color, rows) => {
    const px = Math.round(places[2 * i] * unit + left)
    let y = Math.round(top - places[2 * i + 1] * unit) - (rows.length >> 1)
    if (hidden?.[i] || px < -rows.length || px >= width + rows.length) return
    for (let row = 0; row < rows.length; row++, y++) {
      if (y < 0 || y >= height) continue
      const end = y * width + Math.min(width - 1, px + rows[row])
      for (let at = y * width + Math.max(0, px - rows[row]); at <= end; at++) pixels[at] = color
    }
  }
  // From back to front: inactive listings, listings that are not chosen, and the rest.
  const shades = [0.12, 0.22, 1].map((share) => map.palette.map((color) => packed(mixed(color, ground, share))))
  const layer = (i) => (now && now[i] < FLAG ? 0 : lit && !lit[i] ? 1 : 2)
  shades.forEach((shade, at) => {
    for (let i = 0; i < map.n; i++) if (layer(i) === at) paint(i, shade[codes[i]], small)
  })
  if (now) {
    const rim = packed(parts(ink))
    const sizes = [1.3, 1.5, 1.75, 2].map((times) => [disc(times * radius), disc(Math.max(1, times * radius - 1.5 * ratio))])
    for (let i = 0; i < map.n; i++) {
      const events = now[i] & (FLAG - 1)
      if (!events || (lit && !lit[i])) continue
      const [outer, inner] = sizes[Math.min(3, Math.floor(Math.log2(events)))]
      paint(i, rim, outer)
      paint(i, shades[2][codes[i]], inner)
    }
  }
  return map.image
}

// The points, painted over the previous layers.
function paintPoints(context, map, ratio, ground, ink) {
  const image = pointsOf(context, map, ratio, ground, ink)
  if (map.over?.width !== image.width || map.over.height !== image.height) map.over = new OffscreenCanvas(image.width, image.height)
  map.over.getContext("2d").putImageData(image, 0, 0)
  context.drawImage(map.over, 0, 0)
}

// The canvas position of a grid position.
function onCanvas({ canvas }, map, ratio, x, y) {
  const unit = map.unit * ratio
  return [(x - map.x) * unit + canvas.width / 2, (map.y - y) * unit + canvas.height / 2]
}

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
  for (const [color, line] of [[ground, 5], [ink, 2.5]]) {
    context.beginPath()
    context.arc(x, y, 9 * ratio, 0, 2 * Math.PI)
    context.lineWidth = line * ratio
    context.strokeStyle = color
    context.stroke()
  }
}
