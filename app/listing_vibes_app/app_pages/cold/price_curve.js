// The audience of a draft by its price: a curve with its band. The point of the price now is dragged, or moved by arrow keys.
const STEPS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }

export default function ({ data, parentElement }) {
  const { points, best, now, top } = data
  const [first, last] = [points[0].price, points.at(-1).price]
  const x = (price) => (100 * (price - first)) / (last - first || 1)
  const y = (share) => 100 - (100 * share) / top
  const line = (list, key) => list.map((point) => `${x(point.price)},${y(point[key])}`).join(" ")
  const at = (price, share) => `left: ${x(price)}%; top: ${y(share)}%`
  const svg = `<svg viewBox="0 0 100 100" preserveAspectRatio="none"><polygon points="${line(points, "high")} ${line(points.toReversed(), "low")}"/><polyline points="${line(points, "share")}"/></svg>`
  const said = h("output", { class: "said" })
  const handle = button("", null, { class: "point", role: "slider", "aria-label": data.label, ariaValueMin: 0, ariaValueMax: points.length - 1 })
  const plot = h("div", { class: "plot", innerHTML: svg })
  let place = now ?? best
  const show = (to) => {
    place = Math.max(0, Math.min(points.length - 1, to))
    const { price, share, text } = points[place]
    handle.style = at(price, share)
    Object.assign(handle, { ariaValueNow: place, ariaValueText: text })
    said.textContent = text
  }
  const take = () => place !== now && setParams({ like: data.like, draft: points[place].draft })
  const nearestTo = ({ clientX }) => {
    const { left, width } = plot.getBoundingClientRect()
    const away = points.map(({ price }) => Math.abs(x(price) - (100 * (clientX - left)) / width))
    return away.indexOf(Math.min(...away))
  }
  plot.onpointerdown = (event) => {
    plot.setPointerCapture(event.pointerId)
    show(nearestTo(event))
  }
  plot.onpointermove = (event) => plot.hasPointerCapture(event.pointerId) && show(nearestTo(event))
  plot.onpointerup = take
  handle.onkeydown = (event) => {
    if (!(event.key in STEPS)) return
    event.preventDefault()
    show(place + STEPS[event.key])
  }
  handle.onkeyup = take // not at every step, since each price is computed anew
  plot.append(
    ...points.map(({ price, share, text }) => h("span", { class: "dot", style: at(price, share), title: text })),
    h("span", { class: "best", style: at(points[best].price, points[best].share) }, h("small", {}, "Most users")), handle,
    ...data.shares.map(([share, text]) => h("small", { class: "share", style: `top: ${y(share)}%` }, text)),
    ...data.ticks.map(([price, text]) => h("small", { class: "tick", style: `left: ${x(price)}%` }, text)),
  )
  show(place)
  parentElement.querySelector(".curve").replaceChildren(said, plot)
}
