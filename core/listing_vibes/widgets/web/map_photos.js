// Photos over dots: those of the listings nearest to the pointer, and in a close view of all that do not overlap.
const TILE = 52 // largest size of a photo in pixels
const CACHED = 1200 // photos in memory
const NEAREST = 12 // photos beside the pointer
const TRIED = 60 // listings beside the pointer, of which those that overlap are left out
const CLOSE = 150 // most listings in sight of a close view

const tileOf = (canvas) => Math.min(TILE, canvas.clientWidth / 14)

// Chooses the listings whose photos are drawn.
function planPhotos(map) {
  const { places, lit, pointer } = map
  const side = tileOf(map.canvas) / map.unit
  const [halfX, halfY] = halvesOf(map)
  const [inSight, near] = [[], []]
  for (let i = 0; i < map.n; i++) {
    const [x, y] = [places[2 * i], places[2 * i + 1]]
    if ((lit && !lit[i]) || Math.abs(x - map.x) > halfX || Math.abs(y - map.y) > halfY) continue
    if (inSight.length <= CLOSE) inSight.push(i)
    if (!pointer) continue
    const away = (x - pointer[0]) ** 2 + (y - pointer[1]) ** 2
    if (near.length === TRIED && away >= near.at(-1)[0]) continue
    near.splice(near.findLastIndex(([other]) => other <= away) + 1, 0, [away, i])
    near.length = Math.min(near.length, TRIED)
  }
  const tiles = []
  const isFree = (i) => tiles.every((j) => Math.abs(places[2 * i] - places[2 * j]) >= side || Math.abs(places[2 * i + 1] - places[2 * j + 1]) >= side)
  for (const [, i] of near) if (tiles.length < NEAREST && isFree(i)) tiles.push(i)
  if (inSight.length <= CLOSE) for (const i of inSight) if (isFree(i)) tiles.push(i)
  map.tiles = tiles
  const labeled = map.labels.filter(({ isNamed }) => !isNamed).map(({ listing }) => listing)
  for (const i of [...labeled, ...tiles]) if (!map.photos.has(i)) loadPhoto(map, i)
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

// A photo in a frame of a color, cut to a square.
function paintPhoto(context, image, color, left, top, room) {
  const part = Math.min(image.width, image.height)
  context.fillStyle = color
  context.fillRect(left, top, room, room)
  context.drawImage(image, (image.width - part) / 2, (image.height - part) / 2, part, part, left + 2, top + 2, room - 4, room - 4)
}

function paintPhotos({ context }, map) {
  const room = Math.round(tileOf(map.canvas))
  for (const i of map.tiles.toReversed()) {
    const image = map.photos.get(i)
    if (!image) continue
    const [x, y] = onScreen(map, map.places[2 * i], map.places[2 * i + 1])
    paintPhoto(context, image, map.palette[map.codes[i]], Math.round(x - room / 2), Math.round(y - room / 2), room)
  }
}

// The listing whose photo is at a position of the map; -1 for none.
function photoUnder(map, x, y) {
  const half = tileOf(map.canvas) / 2 / map.unit
  const isUnder = (i) => map.photos.get(i) && Math.abs(x - map.places[2 * i]) <= half && Math.abs(y - map.places[2 * i + 1]) <= half
  return map.tiles.find(isUnder) ?? -1
}
