// What is selected: its photos, what sets it apart, and files; without a selection the groups, or the regions of unmet demand.
const SHOWN = 24 // photos in the gallery, and more at a click
const SETTLES = 250 // milliseconds until the URL and what the server computes follow a selection
const GROUPS = 6 // groups in the panel, and more at a click

function buildPanel(map) {
  const panel = map.host.querySelector(".panel")
  const part = (tag, className) => panel.appendChild(element(tag, className))
  map.panel = { head: part("div", "head"), shots: part("ul", "shots"), more: part("div"), about: part("div", "about"), files: part("div", "files"), list: part("div", "list") }
  map.panel.shots.setAttribute("aria-label", "Listings selected")
  map.room = SHOWN
}

const counted = (number) => `${number.toLocaleString("en")} ${number === 1 ? "listing" : "listings"}`
const isSelected = (map) => map.lit !== null

function showPanel(map) {
  const { head, shots, about, files, list } = map.panel
  const key = JSON.stringify([map.state, map.only])
  if (map.panelOf !== key) map.room = SHOWN
  map.panelOf = key
  showHead(map, head)
  const numbers = isSelected(map) ? selected(map, map.room) : []
  showShots(map, shots, numbers)
  shots.hidden = !numbers.length
  const rest = isSelected(map) ? map.size - numbers.length : 0
  map.panel.more.replaceChildren(...(rest > 0 ? [button(`Show ${Math.min(SHOWN, rest)} more`, () => {
    map.room += SHOWN
    showPanel(map)
  }, "", "tool")] : []))
  if (!isSelected(map) || !map.size) about.replaceChildren()
  showFiles(map, files)
  showList(map, list)
  clearTimeout(map.settling)
  map.settling = setTimeout(() => settle(map, numbers), SETTLES)
}

// The first listings of the selection; of a group, the most typical ones first.
function selected(map, most) {
  const { state, lit } = map
  const typical = state.group !== null && !state.region.length ? (map.groups[state.group]?.typical ?? []) : []
  const wanted = map.unmet && state.place ? map.unmet.regions[state.place - 1].wanted : []
  const first = [...wanted, ...typical].filter((i) => lit[i])
  const known = new Set(first)
  const numbers = first.slice(0, most)
  // On a day, listings with interactions first.
  for (const events of map.now ? [true, false] : [null]) {
    for (let i = 0; i < map.n && numbers.length < most; i++) {
      if (lit[i] && !known.has(i) && (events === null || events === Boolean(map.now[i] & (FLAG - 1)))) numbers.push(i)
    }
  }
  return numbers
}

function showHead(map, head) {
  const { state } = map
  const group = state.group !== null && !state.region.length ? map.groups[state.group] : null
  const place = map.unmet && state.place ? map.unmet.regions[state.place - 1] : null
  const share = map.n ? ((100 * map.size) / map.n).toFixed(1) : 0
  const title = group?.name ?? place?.name ?? (isSelected(map) ? "Selection" : "All listings")
  const line = isSelected(map)
    ? `${map.size.toLocaleString("en")} of ${counted(map.n)}, ${share}%`
    : `${counted(map.n)}. Point, draw around, or brush below.`
  const parts = [element("h2", "name", title), element("p", "line", line)]
  if (place) parts.push(element("p", "line", place.text), element("p", "line", place.reasons.join(" · ")))
  const chips = element("div", "chips")
  const chip = (text, undo) => chips.append(button(`${text} ×`, undo, `Remove ${text}`, "chip"))
  if (state.region.length) chip("Drawn region", () => select(map, { region: [] }))
  else if (group) chip("Group", () => select(map, { group: null }))
  if (place) chip("Region of unmet demand", () => select(map, { place: null }))
  if (map.only !== null) chip(map.data.legend?.find(([, code]) => code === map.only)?.[0] ?? "Color", () => showOnly(map, null))
  for (const facet of map.facets) if (facet.chosen) chip(`${facet.label}: ${rangeOf(facet)}`, () => chooseBars(map, facet, null))
  if (map.now) chip(dateOf(map.data.days, map.day), () => restDay(map, -1))
  if (chips.childElementCount) chips.append(button("Clear all", () => clear(map), "", "chip"))
  if (group && map.data.renames) chips.append(button("Rename", () => rename(map, head), "", "chip"))
  if (chips.childElementCount) parts.push(chips)
  if (isSelected(map) && !map.size) parts.push(element("p", "line", "No listing is in this selection. Remove a filter."))
  if (!head.querySelector("input")) head.replaceChildren(...parts)
}

