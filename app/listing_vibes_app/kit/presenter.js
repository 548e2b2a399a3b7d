// Pinned views are stored in this browser: [{title, url, note}]. While presenting, the index of the current view is stored
// for this tab, so that it is kept when a page is drawn.
const PINS = "listing-vibes-pins"
const AT = "listing-vibes-presenting"
// Controls of a page, hidden while presenting.
const CLEAN = `
  [data-testid="stHeader"], [data-testid="stSidebar"], [data-testid="stFileUploader"],
  .stMain .st-key-new-dial, .stMain [class*="st-key-labelled-"], .stMain [class*="st-key-fitted-"], .stMain .stButton, .stMain .stDownloadButton, .stMain .stPopover, .stMain .stExpander,
  .stMain .stPagination { display: none !important }
  .stMainBlockContainer.block-container { padding-top: 1.5rem !important; padding-bottom: 7rem !important }
`

function read() {
  try {
    const found = JSON.parse(localStorage.getItem(PINS) ?? "[]")
    return Array.isArray(found) ? found.filter((one) => typeof one?.url === "string" && one.url.startsWith("/")) : []
  } catch {
    return []
  }
}

function write(pins) {
  try {
    localStorage.setItem(PINS, JSON.stringify(pins))
  } catch {
    // Without storage, pins are kept until the user leaves the page.
  }
}

function presentedAt() {
  const kept = sessionStorage.getItem(AT)
  return kept === null ? null : Number(kept)
}

function view(url) {
  document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0) // presenting starts at the foot of a page
  if (location.pathname + location.search === url) return
  go(url)
}

function clean(on) {
  const there = document.getElementById("vibes-clean")
  if (!on) there?.remove()
  else if (!there) {
    const style = document.createElement("style")
    style.id = "vibes-clean"
    style.textContent = CLEAN
    document.head.append(style)
  }
}

function download(content, type, name) {
  const anchor = element("a")
  anchor.href = URL.createObjectURL(new Blob([content], { type }))
  anchor.download = name
  anchor.click()
  URL.revokeObjectURL(anchor.href)
}

