// Names on the map, those that fit without overlap: of several groups together in the whole map, then of the groups, and close up of
// parts of a group. A name shows more of its parts at a larger zoom; parts that another label shows are skipped.
const LEVELS = [[1.6, [0, 1]], [4, [1]], [Infinity, [2, 1]]] // up to which zoom, the levels from the most important on

function labelsFor(map) {
  const level = (number) => map.labels.filter((one) => one.level === number)
  const [first, ...more] = LEVELS.find(([zoom]) => map.zoom < zoom)[1].map(level)
  return first.length > 1 && map.zoom < LEVELS[0][0] ? first : [...first, ...more.flat()]
}

function paintLabels(context, map, ratio, ink, ground, font) {
  const { width, height } = context.canvas
  context.font = `600 ${12.5 * ratio}px ${font}`
  context.textAlign = "center"
  context.textBaseline = "middle"
  const room = width * 0.22 * Math.min(4, map.zoom)
  const fitting = (parts) => {
    let text = parts[0]
    for (const part of parts.slice(1)) {
      if (context.measureText(`${text} · ${part}`).width > room) break
      text += ` · ${part}`
    }
    return text
  }
  const taken = []
  const shown = new Set()
  for (const label of labelsFor(map)) {
    const [x, y] = onCanvas(context, map, ratio, label.x, label.y)
    if (x < 0 || y < 0 || x > width || y > height) continue
    const parts = label.text.split(" · ")
    const text = parts.map((_, at) => fitting(parts.slice(at))).find((one) => !shown.has(one)) ?? label.text
    const half = context.measureText(text).width / 2 + 6 * ratio
    const at = Math.max(half, Math.min(width - half, x))
    const box = [at - half, y - 11 * ratio, at + half, y + 11 * ratio]
    if (taken.some((one) => box[0] < one[2] && box[2] > one[0] && box[1] < one[3] && box[3] > one[1])) continue
    taken.push(box)
    shown.add(text)
    context.globalAlpha = 0.88
    context.fillStyle = ground
    context.beginPath()
    context.roundRect(box[0], box[1], box[2] - box[0], box[3] - box[1], 6 * ratio)
    context.fill()
    context.globalAlpha = 1
    context.fillStyle = ink
    context.fillText(text.charAt(0).toUpperCase() + text.slice(1), at, y)
  }
}
