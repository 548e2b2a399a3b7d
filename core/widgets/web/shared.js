// What the explorer's own components share; prepended to each of them.
const PLAIN = (event) => event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)

function element(tag, className, text) {
  const node = document.createElement(tag)
  if (className) node.className = className
  if (text !== undefined && text !== null) node.textContent = text
  return node
}

// A real link. A plain click changes the address without a reload, and the app follows it, as it does after the
// browser's back button; a click with a modifier key opens the link as any link.
function link(card, className) {
  const anchor = element("a", className)
  anchor.href = card.href
  anchor.addEventListener("click", (event) => {
    if (!PLAIN(event)) return
    event.preventDefault()
    window.history.pushState({}, "", anchor.href)
    window.dispatchEvent(new PopStateEvent("popstate"))
    document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0)
  })
  return anchor
}

function photo(card) {
  const box = element("div", "photo")
  if (!card.photo) {
    box.append(element("span", "nothing", "No photo"))
    return box
  }
  const image = element("img")
  image.alt = card.alt
  image.decoding = "async"
  image.loading = "lazy"
  image.addEventListener("load", () => {
    const shape = (image.naturalWidth / image.naturalHeight) * (box.clientHeight / box.clientWidth)
    // A photo of nearly the box's shape fills it; any other is shown whole.
    image.classList.toggle("fill", shape > 0.8 && shape < 1.25)
    image.classList.add("ready")
  })
  image.src = card.photo
  box.append(image)
  if (card.count > 1) box.append(element("span", "count", `${card.count} photos`))
  return box
}

function facts(card, className = "facts") {
  const list = element("dl", className)
  for (const [label, value] of card.facts) {
    const row = element("div")
    row.append(element("dt", "", label), element("dd", "", value))
    list.append(row)
  }
  return list
}
