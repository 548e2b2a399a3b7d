// The deck of this browser, [{url, title, note}], its editor and its presentation; the search of everything; the keyboard.
const DECK = "listing-vibes-deck"

// The deck as one HTML document; without slides, the ready deck of the run.
async function render(data, slides) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(slides) }
  const response = await fetch(data.deck, options)
  const text = await response.text()
  if (!response.ok) throw new Error(text)
  return text
}

// The slides of a deck's text, or of a JSON list of slides.
function slidesOf(text) {
  try {
    const deck = new DOMParser().parseFromString(text, "text/html")
    const slides = JSON.parse(deck.getElementById("slides")?.textContent ?? text)
    const ours = slides.filter((slide) => /^\/(?!\/)/.test(slide?.url)) // a path of this explorer
    return ours.map(({ url, title, note }) => ({ url, title: String(title ?? ""), note: String(note ?? "") }))
  } catch {
    return []
  }
}

// The pinned slides; a browser that blocks storage keeps them until the page is loaded again.
let pinned = ""
function read() {
  try { pinned = localStorage.getItem(DECK) ?? "" } catch { /* blocked */ }
  return slidesOf(pinned)
}

// A small picture of a slide: the rendered deck without its scripts, with all other slides hidden; the first is the cover.
function thumbnail(deck, at) {
  const srcdoc = `${deck.split("<script")[0]}<style>.slide:not(:nth-child(${at + 2})) { display: none; }</style>`
  return h("iframe", { srcdoc, sandbox: "", loading: "lazy", title: `Slide ${at + 1}`, inert: true })
}

// Elements of the page that match, also within the components' shadow roots.
const everywhere = (selector, root = document) => [
  ...root.querySelectorAll(selector),
  ...[...root.querySelectorAll("*")].filter((node) => node.shadowRoot).flatMap((node) => everywhere(selector, node.shadowRoot)),
]

