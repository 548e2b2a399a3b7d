// Photos as points: covers replace dots, one for each square of the map with listings, in a frame of the listing's color. Squares are
// fixed on the map, so that photos keep their position while it is moved; their size halves from one zoom level to the next.
const TILE = 52 // smallest size of a photo in pixels, and how many of them are side by side at least
const BESIDE = 14
const LARGEST = 2 * TILE // largest size of a photo in pixels
const CACHED = 1200 // photos in memory
const SHEET = 8 // photos in a row of a sheet, as in core/listing_vibes/market/thumbnails.py
const BATCH = 24 // photos in a request
const AT_ONCE = 3 // requests in parallel

const photosOf = () => ({ shown: new Map(), fetched: new Set(), active: 0, tiles: [], plan: "" })

// Whether a map has photos, and whether it currently draws them.
const pictured = (map) => Boolean(map.data?.photos && map.source.sheet)
const showsPhotos = (map) => pictured(map) && map.withPhotos

// Squares are halved while they are larger than necessary.
const sideOf = (map) => 2 ** Math.ceil(Math.log2(Math.min(TILE, map.canvas.clientWidth / BESIDE) / map.unit))
const roomOf = (map, side) => Math.min(side * map.unit, LARGEST) * 0.94
const middleOf = (map, i, side) => [0, 1].map((axis) => (Math.floor(map.places[2 * i + axis] / side) + 0.5) * side)

// Drawn before the points, because points with a visible photo are not drawn. Width and height are in pixels of the page.
function planPhotos(map, width, height) {
  const { photos, places, lit, now } = map
  const side = sideOf(map)
  const key = [side, map.x, map.y, width, height, map.litOf, map.loaded].join()
  if (photos.plan === key) return
  photos.plan = key
  // The listing of each visible square: the first of the highlighted ones.
  const left = Math.floor((map.x - width / 2 / map.unit) / side)
  const low = Math.floor((map.y - height / 2 / map.unit) / side)
  const columns = Math.ceil(width / map.unit / side) + 1
  const rows = Math.ceil(height / map.unit / side) + 1
  const chosen = new Int32Array(columns * rows).fill(-1)
  for (let i = map.n - 1; i >= 0; i--) {
    if ((lit && !lit[i]) || (now && now[i] < FLAG)) continue
    const column = Math.floor(places[2 * i] / side) - left
    const row = Math.floor(places[2 * i + 1] / side) - low
    if (column >= 0 && column < columns && row >= 0 && row < rows) chosen[column + columns * row] = i
  }
  photos.tiles = [...chosen.filter((i) => i >= 0)]
  photos.hidden = new Uint8Array(map.n)
  for (const i of photos.tiles) photos.hidden[i] = Number(photos.shown.has(i))
  fetchPhotos(map)
}

// Fetches visible photos in sheets, from the middle outward.
function fetchPhotos(map) {
  const { photos, places } = map
  if (photos.active >= AT_ONCE) return
  const away = (i) => (places[2 * i] - map.x) ** 2 + (places[2 * i + 1] - map.y) ** 2
  const queue = photos.tiles.filter((i) => !photos.shown.has(i) && !photos.fetched.has(i)).sort((a, b) => away(a) - away(b))
  while (photos.active < AT_ONCE && queue.length) fetchSheet(map, queue.splice(0, BATCH))
}

async function fetchSheet(map, numbers) {
  const { photos } = map
  photos.active += 1
  for (const i of numbers) photos.fetched.add(i)
  const room = Math.round(LARGEST * Math.min(2, window.devicePixelRatio || 1))
  const sheet = await map.source.sheet(map.data, numbers, room).catch(() => null)
  photos.active -= 1
  if (map.photos !== photos) return // the map has been replaced
  for (const [at, i] of numbers.entries()) {
    photos.fetched.delete(i)
    photos.shown.set(i, sheet && { sheet, room, x: room * (at % SHEET), y: room * Math.floor(at / SHEET) })
  }
  for (const old of photos.shown.keys()) {
    if (photos.shown.size <= CACHED) break
    if (!photos.tiles.includes(old)) photos.shown.delete(old)
  }
  photos.plan = ""
  draw(map)
}

function paintPhotos(context, map, ratio) {
  if (!showsPhotos(map)) return
  const side = sideOf(map)
  const room = Math.round(roomOf(map, side) * ratio)
  const rim = Math.max(1, Math.round(1.5 * ratio))
  for (const i of map.photos.tiles) {
    const image = map.photos.shown.get(i)
    if (!image) continue
    const [left, top] = onCanvas(context, map, ratio, ...middleOf(map, i, side)).map((middle) => Math.round(middle - room / 2))
    context.fillStyle = map.palette[map.codes[i]]
    context.fillRect(left, top, room, room)
    context.drawImage(image.sheet, image.x, image.y, image.room, image.room, left + rim, top + rim, room - 2 * rim, room - 2 * rim)
  }
}

// The listing whose photo is at a position of the map; -1 for none.
function photoUnder(map, x, y) {
  if (!showsPhotos(map)) return -1
  const side = sideOf(map)
  const half = roomOf(map, side) / 2 / map.unit
  const under = map.photos.tiles.find((i) => {
    const [left, low] = middleOf(map, i, side)
    return map.photos.shown.get(i) && Math.abs(x - left) <= half && Math.abs(y - low) <= half
  })
  return under ?? -1
}
