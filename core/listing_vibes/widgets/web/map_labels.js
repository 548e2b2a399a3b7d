// Names of groups on the map, for the largest groups that fit without overlap. A name shows more of its parts at a larger
// zoom; parts that the label of a larger group already shows are skipped.
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
  const said = new Set()
  for (const label of map.labels) {
    const [x, y] = onCanvas(context, map, ratio, label.x, label.y)
    if (x < 0 || y < 0 || x > width || y > height) continue
    const parts = label.text.split(" · ")
    const text = parts.map((_, at) => fitting(parts.slice(at))).find((one) => !said.has(one)) ?? label.text
    const half = context.measureText(text).width / 2 + 4 * ratio
    const at = Math.max(half, Math.min(width - half, x))
    const box = [at - half, y - 10 * ratio, at + half, y + 10 * ratio]
    if (taken.some((one) => box[0] < one[2] && box[2] > one[0] && box[1] < one[3] && box[3] > one[1])) continue
    taken.push(box)
    said.add(text)
    context.globalAlpha = 0.8
    context.fillStyle = ground
    context.fillRect(box[0], box[1] + ratio, box[2] - box[0], box[3] - box[1] - 2 * ratio)
    context.globalAlpha = 1
    context.fillStyle = ink
    context.fillText(text.charAt(0).toUpperCase() + text.slice(1), at, y)
  }
}
