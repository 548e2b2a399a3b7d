// Photos as points: who has zoomed in sees covers instead of dots, one for each square of the map in which listings lie, in
// a frame of the listing's colour. A square belongs to the map, so that photos stay where they are while it is moved, and is
// half as large from one level to the next.
const TILE = 52 // pixels of a photo, at least
const LARGEST = 1.6 * TILE // and at most
const FROM = 3 // zoom from which photos are drawn
const KEPT = 800 // photos in memory
const AT_ONCE = 6 // photos that are asked for at a time

const photosOf = () => ({ shown: new Map(), sized: new Map(), room: 0, asked: new Set(), queue: [], broken: new Set(), tiles: [], plan: "", from: "" })

// Whether a map draws photos now, and may draw them at all.
const pictured = (map) => Boolean(map.data.photos && map.source.photo)
const showsPhotos = (map) => pictured(map) && map.zoom >= FROM && map.withPhotos

// The listing of each square in sight: of those that stand out, the one that comes first; [listing, ...].
function plan(map, side, columns, rows, left, low) {
  const chosen = new Int32Array(columns * rows).fill(-1)
  const [width, height] = [columns * side, rows * side]
  eachNear(map.cells, left, low, left + width, low + height, (i) => {
    const [x, y] = [map.places[2 * i] - left, map.places[2 * i + 1] - low]
    if (x < 0 || y < 0 || x >= width || y >= height) return
    if ((map.lit && !map.lit[i]) || (map.now && map.now[i] < FLAG) || map.photos.broken.has(i)) return
    const square = Math.floor(y / side) * columns + Math.floor(x / side)
    if (chosen[square] < 0 || i < chosen[square]) chosen[square] = i
  })
  return Array.from(chosen).filter((i) => i >= 0)
}

// Squares are halved while they are larger than need be; those at the edge of the sight are there whole.
const sideOf = (map) => 2 ** Math.ceil(Math.log2(TILE / map.unit))

// Before the points: those that have a photo in sight are not drawn. Width and height are pixels of the page.
function planPhotos(map, width, height) {
  const side = sideOf(map)
  const [halfX, halfY] = [width / 2 / map.unit, height / 2 / map.unit]
  const [left, low] = [Math.floor((map.x - halfX) / side) - 1, Math.floor((map.y - halfY) / side) - 1]
  const [columns, rows] = [Math.ceil((2 * halfX) / side) + 3, Math.ceil((2 * halfY) / side) + 3]
  const key = [side, left, low, columns, rows, map.day, map.now ? 1 : 0, map.litOf, map.loaded, map.photos.broken.size].join()
  if (map.photos.hidden?.length !== map.n) map.photos.hidden = new Uint8Array(map.n)
  if (map.photos.plan !== key) {
    map.photos.hidden.fill(0)
    map.photos.plan = key
    map.photos.tiles = plan(map, side, columns, rows, left * side, low * side)
    for (const i of map.photos.tiles) map.photos.hidden[i] = Number(map.photos.shown.has(i))
    ask(map)
  }
}

// What is in sight is asked for, the middle first; what waited and is out of sight is forgotten.
function ask(map) {
  const { photos } = map
  const away = (i) => (map.places[2 * i] - map.x) ** 2 + (map.places[2 * i + 1] - map.y) ** 2
  photos.queue = photos.tiles.filter((i) => !photos.shown.has(i) && !photos.asked.has(i)).sort((a, b) => away(a) - away(b))
  while (photos.asked.size < AT_ONCE && photos.queue.length) fetchPhoto(map, photos.queue.shift())
}

async function fetchPhoto(map, i) {
  const { photos } = map
  photos.asked.add(i)
  const found = await map.source.photo(map.data, i).catch(() => null)
  photos.asked.delete(i)
  if (map.photos !== photos) return // another map by now
  if (found) {
    photos.shown.set(i, found)
    photos.hidden[i] = Number(photos.tiles.includes(i))
  } else photos.broken.add(i)
  for (const old of photos.shown.keys()) {
    if (photos.shown.size <= KEPT) break
    if (photos.hidden[old]) continue
    photos.shown.delete(old)
    photos.sized.delete(old)
  }
  ask(map)
  draw(map)
}

function paintPhotos(context, map, ratio) {
  if (!showsPhotos(map)) return
  const side = sideOf(map)
  const room = Math.round(Math.min(side * map.unit, LARGEST) * 0.94 * ratio)
  const rim = Math.max(1, Math.round(1.5 * ratio))
  for (const i of map.photos.tiles) {
    const image = map.photos.shown.get(i)
    if (!image) continue
    const [left, top] = onCanvas(context, map, ratio, ...photoAt(map, i, side)).map((middle) => Math.round(middle - room / 2))
    context.fillStyle = map.palette[map.codes[i]]
    context.fillRect(left, top, room, room)
    context.drawImage(sized(map.photos, i, image, room - 2 * rim), left + rim, top + rim)
  }
}

// A photo in the size in which it is painted, made once a zoom: scaling takes longer than painting.
function sized(photos, i, image, room) {
  if (photos.room !== room) {
    photos.room = room
    photos.sized.clear()
  }
  let found = photos.sized.get(i)
  if (!found) {
    found = new OffscreenCanvas(room, room)
    found.getContext("2d").drawImage(image, 0, 0, room, room)
    photos.sized.set(i, found)
  }
  return found
}

// Where the photo of a listing stands: in its square, as near to its place as its room allows, so that none covers another.
function photoAt(map, i, side) {
  const slack = Math.max(0, side - Math.min(side, LARGEST / map.unit)) / 2
  return [0, 1].map((axis) => {
    const middle = (Math.floor(map.places[2 * i + axis] / side) + 0.5) * side
    return Math.max(middle - slack, Math.min(middle + slack, map.places[2 * i + axis]))
  })
}

// The listing whose photo lies under a place of the map; -1 for none.
function photoUnder(map, x, y) {
  if (!showsPhotos(map)) return -1
  const side = sideOf(map)
  const half = (Math.min(side * map.unit, LARGEST) * 0.47) / map.unit
  for (const i of map.photos.tiles) {
    if (!map.photos.shown.has(i)) continue
    const [left, low] = photoAt(map, i, side)
    if (Math.abs(x - left) <= half && Math.abs(y - low) <= half) return i
  }
  return -1
}

async function squareAt(url) {
  const answer = await fetch(url)
  return answer.ok ? squareOf(await answer.blob()) : null
}

// A small square of the middle of a photo, made ready to be drawn without decoding it again.
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
