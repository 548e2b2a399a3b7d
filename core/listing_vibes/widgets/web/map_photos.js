// Photos as points: at a larger zoom, covers replace dots, one for each square of the map with listings, in a frame of the
// listing's color. Squares are fixed on the map, so that photos keep their position while it is moved; their size halves
// from one zoom level to the next.
const TILE = 52 // smallest size of a photo in pixels
const LARGEST = 1.6 * TILE // largest size of a photo in pixels
const FROM = 3 // smallest zoom with photos
const CACHED = 800 // photos in memory
const AT_ONCE = 6 // photos fetched in parallel

const photosOf = () => ({ shown: new Map(), fetched: new Set(), queue: [], broken: new Set(), tiles: [], plan: "" })

// Whether a map has photos, and whether it currently draws them.
const pictured = (map) => Boolean(map.data?.photos && map.source.photo)
const showsPhotos = (map) => pictured(map) && map.zoom >= FROM && map.withPhotos

// Squares are halved while they are larger than necessary.
const sideOf = (map) => 2 ** Math.ceil(Math.log2(TILE / map.unit))
const roomOf = (map, side) => Math.min(side * map.unit, LARGEST) * 0.94
const middleOf = (map, i, side) => [0, 1].map((axis) => (Math.floor(map.places[2 * i + axis] / side) + 0.5) * side)

// Drawn before the points, because points with a visible photo are not drawn. Width and height are in pixels of the page.
function planPhotos(map, width, height) {
  const { photos, places } = map
  const side = sideOf(map)
  const [halfX, halfY] = [width / 2 / map.unit + side, height / 2 / map.unit + side]
  const key = [side, map.x, map.y, width, height, map.day, map.now ? 1 : 0, map.litOf, map.loaded, photos.broken.size].join()
  if (photos.plan === key) return
  photos.plan = key
  // The listing of each visible square: the first of the highlighted ones.
  const chosen = new Map()
  for (let i = 0; i < map.n; i++) {
    if (Math.abs(places[2 * i] - map.x) > halfX || Math.abs(places[2 * i + 1] - map.y) > halfY) continue
    if ((map.lit && !map.lit[i]) || (map.now && map.now[i] < FLAG) || photos.broken.has(i)) continue
    const square = `${Math.floor(places[2 * i] / side)},${Math.floor(places[2 * i + 1] / side)}`
    if (!chosen.has(square)) chosen.set(square, i)
  }
  photos.tiles = [...chosen.values()]
  photos.hidden = new Uint8Array(map.n)
  for (const i of photos.tiles) photos.hidden[i] = Number(photos.shown.has(i))
  fetchPhotos(map)
}

// Fetches visible photos from the middle outward, and drops queued photos that are no longer visible.
function fetchPhotos(map) {
  const { photos } = map
  const away = (i) => (map.places[2 * i] - map.x) ** 2 + (map.places[2 * i + 1] - map.y) ** 2
  photos.queue = photos.tiles.filter((i) => !photos.shown.has(i) && !photos.fetched.has(i)).sort((a, b) => away(a) - away(b))
  while (photos.fetched.size < AT_ONCE && photos.queue.length) fetchPhoto(map, photos.queue.shift())
}

async function fetchPhoto(map, i) {
  const { photos } = map
  photos.fetched.add(i)
  const found = await map.source.photo(map.data, i).catch(() => null)
  photos.fetched.delete(i)
  if (map.photos !== photos) return // the map has been replaced
  if (found) {
    photos.shown.set(i, found)
    photos.hidden[i] = Number(photos.tiles.includes(i))
  } else photos.broken.add(i)
  for (const old of photos.shown.keys()) {
    if (photos.shown.size <= CACHED) break
    if (!photos.hidden[old]) photos.shown.delete(old)
  }
  fetchPhotos(map)
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
    context.drawImage(image, left + rim, top + rim, room - 2 * rim, room - 2 * rim)
  }
}

// The listing whose photo is at a position of the map; -1 for none.
function photoUnder(map, x, y) {
  if (!showsPhotos(map)) return -1
  const side = sideOf(map)
  const half = roomOf(map, side) / 2 / map.unit
  const under = map.photos.tiles.find((i) => {
    const [left, low] = middleOf(map, i, side)
    return map.photos.shown.has(i) && Math.abs(x - left) <= half && Math.abs(y - low) <= half
  })
  return under ?? -1
}

async function squareAt(url) {
  const answer = await fetch(url)
  return answer.ok ? squareOf(await answer.blob()) : null
}

// A small square from the middle of a photo, decoded once.
async function squareOf(file) {
  const whole = await createImageBitmap(file)
  const side = Math.min(whole.width, whole.height)
  const room = Math.round(LARGEST * Math.min(2, window.devicePixelRatio || 1))
  const small = await createImageBitmap(whole, (whole.width - side) / 2, (whole.height - side) / 2, side, side, {
    resizeWidth: room, resizeHeight: room, resizeQuality: "medium",
  })
  whole.close()
  return small
}
