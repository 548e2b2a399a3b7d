// Photos as points: covers replace dots, one for each square of the map with listings, in a frame of the listing's color. Squares are
// fixed on the map, so that photos keep their position while it is moved; their size halves from one zoom level to the next.
const TILE = 52 // smallest size of a photo in pixels
const CACHED = 1200 // photos in memory

const tileOf = (canvas) => Math.min(TILE, canvas.clientWidth / 14)
// Squares are halved while they are larger than necessary.
const sideOf = ({ canvas, unit }) => 2 ** Math.ceil(Math.log2(tileOf(canvas) / unit))
const roomOf = (map, side) => Math.min(side * map.unit, 2 * TILE) * 0.94
const squareOf = (at, side) => Math.floor((at - SIZE / 2) / side) // its number from the middle of the map
const middleOf = (map, i, side) => [0, 1].map((axis) => (squareOf(map.places[2 * i + axis], side) + 0.5) * side + SIZE / 2)

// Chooses the listing of each visible square, the first of the selected ones.
function planPhotos(map) {
  const { places, lit } = map
  const side = sideOf(map)
  const [halfX, halfY] = halvesOf(map).map((half) => half + side)
  const bySquare = new Map()
  for (let i = 0; i < map.n; i++) {
    const [x, y] = [places[2 * i], places[2 * i + 1]]
    if ((lit && !lit[i]) || Math.abs(x - map.x) > halfX || Math.abs(y - map.y) > halfY) continue
    const square = squareOf(x, side) * SIZE + squareOf(y, side)
    if (!bySquare.has(square)) bySquare.set(square, i)
  }
  map.tiles = [...bySquare.values()]
  const away = (i) => Math.hypot(places[2 * i] - map.x, places[2 * i + 1] - map.y)
  map.tiles.filter((i) => !map.photos.has(i)).sort((a, b) => away(a) - away(b)).forEach((i) => loadPhoto(map, i))
}

// Loads a photo, null until then and for a listing without one.
async function loadPhoto(map, i) {
  const { photos } = map
  if (photos.size > CACHED) photos.clear()
  photos.set(i, null)
  const image = (blob) => createImageBitmap(blob, { resizeHeight: 4 * TILE, resizeQuality: "medium" })
  photos.set(i, await ask(map, "photo", { of: i }).then((response) => response.blob()).then(image).catch(() => null))
  draw(map)
}

function paintPhotos({ context }, map) {
  const side = sideOf(map)
  const room = Math.round(roomOf(map, side))
  for (const i of map.tiles) {
    const image = map.photos.get(i)
    if (!image) continue
    const [left, top] = onScreen(map, ...middleOf(map, i, side)).map((at) => Math.round(at - room / 2))
    const part = Math.min(image.width, image.height)
    const middle = [(image.width - part) / 2, (image.height - part) / 2, part, part]
    context.fillStyle = map.palette[map.codes[i]]
    context.fillRect(left, top, room, room)
    context.drawImage(image, ...middle, left + 1.5, top + 1.5, room - 3, room - 3)
  }
}

// The listing whose photo is at a position of the map; -1 for none.
function photoUnder(map, x, y) {
  const side = sideOf(map)
  const half = roomOf(map, side) / 2 / map.unit
  const under = map.tiles.find((i) => {
    const [left, low] = middleOf(map, i, side)
    return map.photos.get(i) && Math.abs(x - left) <= half && Math.abs(y - low) <= half
  })
  return under ?? -1
}
