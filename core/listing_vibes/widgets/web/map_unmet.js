// The layer of unmet demand: halos around the listings of each region, and numbers.
const HALO = 11 // pixels around a listing

async function loadUnmet(map, data) {
  const layer = data.unmet
  if (!layer) map.unmet = null
  else if (map.unmetOf !== layer.codes || !map.unmet) {
    const codes = new Uint8Array(await bytes(layer.codes))
    if (map.data !== data) return
    map.unmet = codes
    map.unmetOf = layer.codes
  }
}

// Calls `paint` with each region, from the last to the first, and the canvas positions of its listings.
function eachRegion(context, map, ratio, dark, paint) {
  if (!map.unmet) return
  context.fillStyle = map.data.unmet.colours[dark ? "dark" : "light"]
  for (let region = map.data.unmet.places; region >= 1; region--) {
    const points = []
    map.unmet.forEach((one, i) => one === region && points.push(listingOn(context, map, ratio, i)))
    if (points.length) paint(region, points)
  }
  context.globalAlpha = 1
}

// Drawn under the points; overlapping halos of a region merge.
function paintHalos(context, map, ratio, dark) {
  eachRegion(context, map, ratio, dark, (region, points) => {
    const path = new Path2D()
    for (const [x, y] of points) {
      path.moveTo(x, y)
      path.arc(x, y, HALO * ratio, 0, 2 * Math.PI)
    }
    const { chosen } = map.data.unmet
    context.globalAlpha = chosen === null ? 0.34 : chosen === region ? 0.5 : 0.14
    context.fill(path, "nonzero")
  })
}

// The number of each region at the middle of its listings.
function paintNumbers(context, map, ratio, dark, font) {
  context.font = `700 ${13 * ratio}px ${font}`
  context.textAlign = "center"
  context.textBaseline = "middle"
  eachRegion(context, map, ratio, dark, (region, points) => {
    const [x, y] = [0, 1].map((axis) => points.map((point) => point[axis]).sort((a, b) => a - b)[points.length >> 1])
    const disc = new Path2D()
    disc.arc(x, y, 11 * ratio, 0, 2 * Math.PI)
    context.fill(disc)
    const color = context.fillStyle
    context.fillStyle = dark ? "#14191b" : "#ffffff"
    context.fillText(String(region), x, y)
    context.fillStyle = color
  })
}