// A plain click on a link of a component opens it without a reload; a click with a modifier key has the browser's default behavior.
function followLink(event) {
  const anchor = event.composedPath().find((node) => node.tagName === "A" && node.getRootNode() !== document)
  const isModified = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey
  if (!anchor?.href || event.defaultPrevented || isModified) return
  event.preventDefault()
  go(anchor.href)
  document.querySelector('[data-testid="stMain"]')?.scrollTo(0, 0)
}

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".presenter")
  const [status, deck] = [root.querySelector(".status"), root.querySelector(".deck")]
  const write = (slides) => {
    pinned = JSON.stringify(slides)
    try { localStorage.setItem(DECK, pinned) } catch { /* blocked */ }
    showCount()
  }
  const showCount = () => (deck.textContent = read().length ? `Deck (${read().length})` : "Deck")
  const say = (text, time = 3500) => {
    status.textContent = text
    clearTimeout(root.quiet)
    root.quiet = setTimeout(() => (status.textContent = ""), time)
  }

  // The address of what is pinned: on Home the item in the middle of the window, elsewhere the page itself.
  function address() {
    const middle = (node) => Math.abs(node.getBoundingClientRect().top + node.getBoundingClientRect().height / 2 - innerHeight / 2)
    const items = data.isHome ? everywhere("section.evidence").filter((node) => node.dataset.url) : []
    const item = items.sort((one, other) => middle(one) - middle(other))[0]
    const run = new URLSearchParams(location.search).get("run")
    return item ? item.dataset.url + (run ? `&run=${encodeURIComponent(run)}` : "") : location.pathname.slice(data.base.length) + location.search
  }

  // Adds what the page shows as a slide, and shows the slide for a moment; where there is nothing to show, says why.
  async function pin() {
    if (data.why) return say(data.why)
    const slide = { url: address(), title: "", note: "" } // kept at once, also if the page is left
    write([...read(), slide])
    say("Pinned")
    const change = (edit) => write(read().flatMap((other, at, all) => (other.url === slide.url && !other.title && at === all.length - 1 ? edit(other) : [other])))
    try {
      const text = await render(data, [slide])
      const drawn = new DOMParser().parseFromString(text, "text/html").querySelector(".slide[data-key]")
      if (drawn.dataset.key === "none") {
        change(() => [])
        return say(drawn.querySelector(".sentence").textContent)
      }
      change((other) => [{ ...other, title: drawn.querySelector("h2").textContent.trim() }])
      const picture = h("div", { class: "thumbnail pinned" }, thumbnail(text, 0))
      root.append(picture)
      setTimeout(() => picture.remove(), 2500)
    } catch (error) {
      say(error.message)
    }
  }

  async function present() {
    const frame = h("iframe", { title: "Slides", sandbox: "allow-scripts", onload: () => frame.focus() })
    const stage = h("div", { class: "stage" }, "Preparing the slides …")
    const box = openDialog(root, "Presentation", stage)
    await stage.requestFullscreen?.().catch(() => {}) // a browser may refuse: the slides cover the page anyway
    stage.onfullscreenchange = () => document.fullscreenElement || box.close()
    try {
      frame.srcdoc = await render(data, read())
      stage.replaceChildren(frame)
    } catch (error) {
      stage.replaceChildren(h("p", {}, `The slides could not be made: ${error.message}`), button("Close", () => box.close()))
    }
  }

  function edit() {
    const rows = h("ol")
    const told = h("span", { class: "told", role: "status" })
    const change = (edited) => {
      write(edited(read()))
      keepFocus(rows, fill)
    }
    const move = (from, to) => change((slides) => slides.toSpliced(from, 1).toSpliced(to, 0, slides[from]))
    const field = (tag, slide, at, key, label) => h(tag, {
      class: key, value: slide[key], placeholder: label, "aria-label": `${label} of slide ${at + 1}`,
      oninput: ({ target }) => write(read().map((other, place) => (place === at ? { ...other, [key]: target.value } : other))),
    })
    const row = (slide, at, { length }) => h("li", {},
      h("div", { class: "thumbnail" }),
      h("div", { class: "texts" }, field("input", slide, at, "title", "Headline"), field("textarea", slide, at, "note", "Note")),
      ...moveControls(`slide ${at + 1}`, at, length, slide.url, move),
      h("a", { href: slide.url, class: "button", onclick: () => box.close() }, "Open"),
      button("✕", () => change((slides) => slides.toSpliced(at, 1)), { "aria-label": `Remove slide ${at + 1}` }),
    )
    const work = (action) => async () => {
      told.textContent = "Working …"
      told.textContent = await action().catch((error) => error.message)
    }
    const open = work(async () => {
      const slides = slidesOf(await file.files[0].text())
      if (slides.length) change(() => slides)
      return slides.length ? "" : "This file holds no slides."
    })
    const file = h("input", { type: "file", accept: ".html,.json", hidden: true, onchange: open })
    const ready = work(async () => {
      const slides = slidesOf(await render(data, []))
      change((before) => [...before, ...slides])
      return `${slides.length} slides were added.`
    })
    const save = work(async () => {
      const href = URL.createObjectURL(new Blob([await render(data, read())], { type: "text/html" }))
      h("a", { href, download: data.file }).click()
      URL.revokeObjectURL(href)
      return "The deck was saved: one file that opens in any browser, prints, and can be opened here again."
    })
    const box = openDialog(root, "Deck", h("h2", {}, "Deck"), rows, h("div", { class: "foot" },
      button("Present", present, { class: "main" }), button("Save as a file", save), button("Open a file", () => file.click()),
      button("Add the ready deck", ready), button("Close", () => box.close()), file, told,
    ))
    async function fill() {
      const slides = read()
      const none = "No slide yet. “Pin” adds the current view of a page; without slides, the ready deck is presented."
      const items = slides.map(row)
      rows.replaceChildren(...(items.length ? items : [h("li", {}, none)]))
      const text = items.length && await render(data, slides).catch(() => null)
      if (text) items.forEach((item, at) => item.firstChild.replaceChildren(thumbnail(text, at)))
    }
    fill()
  }

  // Listings, users, groups, pages and commands with their keys, found by words.
  function palette() {
    const label = "A listing, a user, a group, a page, a command"
    const input = h("input", { type: "text", placeholder: label, "aria-label": "Find anything", oninput: find })
    const list = h("ul", { class: "found" })
    const actions = [
      ...data.pages.map(([label, href]) => ({ label, kind: "Page", href })),
      ...Object.entries(COMMANDS).map(([key, [label, run]]) => ({ label, kind: `Key ${key}`, run })),
    ]
    list.addEventListener("click", () => box.close(), { capture: true }) // before what the entry does
    const show = (entries) => list.replaceChildren(...entries.map(({ label, kind, href, run = () => go(href) }) => (
      h("li", {}, button(label, run, {}, h("small", {}, kind)))
    )))
    async function find() {
      const typed = input.value
      const words = typed.trim().toLowerCase()
      const local = actions.filter(({ label }) => label.toLowerCase().includes(words))
      show(local)
      const response = words && await fetch(`${data.find}?q=${encodeURIComponent(words)}`)
      if (response && response.ok && typed === input.value) show([...local, ...await response.json()])
    }
    const box = openDialog(root, "Find", h("h2", {}, "Find"), input, list)
    box.onkeydown = (event) => {
      const buttons = [...list.querySelectorAll("button")]
      const at = buttons.indexOf(root.getRootNode().activeElement)
      if (event.key === "Enter" && at < 0) buttons[0]?.click()
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
      if (!step) return
      event.preventDefault()
      ;(buttons[at + step] ?? input).focus()
    }
    find()
  }

  // The card with the focus, and the one that J and K go to.
  const focused = () => everywhere(":focus").map((node) => node.closest(".card")).find(Boolean)
  function walk(step) {
    const cards = everywhere("ul.gallery > .card").filter((card) => card.querySelector("a"))
    const next = cards[Math.max(0, cards.indexOf(focused()) + step)] ?? cards.at(-1)
    next?.querySelector("a").focus()
    }
  function add() {
    const card = focused()
    const listing = new URLSearchParams(card?.querySelector("a")?.search).get("listing")
    if (card?.querySelector(".add")) card.querySelector(".add").click()
    else if (listing) go(`${data.simulate}${encodeURIComponent(listing)}`)
    else say("Choose a listing by J and K first")
  }

  const COMMANDS = {
    J: ["Next listing", () => walk(1)],
    K: ["Listing before", () => walk(-1)],
    Space: ["Photos of the listing", () => focused()?.querySelector(".album")?.click()],
    A: ["Add the listing to the simulated history", add],
    P: ["Pin this view as a slide", pin],
    D: ["Open the deck", edit],
    F: ["Present", present],
    "?": ["Find anything, and the keys", palette],
  }
  const FIELDS = "input, textarea, select, [contenteditable], [role=slider], [role=application], dialog, [role=dialog]"
  const onKey = (event) => {
    const key = event.key === " " ? "Space" : event.key.toUpperCase()
    const isSearch = key === "K" && (event.ctrlKey || event.metaKey)
    const run = isSearch ? palette : COMMANDS[key]?.[1]
    if (!run || event.altKey || everywhere("dialog[open]").length) return
    const on = event.composedPath()[0]
    if (!isSearch && (event.ctrlKey || event.metaKey || (on instanceof Element && on.closest(FIELDS)))) return
    if (key === "Space" && !(on.matches("a") && focused())) return // a button and the page have a use for it
    event.preventDefault()
    run()
  }
  const onMessage = (event) => event.data === "end-presenting" && root.querySelector("dialog:has(.stage)")?.close()
  const stop = new AbortController()
  document.addEventListener("keydown", onKey, { signal: stop.signal })
  document.addEventListener("click", followLink, { signal: stop.signal })
  addEventListener("message", onMessage, { signal: stop.signal })
  showCount()
  const clicks = { find: palette, pin, deck: edit, main: present }
  for (const [name, run] of Object.entries(clicks)) root.querySelector(`.line .${name}`).onclick = run
  const pinButton = root.querySelector(".line .pin")
  pinButton.setAttribute("aria-disabled", String(Boolean(data.why)))
  pinButton.title = data.why || "Pin this view as a slide (P)"
  root.hidden = false
  return () => stop.abort()
}
