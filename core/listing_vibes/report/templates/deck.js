// Turns the slides: arrows, Page up and down, space, Home, End; F is full screen. Escape tells a page that shows the deck.
const slides = [...document.querySelectorAll(".slide")]
const current = () => slides.findIndex((slide) => slide.getBoundingClientRect().bottom > innerHeight / 2)
addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return
  if (event.key === "Escape") parent.postMessage("end-presenting", "*")
  if (event.key === "f") document.documentElement.requestFullscreen?.().catch(() => {})
  const step = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 }[event.key]
  const next = { Home: 0, End: slides.length - 1 }[event.key] ?? (step && current() + step)
  if (next === undefined) return
  event.preventDefault()
  slides[Math.max(0, Math.min(slides.length - 1, next))].scrollIntoView()
})
