// The layer of unmet demand: halos around the listings of each region, and numbers.
const HALO = 11 // pixels around a listing

// The regions as of the end of the shown day. They take seconds, which the panel says.
async function loadUnmet(map) {
  const { days } = map.data
  const day = map.state.day
  const last = !days || day < 0 || day === days.count - 1
  const params = last ? {} : { at: `${(days.first + day + 1) * 86_400}000000000` } // nanoseconds
  const key = `${map.loaded}|${params.at}`
  if (!map.state.unmet || !map.data.unmet) {
    map.unmet = null
    map.unmetOf = ""
  } else if (map.unmetOf !== key) {
    map.unmetOf = key
    map.unmet = null
    showPanel(map)
    const layer = await map.source.json(map.data, "unmet", params)
    const codes = new Uint8Array(await map.source.bytes(map.data, "unmet-codes", params))
    if (map.unmetOf !== key) return
    map.unmet = { ...layer, codes, params }
    if (map.state.place > layer.regions.length) select(map, { place: null })
  }
}

// Calls `paint` with each region, from the last to the first, and the canvas positions of its listings.
function eachRegion(context, map, ratio, dark, paint) {
  if (!map.unmet) return
  context.fillStyle = map.data.unmet.colors[dark ? "dark" : "light"]
  for (let region = map.unmet.regions.length; region >= 1; region--) {
    const points = []
    map.unmet.codes.forEach((one, i) => one === region && points.push(listingOn(context, map, ratio, i)))
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
      path.arc(x, y, (showsPhotos(map) ? 3 : 1) * HALO * ratio, 0, 2 * Math.PI)
    }
    const { place } = map.state
    context.globalAlpha = place === null ? 0.34 : place === region ? 0.5 : 0.14
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
    disc.arc(x, y, 13 * ratio, 0, 2 * Math.PI)
    context.fill(disc)
    const color = context.fillStyle
    context.fillStyle = dark ? "#14191b" : "#ffffff"
    context.fillText(String(region), x, y)
    context.fillStyle = color
  })
}
