// The layer of unmet demand: halos around the listings of each place, and numbers.
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

// Under the points: where halos of one place meet they are one region.
function paintHalos(context, map, ratio, dark) {
  if (!map.unmet) return
  const { colours, chosen, places } = map.data.unmet
  context.fillStyle = colours[dark ? "dark" : "light"]
  for (let place = places.length; place >= 1; place--) {
    const path = new Path2D()
    for (let i = 0; i < map.n; i++) {
      if (map.unmet[i] !== place) continue
      const [x, y] = listingOn(context, map, ratio, i)
      path.moveTo(x, y)
      path.arc(x, y, HALO * ratio, 0, 2 * Math.PI)
    }
    context.globalAlpha = chosen === null ? 0.34 : chosen === place ? 0.5 : 0.14
    context.fill(path, "nonzero")
  }
  context.globalAlpha = 1
}

// The number of each place at the middle of its listings.
function paintNumbers(context, map, ratio, dark, font) {
  if (!map.unmet) return
  const { colours, places } = map.data.unmet
  const middle = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]
  context.font = `700 ${13 * ratio}px ${font}`
  context.textAlign = "center"
  context.textBaseline = "middle"
  for (let place = places.length; place >= 1; place--) {
    const members = []
    for (let i = 0; i < map.n; i++) if (map.unmet[i] === place) members.push(i)
    if (!members.length) continue
    const [x, y] = onCanvas(context, map, ratio, ...[0, 1].map((axis) => middle(members.map((i) => map.places[2 * i + axis]))))
    context.beginPath()
    context.arc(x, y, 11 * ratio, 0, 2 * Math.PI)
    context.fillStyle = colours[dark ? "dark" : "light"]
    context.fill()
    context.fillStyle = dark ? "#14191b" : "#ffffff"
    context.fillText(String(place), x, y)
  }
}
