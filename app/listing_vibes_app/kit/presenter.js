// The deck of this browser, [{url, title, note}], its editor and its presentation; the search of everything; shortcuts.
const DECK = "listing-vibes-deck"
const KEYS = [
  ["Ctrl K", "Find a listing, a user, a group, a page or a command"], ["J", "Next listing"], ["K", "Listing before"],
  ["Enter", "Open the listing"], ["Space", "Its photos"], ["A", "Add it to the simulated history"], ["P", "Pin this view as a slide"],
  ["D", "The deck"], ["F", "Present"], ["?", "These keys"],
]
const MAC = navigator.platform.startsWith("Mac")

function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(DECK) ?? "[]")
    return Array.isArray(stored) ? stored.filter((slide) => /^\/(?!\/)/.test(slide?.url)) : []
  } catch {
    return []
  }
}

function write(slides) {
  try {
    localStorage.setItem(DECK, JSON.stringify(slides))
  } catch {
    // Without storage, slides are lost when the user leaves the page.
  }
}

// The deck as one HTML document; without slides, the ready deck of the run.
async function render(data, slides) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(slides) }
  const response = await fetch(data.deck, options)
  const text = await response.text()
  if (!response.ok) throw new Error(text)
  return text
}

function slidesOf(text) {
  const inside = new DOMParser().parseFromString(text, "text/html").getElementById("slides")
  const slides = JSON.parse(inside?.textContent ?? text).filter((slide) => /^\/(?!\/)/.test(slide?.url))
  if (!slides.length) throw new Error("no slides")
  return slides.map((slide) => ({ url: slide.url, title: String(slide.title ?? ""), note: String(slide.note ?? "") }))
}

// Elements of the page that match, also within the components' shadow roots.
const everywhere = (selector, root = document) => [
  ...root.querySelectorAll(selector),
  ...[...root.querySelectorAll("*")].filter((node) => node.shadowRoot).flatMap((node) => everywhere(selector, node.shadowRoot)),
]

function dialog(root, name, ...content) {
  const box = element("dialog")
  box.setAttribute("aria-label", name)
  box.append(element("h2", "", name), ...content)
  box.addEventListener("close", () => box.remove())
  box.addEventListener("click", (event) => event.target === box && box.close())
  root.append(box)
  box.showModal()
  return box
}