function rename(map, head) {
  const { group } = map.state
  const form = element("form", "rename")
  const input = Object.assign(element("input"), { maxLength: 60, value: map.groups[group].name })
  input.setAttribute("aria-label", "Name of the group")
  form.append(input, Object.assign(button("Save", null, "", "tool"), { type: "submit" }), button("Cancel", () => done(), "", "tool"))
  const done = () => {
    form.remove()
    showPanel(map)
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault()
    try {
      const { name } = await map.source.rename(map.data, group, input.value)
      const old = map.groups[group].name
      map.groups[group].name = name
      for (const label of map.labels) if (label.level === 1 && label.text === old) label.text = name
      map.status.textContent = `The group is now named ${name}.`
      draw(map)
      done()
    } catch (error) {
      map.status.textContent = error.message
    }
  })
  head.append(form)
  input.select()
}

// A node keeps its photo as long as its place in the list has the same listing.
function showShots(map, list, numbers) {
  while (list.childElementCount > numbers.length) list.lastElementChild.remove()
  numbers.forEach((i, place) => {
    let item = list.children[place]
    if (!item) {
      item = list.appendChild(element("li", "shot"))
      item.append(element("a"))
      const at = () => Number(item.dataset.number)
      item.addEventListener("pointerenter", () => hover(map, at()))
      item.addEventListener("pointerleave", () => hover(map, -1))
      item.firstChild.addEventListener("click", (event) => {
        const shown = map.cards.get(at())
        if (!PLAIN(event)) return
        event.preventDefault()
        if (shown?.href) go(shown.href)
        else pick(map, at())
      })
    }
    if (item.dataset.number !== String(i)) {
      item.dataset.number = String(i)
      const anchor = item.firstChild
      anchor.removeAttribute("href")
      anchor.replaceChildren()
      if (map.data.photos) {
        const image = anchor.appendChild(element("img"))
        image.alt = ""
        Promise.resolve(map.source.photo(map.data, i)).then((url) => url && (image.src = url))
      }
    }
    nameShot(map, item, i)
  })
}

function nameShot(map, item, i) {
  const shown = map.cards.get(i)
  const anchor = item.firstChild
  if (!shown || anchor.title === shown.title) return
  anchor.title = shown.title
  if (shown.href) anchor.href = shown.href
  const image = anchor.querySelector("img")
  if (image) image.alt = shown.title
  else anchor.replaceChildren(element("span", "title", shown.title), facts({ facts: shown.facts.slice(0, 2) }))
}

// What takes a request: the URL, the cards of the photos, and what sets the selection apart.
async function settle(map, numbers) {
  if (map.isRestored) map.source.keep(map.data, map.state)
  const missing = numbers.filter((i) => !map.cards.has(i))
  const key = map.panelOf
  if (missing.length) {
    const cards = await map.source.cards(map.data, missing)
    cards.forEach((card, at) => map.cards.set(missing[at], card))
    for (const item of map.panel.shots.children) nameShot(map, item, Number(item.dataset.number))
  }
  if (!isSelected(map) || !map.size || map.panelOf !== key || map.aboutOf === key) return
  const { about } = map.panel
  about.replaceChildren(element("p", "hint", "Comparing with the rest …"))
  const { traits, words } = await map.source.json(map.data, "about", paramsOf(map))
  if (map.panelOf !== key) return
  map.aboutOf = key
  const parts = []
  if (traits.length || words.length) parts.push(element("h3", "", "What sets it apart"))
  else if (map.size < map.n) parts.push(element("p", "hint", "Nothing in the attributes or texts sets these listings apart."))
  if (traits.length) parts.push(traitTable(traits))
  if (words.length) parts.push(element("p", "line", `Words: ${words.join(", ")}`))
  about.replaceChildren(...parts)
}

function traitTable(traits) {
  const table = element("table")
  const row = (tag, cells) => {
    const line = element("tr")
    line.append(...cells.map((text) => element(tag, "", text)))
    return line
  }
  const percent = (share) => `${Math.round(100 * share)}%`
  const lift = (inside, outside) => (inside < 100 * outside ? `${(inside / outside).toFixed(1)}×` : "only here")
  table.append(row("th", ["", "Here", "Rest", "Lift"]), ...traits.map(([text, inside, outside]) => row("td", [text, percent(inside), percent(outside), lift(inside, outside)])))
  return table
}

const literal = (value) => JSON.stringify(value)

