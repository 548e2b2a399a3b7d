// Names of groups on the map.

// As many parts of a name as there is room for, but always the first.
function fitting(context, parts, room) {
  let text = parts[0]
  for (const part of parts.slice(1)) {
    const longer = `${text} · ${part}`
    if (context.measureText(longer).width > room) break
    text = longer
  }
  return text
}

// What a label says, whatever the order of its parts.
function saying(text) {
  return text.toLowerCase().split(" · ").sort().join(" · ")
}

// A name in as many parts as the zoom gives room for: finer the closer one looks. Where a larger group's label says the same, or
// it is all that another group's name has (`whole`), it begins at a later part, else it has more parts than there is room for.
function labelText(context, name, room, said, whole) {
  const parts = name.split(" · ")
  const free = (text) => !said.has(saying(text)) && (saying(text) === saying(name) || !whole.has(saying(text)))
  const ways = parts.map((_, at) => fitting(context, parts.slice(at), room))
  const longer = parts.map((_, at) => parts.slice(0, at + 1).join(" · "))
  const text = [...ways, ...longer].find(free) ?? ways[0]
  return text.charAt(0).toUpperCase() + text.slice(1)
}

// Names of the largest groups, as many as fit without overlap.
function paintLabels(context, map, ratio, ink, ground, font) {
  const { width, height } = context.canvas
  context.font = `600 ${12.5 * ratio}px ${font}`
  context.textAlign = "center"
  context.textBaseline = "middle"
  const taken = []
  const said = new Set()
  const whole = new Set(map.labels.map((label) => saying(label.text)))
  for (const label of map.labels) {
    const [x, y] = onCanvas(context, map, ratio, label.x, label.y)
    if (x < 0 || y < 0 || x > width || y > height) continue
    const text = labelText(context, label.text, width * 0.22 * Math.min(4, map.zoom), said, whole)
    const half = context.measureText(text).width / 2 + 4 * ratio
    const at = Math.max(half, Math.min(width - half, x))
    const box = [at - half, y - 10 * ratio, at + half, y + 10 * ratio]
    if (taken.some((one) => box[0] < one[2] && box[2] > one[0] && box[1] < one[3] && box[3] > one[1])) continue
    taken.push(box)
    said.add(saying(text))
    context.globalAlpha = 0.8
    context.fillStyle = ground
    context.fillRect(box[0], box[1] + ratio, box[2] - box[0], box[3] - box[1] - 2 * ratio)
    context.globalAlpha = 1
    context.fillStyle = ink
    context.fillText(text, at, y)
  }
}