export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".presenter")
  const status = element("span", "status")
  status.setAttribute("role", "status")
  const say = (text) => {
    status.textContent = text
    setTimeout(() => { status.textContent = "" }, 2500)
  }

  const draw = () => {
    const count = read().length
    const line = element("div", "line")
    line.append(
      status,
      button("⌕", palette, `Find anything (${MAC ? "⌘" : "Ctrl"} K)`),
      button("Pin", pin, "Pin this view as a slide"),
      button(count ? `Deck (${count})` : "Deck", edit),
      button("Present", () => present(), "", "main"),
    )
    root.querySelector(".line")?.remove()
    root.append(line)
  }
  const pin = () => {
    const heading = document.querySelector('[data-testid="stMain"] h1')?.textContent?.trim()
    const title = heading && heading !== data.title ? `${data.title}: ${heading}` : data.title
    write([...read(), { url: location.pathname + location.search, title, note: "" }])
    say("Pinned")
    draw()
  }

  async function present() {
    const stage = element("div", "stage", "Preparing the slides …")
    stage.tabIndex = -1
    root.append(stage)
    stage.focus()
    const end = (event) => {
      if (event?.type === "message" && (event.data !== "end-presenting" || event.source !== stage.firstElementChild?.contentWindow)) return
      if (event?.type === "keydown" && event.key !== "Escape") return
      if (event?.type === "fullscreenchange" && document.fullscreenElement) return
      for (const name of ["message", "keydown"]) removeEventListener(name, end)
      document.removeEventListener("fullscreenchange", end)
      stage.remove()
      if (document.fullscreenElement) document.exitFullscreen().catch(() => {})
    }
    for (const name of ["message", "keydown"]) addEventListener(name, end)
    await stage.requestFullscreen?.().catch(() => {}) // a browser may refuse: the slides cover the page anyway
    document.addEventListener("fullscreenchange", end)
    try {
      const frame = element("iframe")
      frame.title = "Slides"
      frame.setAttribute("sandbox", "allow-scripts")
      frame.srcdoc = await render(data, read())
      frame.addEventListener("load", () => frame.focus())
      stage.replaceChildren(frame)
    } catch (error) {
      stage.replaceChildren(element("p", "", `The slides could not be made: ${error.message}`), button("Close", () => end()))
    }
  }

  function edit() {
    const rows = element("ol")
    const told = element("span", "told")
    told.setAttribute("role", "status")
    const change = (edited) => { write(edited(read())); fill(); draw() }
    const move = (from, to) => change((slides) => {
      const moved = slides.splice(from, 1)
      slides.splice(to, 0, ...moved)
      return slides
    })
    const field = (tag, at, key, label) => {
      const input = Object.assign(element(tag, key), { value: read()[at][key] ?? "", placeholder: label })
      input.setAttribute("aria-label", `${label} of slide ${at + 1}`)
      input.addEventListener("input", () => write(read().map((slide, place) => (place === at ? { ...slide, [key]: input.value } : slide))))
      return input
    }
    function row(slide, at, count) {
      const item = element("li")
      const grip = button("⠿", null, `Slide ${at + 1}: drag it, or move it by the arrow keys`, "grip")
      grip.addEventListener("keydown", (event) => {
        const to = at + ({ ArrowUp: -1, ArrowDown: 1 }[event.key] ?? NaN)
        if (!(to >= 0 && to < count)) return
        event.preventDefault()
        move(at, to)
        rows.children[to].querySelector(".grip").focus()
      })
      grip.draggable = true
      grip.addEventListener("dragstart", (event) => event.dataTransfer.setData("text/plain", String(at)))
      item.addEventListener("dragover", (event) => event.preventDefault())
      item.addEventListener("drop", (event) => {
        event.preventDefault()
        const from = Number(event.dataTransfer.getData("text/plain") || NaN)
        if (from >= 0) move(from, at)
      })
      const texts = element("div", "texts")
      texts.append(field("input", at, "title", "Headline"), field("textarea", at, "note", "Note"))
      const open = link({ href: slide.url }, "open")
      open.textContent = "Open"
      open.addEventListener("click", () => box.close())
      item.append(grip, texts, open, button("✕", () => change((slides) => slides.filter((_, place) => place !== at)), `Remove slide ${at + 1}`))
      return item
    }
    const file = Object.assign(element("input"), { type: "file", accept: ".html,.json", hidden: true })
    file.addEventListener("change", async () => {
      try {
        const slides = slidesOf(await file.files[0].text())
        change(() => slides)
      } catch { // neither a deck nor a list of slides
        told.textContent = "This file holds no slides."
      }
    })
    const work = (label, action) => async () => {
      told.textContent = label
      try {
        told.textContent = await action()
      } catch (error) {
        told.textContent = `The deck could not be made: ${error.message}`
      }
    }
    const ready = work("Making the ready deck …", async () => {
      const slides = slidesOf(await render(data, []))
      change((before) => [...before, ...slides])
      return `${slides.length} slides were added.`
    })
    const save = work("Making the file …", async () => {
      const anchor = element("a")
      anchor.href = URL.createObjectURL(new Blob([await render(data, read())], { type: "text/html" }))
      anchor.download = data.file
      anchor.click()
      URL.revokeObjectURL(anchor.href)
      return "The deck was saved: one file that opens in any browser, prints, and can be opened here again."
    })
    const foot = element("div", "foot")
    const box = dialog(root, "Deck", rows, foot)
    foot.append(
      button("Present", () => { box.close(); present() }, "", "main"), button("Save as a file", save), button("Open a file", () => file.click()),
      button("Add the ready deck", ready), button("Close", () => box.close()), file, told,
    )
    const fill = () => {
      const slides = read()
      rows.replaceChildren(...slides.map((slide, at) => row(slide, at, slides.length)))
      if (!slides.length) rows.append(element("p", "", "No slide yet. “Pin” adds the current view of a page; without slides, the ready deck is presented."))
    }
    fill()
  }

  function palette() {
    const input = Object.assign(element("input"), { type: "text", placeholder: "A listing, a user, a group, a page, a command" })
    input.setAttribute("aria-label", "Find anything")
    const list = element("ul", "found")
    const box = dialog(root, "Find", input, list)
    const commands = [["Pin this view", pin], ["Open the deck", edit], ["Present", present], ["Keys", help]]
    const actions = [
      ...data.pages.map(([label, href]) => ({ label, kind: "Page", run: () => go(href) })),
      ...commands.map(([label, run]) => ({ label, kind: "Command", run })),
    ]
    const show = (entries) => list.replaceChildren(...entries.map(({ label, kind, run }) => {
      const item = element("li")
      const open = button(label, () => { box.close(); run() })
      open.append(element("small", "", kind))
      item.append(open)
      return item
    }))
    let turn = 0
    const find = async () => {
      const [mine, words] = [++turn, input.value.trim().toLowerCase()]
      const local = actions.filter(({ label }) => label.toLowerCase().includes(words))
      show(local)
      if (!words) return
      const response = await fetch(`${data.find}?q=${encodeURIComponent(words)}`)
      if (mine !== turn || !response.ok) return
      show([...local, ...(await response.json()).map((one) => ({ ...one, run: () => go(one.href) }))])
    }
    input.addEventListener("input", find)
    box.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
      const buttons = [...list.querySelectorAll("button")]
      if (event.key === "Enter" && root.getRootNode().activeElement === input) buttons[0]?.click()
      if (!step || !buttons.length) return
      event.preventDefault()
      const at = buttons.indexOf(root.getRootNode().activeElement) + step
      ;(buttons[at] ?? input).focus()
    })
    find()
  }

  function help() {
    const list = element("dl", "keys")
    for (const [key, meaning] of KEYS) list.append(element("dt", "", MAC ? key.replace("Ctrl", "⌘") : key), element("dd", "", meaning))
    const box = dialog(root, "Keys", list)
    box.append(button("Close", () => box.close()))
  }

  // The card with the focus, and the one that J and K go to.
  const focused = () => everywhere(":focus").map((node) => node.closest(".card")).find(Boolean)
  function walk(step) {
    const cards = everywhere("ul.gallery > .card").filter((card) => card.querySelector("a"))
    const next = cards[Math.max(0, cards.indexOf(focused()) + step)] ?? cards.at(-1)
    next?.querySelector("a").focus()
    next?.scrollIntoView({ block: "nearest" })
  }
  function add() {
    const card = focused()
    const listing = card && new URLSearchParams(card.querySelector("a")?.search).get("listing")
    const picker = card?.querySelector(".pick")
    if (picker) return picker.click()
    if (!listing) return say("Choose a listing by J and K first")
    const page = data.pages.find(([, href]) => /\/simulate(\?|$)/.test(href))
    if (page) go(`${page[1]}${page[1].includes("?") ? "&" : "?"}h=${encodeURIComponent(listing)}`)
  }
  const shortcuts = {
    j: () => walk(1), k: () => walk(-1), a: add, p: pin, d: edit, f: present, "?": help,
    " ": () => focused()?.querySelector(".album")?.click() ?? false,
  }
  const key = (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault()
      if (!everywhere("dialog[open]").length) palette()
      return
    }
    const run = shortcuts[event.key]
    if (!run || event.altKey || event.ctrlKey || event.metaKey) return
    const on = event.composedPath()[0]
    if (on instanceof Element && on.closest("input, textarea, select, [contenteditable], [role=slider], [role=application], dialog, [role=dialog], .stage")) return
    if (event.key === " " && !(on.matches("a") && focused())) return // a button and the page have a use for it
    event.preventDefault()
    run()
  }
  document.addEventListener("keydown", key)
  draw()
  return () => document.removeEventListener("keydown", key)
}