// The report from the server: one file with the measures of the run and a section for each view.
async function reported(report, pins) {
  const answer = await fetch(report.address, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(pins),
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(text)
  download(text, "text/html", report.file)
}

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".presenter")

  const name = () => {
    const heading = document.querySelector('[data-testid="stMain"] h1')?.textContent?.trim()
    return heading && heading !== data.title ? `${data.title}: ${heading}` : data.title
  }
  const show = (at) => {
    const pins = read()
    if (at === null || !pins.length) {
      sessionStorage.removeItem(AT)
      clean(false)
      if (document.fullscreenElement) document.exitFullscreen().catch(() => {})
    } else {
      const held = Math.max(0, Math.min(pins.length - 1, at))
      sessionStorage.setItem(AT, String(held))
      clean(true)
      view(pins[held].url)
    }
    draw()
  }
  const present = (at) => {
    document.documentElement.requestFullscreen?.().catch(() => {}) // a browser may refuse full screen; the controls are hidden anyway
    show(at)
  }
  const pin = () => {
    write([...read(), { title: name(), url: location.pathname + location.search, note: "" }])
    draw("Pinned")
  }

  function stage(pins, at) {
    const bar = element("section", "stage")
    bar.setAttribute("aria-label", "Presenting")
    const note = element("div", "note", pins[at].note || pins[at].title)
    note.tabIndex = 0
    const place = element("span", "place", `${at + 1} of ${pins.length}`)
    place.setAttribute("aria-live", "polite")
    const back = button("‹", () => show(at - 1), "View before")
    const next = button("›", () => show(at + 1), "Next view")
    back.disabled = at === 0
    next.disabled = at === pins.length - 1
    bar.append(note, back, place, next, button("✕", () => show(null), "End presenting"))
    return bar
  }

  function list() {
    const box = element("dialog", "")
    box.setAttribute("aria-label", "Pinned views")
    const fill = () => {
      const pins = read()
      const rows = element("ol")
      const keep = (changed) => {
        write(changed)
        fill()
      }
      // Read the pins when a button is pressed, because notes may have changed since these rows were drawn.
      const change = (how) => keep(how(read()))
      pins.forEach((one, at) => {
        const row = element("li")
        const head = element("div", "head")
        const up = button("↑", () => change((now) => [...now.slice(0, at - 1), now[at], now[at - 1], ...now.slice(at + 1)]), `Move up ${one.title}`)
        up.disabled = at === 0
        head.append(
          element("span", "name", `${at + 1}. ${one.title}`),
          up,
          button("▶", () => { box.close(); present(at) }, `Present from ${one.title}`),
          button("✕", () => change((now) => now.filter((_, place) => place !== at)), `Remove ${one.title}`),
        )
        const note = element("textarea")
        note.rows = 2
        note.value = one.note ?? ""
        note.placeholder = "Note, shown while presenting"
        note.setAttribute("aria-label", `Note on ${one.title}`)
        note.addEventListener("input", () => {
          const now = read()
          if (now[at]) now[at].note = note.value
          write(now)
        })
        row.append(head, note)
        rows.append(row)
      })
      const foot = element("div", "foot")
      const begin = button("Present", () => { box.close(); present(0) })
      begin.disabled = !pins.length
      const said = element("span", "said")
      said.setAttribute("role", "status")
      const made = button("Report with these views", async () => {
        made.disabled = true
        said.textContent = "Creating the report …"
        try {
          await reported(data.report, read())
          said.textContent = "The report was saved."
        } catch (error) {
          said.textContent = `The report could not be created: ${error.message}`
        }
        made.disabled = !read().length
      })
      made.disabled = !pins.length
      made.hidden = !data.report
      made.title = "One file with figures, photos and limits, and a section for each view with its note"
      const save = button("Save as a file", () => download(JSON.stringify(read(), null, 1), "application/json", "pinned-views.json"))
      save.disabled = !pins.length
      const file = element("input")
      file.type = "file"
      file.accept = ".json"
      file.hidden = true
      file.addEventListener("change", async () => {
        try {
          const found = JSON.parse(await file.files[0].text())
          const usable = found.filter((one) => typeof one?.url === "string" && one.url.startsWith("/") && !one.url.startsWith("//"))
          if (!usable.length) throw new Error("no pins")
          keep(usable.map((one) => ({ title: String(one.title ?? one.url), url: one.url, note: String(one.note ?? "") })))
        } catch { // not JSON, or not a list of pinned views
          said.textContent = "This file holds no pinned views."
        }
      })
      foot.append(begin, made, save, button("Open a file", () => file.click()), file, button("Close", () => box.close()), said)
      const empty = pins.length ? [] : [element("p", "", "Nothing is pinned yet. “Pin this view” stores the current view of a page as a link.")]
      box.replaceChildren(element("h2", "", "Pinned views"), ...empty, rows, foot)
    }
    fill()
    box.addEventListener("close", () => { box.remove(); draw() })
    root.append(box)
    box.showModal()
  }

  function draw(said = "") {
    const pins = read()
    const at = presentedAt()
    if (at !== null && pins[at]) {
      clean(true)
      root.replaceChildren(stage(pins, at))
      return
    }
    clean(false)
    const spoken = element("span", "", said)
    spoken.setAttribute("aria-live", "polite")
    const line = element("div", "line")
    line.append(button("Pin this view", pin), button(`Pinned views (${pins.length})`, list), spoken)
    root.replaceChildren(line)
  }

  const key = (event) => {
    const at = presentedAt()
    if (at === null || event.altKey || event.ctrlKey || event.metaKey) return
    const on = event.composedPath()[0]
    if (on instanceof Element && on.closest("input, textarea, select, [role=slider], [role=radio], [role=tab], dialog, [role=dialog]")) return
    const step = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 }[event.key]
    if (step) {
      event.preventDefault()
      show(at + step)
    } else if (event.key === "Escape") show(null)
  }
  // The browser's back button changes the view, and Escape leaves the full screen without a key event.
  const walked = () => {
    const [at, pins] = [presentedAt(), read()]
    const here = (one) => one?.url === location.pathname + location.search
    if (at === null || here(pins[at])) return
    const near = pins.map((_, place) => place).filter((place) => here(pins[place]))
    near.sort((one, two) => Math.abs(one - at) - Math.abs(two - at))
    if (near.length) show(near[0])
  }
  const left = () => {
    if (presentedAt() !== null && !document.fullscreenElement) show(null)
  }
  document.addEventListener("keydown", key)
  document.addEventListener("fullscreenchange", left)
  addEventListener("popstate", walked)
  draw()
  return () => {
    document.removeEventListener("keydown", key)
    document.removeEventListener("fullscreenchange", left)
    removeEventListener("popstate", walked)
  }
}
