// All photos of a listing in the large size, one at a time: arrow keys move, Escape closes.
function openLightbox(root, photos, first) {
  const box = element("dialog", "lightbox")
  const stage = element("img", "stage")
  const place = element("p", "place")
  let at = first
  const show = (next) => {
    at = (next + photos.length) % photos.length
    stage.src = photos[at].photo
    stage.alt = photos[at].alt
    place.textContent = `${at + 1} of ${photos.length}`
  }
  const key = (sign, label, click) => button(sign, click, label, "key")
  const bar = element("div", "keys")
  place.setAttribute("aria-live", "polite")
  const several = photos.length > 1
  if (several) bar.append(key("‹", "Photo before", () => show(at - 1)))
  bar.append(place)
  if (several) bar.append(key("›", "Next photo", () => show(at + 1)))
  bar.append(key("✕", "Close", () => box.close()))
  box.setAttribute("aria-label", "Photos")
  box.append(stage, bar)
  box.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (!step) return
    event.preventDefault()
    show(at + step)
  })
  box.addEventListener("click", (event) => {
    if (event.target === box) box.close()
  })
  box.addEventListener("close", () => box.remove())
  root.append(box)
  show(first)
  box.showModal()
}