function pythonOf(map) {
  const { state, data } = map
  if (map.unmet && state.place) {
    return `from listing_vibes import Run, demand\n\nregion = demand(Run.open(${literal(data.run)}), space=${literal(data.space)}).regions[${state.place - 1}]\nfound = region.listings`
  }
  const options = [literal(data.space)]
  if (state.region.length) options.push(`region=${literal(outlineText(state.region))}`)
  else if (state.group !== null) options.push(`group=${state.group}`)
  if (state.where.length) options.push(`where=${literal(state.where)}`)
  if (map.day >= 0) options.push(`day=${literal(dayText(data.days, map.day))}`)
  return `from listing_vibes import Run, select_on_map\n\nrun = Run.open(${literal(data.run)})\nfound = select_on_map(run, ${options.join(", ")})`
}

function showFiles(map, box) {
  const links = map.source.file ? ["table.csv", "table.parquet"].map((part) => {
    const anchor = element("a", "tool", part.endsWith("csv") ? "CSV" : "Parquet")
    anchor.href = map.source.file(map.data, part, paramsOf(map))
    anchor.download = ""
    return anchor
  }) : []
  if (links.length) links.push(button("Copy link", () => copy(map, location.href), "", "tool"))
  const code = element("details", "code")
  code.open = Boolean(box.querySelector("details")?.open)
  const text = pythonOf(map)
  const pre = element("pre", "", text)
  pre.tabIndex = 0
  code.append(element("summary", "", "Python"), pre, button("Copy", () => copy(map, text), "Copy the Python", "tool"))
  box.replaceChildren(...links, code)
}

async function copy(map, text) {
  await navigator.clipboard.writeText(text).then(() => (map.status.textContent = "Copied."), () => (map.status.textContent = text))
}

function showList(map, list) {
  const regions = map.state.unmet && map.data.unmet
  const key = regions ? `unmet ${map.unmetOf} ${Boolean(map.unmet)}` : `groups ${map.groups.map((group) => group.name)}`
  if (list.shown !== key) {
    list.shown = key
    list.replaceChildren(...(regions ? regionList(map) : groupList(map)))
  }
  for (const node of list.querySelectorAll(".row")) node.setAttribute("aria-pressed", String(node.isChosen()))
}

function listRow(map, title, line, numbers, isChosen, toggle, color) {
  const row = button("", () => (isChosen() ? clear(map) : toggle()), "", "row")
  const words = element("span", "words")
  const name = element("span", "title", title)
  if (color) {
    const sign = element("span", "sign")
    sign.style.background = color
    name.prepend(sign)
  }
  words.append(name, element("span", "line", line))
  row.append(words)
  if (map.data.photos) {
    const strip = element("span", "strip")
    for (const i of numbers.slice(0, 3)) {
      const image = strip.appendChild(element("img"))
      image.alt = ""
      image.loading = "lazy"
      Promise.resolve(map.source.photo(map.data, i)).then((url) => url && (image.src = url))
    }
    row.append(strip)
  }
  row.isChosen = isChosen
  return row
}

function groupList(map) {
  const filled = map.groups.map((group, number) => ({ ...group, number })).filter((group) => group.size)
  if (!filled.length) return map.groupsLoaded ? [element("p", "hint", "The listings of this map lie evenly, so no group stands out.")] : []
  const between = map.n - filled.reduce((sum, group) => sum + group.size, 0)
  const rows = filled.map(({ name, size, typical, number }) => {
    const isChosen = () => map.state.group === number && !map.state.region.length
    const color = map.data.legend ? "" : map.palette[Math.min(number, 7)]
    return listRow(map, name, counted(size), typical, isChosen, () => select(map, { group: number, region: [], place: null }), color)
  })
  const more = button(`Show all ${rows.length} groups`, () => more.replaceWith(...rows.slice(GROUPS)), "", "tool")
  const heading = element("h3", "", `${rows.length} groups`)
  const rest = between ? [element("p", "hint", `${counted(between)} between them`)] : []
  return [heading, ...rest, ...rows.slice(0, GROUPS), ...(rows.length > GROUPS ? [more] : [])]
}

function regionList(map) {
  const heading = element("h3", "", "Where demand is unmet")
  heading.title = map.data.unmet.help
  if (!map.unmet) return [heading, element("p", "hint", "Estimating what users want …")]
  const rows = map.unmet.regions.map((region, at) => listRow(map, `${at + 1}. ${region.name}`, region.text, region.wanted, () => map.state.place === at + 1, () => select(map, { place: at + 1, region: [], group: null })))
  const file = element("a", "tool", "By month, CSV")
  file.href = map.source.file(map.data, "unmet.csv", map.unmet.params)
  file.download = ""
  return [heading, element("p", "hint", map.unmet.note), ...rows, ...(rows.length ? [file] : [])]
}
