// What is selected: its photos and what sets it apart; below, the groups, or the regions of unmet demand.
const SHOWN = 60 // most photos
const SETTLES = 250 // milliseconds until the URL and what the server computes follow a selection

const counted = (number) => `${number.toLocaleString("en")} ${number === 1 ? "listing" : "listings"}`
const say = ({ status }) => (error) => (status.textContent = error.message)
const hint = (text) => h("p", { class: "hint" }, text)
const dot = ({ palette }, code) => (
  h("span", { class: "dot", style: `background: light-dark(${palette.light[code]}, ${palette.dark[code]})` })
)
const groupOf = ({ state, groups }) => (state.group !== null && !state.region.length ? groups[state.group] : undefined)
const regionOf = ({ state, unmet }) => (state.place ? unmet?.regions[state.place - 1] : undefined)

function showPanel(map) {
  const { state, parts: { head, shots, about, list } } = map
  const numbers = map.lit ? selected(map) : []
  map.panelOf = JSON.stringify(map.state)
  head.replaceChildren(...headOf(map))
  shots.replaceChildren(...numbers.map((i) => shotOf(map, i)))
  shots.classList.toggle("rows", Boolean(map.order))
  if (!numbers.length || map.size === map.n) about.replaceChildren()
  const listKey = [map.groups, map.unmet, map.data, state.unmet, state.group, state.place, state.region]
  if (listKey.some((part, at) => part !== list.shown?.[at])) keepFocus(list, () => list.replaceChildren(...listOf(map)))
  list.shown = listKey
  clearTimeout(map.settling)
  map.settling = setTimeout(() => settle(map, numbers).catch(say(map)), SETTLES)
}

// The first listings of the selection: those that users of its region want, or the most typical of its group, then the rest, on a
// day those with interactions first.
function selected(map) {
  if (map.order) return [...map.order.filter((i) => map.lit[i]).subarray(0, SHOWN)]
  const first = [...(regionOf(map)?.wanted ?? []), ...(groupOf(map)?.typical ?? [])].filter((i) => map.lit[i])
  const numbers = new Set(first)
  for (const isBusy of map.now ? [true, false] : [false]) {
    for (let i = 0; i < map.n && numbers.size < SHOWN; i++) {
      if (map.lit[i] && (!map.now || isBusy === Boolean(map.now[i] & (FLAG - 1)))) numbers.add(i)
    }
  }
  return [...numbers]
}

function headOf(map) {
  const { state, n, size } = map
  const [group, region] = [groupOf(map), regionOf(map)]
  const chip = (text, undo) => button(`${text} ×`, undo, { class: "chip", "aria-label": `Remove ${text}` })
  const chips = [
    state.region.length && chip("Drawn region", () => select(map, { region: [] })),
    group && chip("Group", () => select(map, { group: null })),
    region && chip("Region of unmet demand", () => select(map, { place: null })),
    ...map.facets.map((facet) => facet.chosen && chip(`${facet.label}: ${rangeOf(facet)}`, () => chooseBars(map, facet, null))),
    map.now && chip(dateOf(map, state.day), () => select(map, { day: -1 })),
  ].filter(Boolean)
  if (chips.length) chips.push(button("Clear all", () => clear(map), { class: "chip" }))
  if (group) chips.push(button("Rename", () => rename(map), { class: "chip" }))
  const share = map.lit
    ? `${size.toLocaleString("en")} of ${counted(n)}, ${((100 * size) / Math.max(n, 1)).toFixed(1)}%`
    : `${counted(n)}. Point at one, draw a region, or choose values below.`
  return [
    h("h2", { class: "name" }, group?.name ?? region?.name ?? (map.lit ? "Selection" : "All listings")),
    hint(share),
    ...(region ? [hint(region.text), hint(region.reasons.join(" · "))] : []),
    ...(chips.length ? [h("div", { class: "chips" }, ...chips)] : []),
    ...(map.lit && size ? [sorter(map)] : []),
    ...(map.lit && !size ? [hint("No listing is in this selection. Remove a filter.")] : []),
  ]
}

// A choice of photos, or a list that is sorted by a number.
function sorter(map) {
  const numbers = new Map(map.facets.filter(({ kind }) => kind === "number").map(({ name, label, within }) => [name, within ? label.split(",")[0] : label]))
  const lists = [...numbers].flatMap(([name, label]) => [[`${name} 0`, `List by ${label}, lowest first`], [`${name} 1`, `List by ${label}, highest first`]])
  const option = ([value, text]) => h("option", { value, selected: value === map.sorted }, text)
  const onchange = async ({ target }) => {
    const [by, falls] = target.value.split(/ (?=[01]$)/)
    const order = by ? new Uint32Array((await bytes(map, "order", { by, falls })).buffer) : null
    Object.assign(map, { order, sorted: target.value })
    showPanel(map)
  }
  return h("select", { class: "tool", "aria-label": "Sort the selection", onchange: (event) => onchange(event).catch(say(map)) }, ...[["", "Photos, the most typical first"], ...lists].map(option))
}

function rename(map) {
  const { group } = map.state
  const input = h("input", { maxLength: 60, value: map.groups[group].name, "aria-label": "Name of the group" })
  const save = async () => {
    const body = JSON.stringify({ group, name: input.value })
    const { name } = await json(map, "name", {}, body)
    for (const label of map.labels) if (label.group === group) Object.assign(label, { text: name, isNamed: true })
    map.groups = map.groups.with(group, { ...map.groups[group], name })
    map.status.textContent = `The group is now named ${name}.`
    update(map)
  }
  const onsubmit = () => save().catch(say(map))
  const form = h("form", { method: "dialog", onsubmit, class: "chips" }, input, h("button", { class: "tool" }, "Save"))
  openDialog(map.host, "Rename the group", form)
}

// A photo of a listing, which keeps its node as long as it may come back.
function shotOf(map, i) {
  if (map.shots.size > 500) map.shots.clear()
  if (!map.shots.has(i)) {
    const onclick = () => map.cards.get(i)?.href || pick(map, i)
    const anchor = h("a", { onclick }, map.data.photos && coverOf(map, i))
    const [onpointerenter, onpointerleave] = [() => hover(map, i), () => hover(map, -1)]
    map.shots.set(i, h("li", { class: "shot", onpointerenter, onpointerleave }, anchor))
  }
  nameShot(map, i)
  return map.shots.get(i)
}

function coverOf(map, i) {
  const image = h("img", { alt: "", loading: "lazy" })
  Promise.resolve(map.source.photo(map.data, i)).then((url) => url && (image.src = url))
  return image
}

// The title and the link of a photo, once they are known.
function nameShot(map, i) {
  const [card, anchor] = [map.cards.get(i), map.shots.get(i)?.firstChild]
  if (!card || !anchor || anchor.title === card.title) return
  anchor.title = card.title
  if (card.href) anchor.href = card.href
  if (anchor.firstChild) anchor.firstChild.alt = card.title
  anchor.append(h("div", { class: "words" }, h("span", { class: "title" }, card.title), facts({ facts: card.facts.slice(0, 3) })))
}

// What takes a request: the URL, the cards of the photos, and what sets the selection apart.
async function settle(map, numbers) {
  if (map.isRestored) map.source.keep(map.data, map.state)
  const key = map.panelOf
  await loadCards(map, numbers)
  numbers.forEach((i) => nameShot(map, i))
  if (!numbers.length || map.size === map.n || map.panelOf !== key || map.aboutOf === key) return
  const { about } = map.parts
  about.replaceChildren(hint("Comparing with the rest …"))
  const { traits } = await json(map, "about", paramsOf(map))
  if (map.panelOf !== key) return
  map.aboutOf = key
  if (traits.length) about.replaceChildren(h("h3", {}, "What sets it apart"), h("div", { class: "values" }, ...traits.map(traitBar)))
  else about.replaceChildren(hint("No attribute sets these listings apart."))
}

// A trait with its share in the selection as a bar, over its share in the rest.
function traitBar([text, inside, outside]) {
  const [here, rest] = [inside, outside].map((share) => `${Math.round(100 * share)}%`)
  const numbers = h("span", { class: "number" }, `${here}, rest ${rest}`)
  return h("div", { class: "bar", style: `--lit: ${here}; --all: ${rest}` }, h("span", { class: "bar-label" }, text), numbers)
}

// The groups, or with their layer the regions of unmet demand; a click selects.
function listOf(map) {
  const { state, data, n } = map
  if (state.unmet && data.unmet) {
    const heading = h("h3", { title: data.unmet.help }, "Where demand is unmet")
    if (!map.unmet) return [heading, hint("Estimating what users want …")]
    const row = ({ name, text, wanted }, at) => listRow(map, `${at + 1}. ${name}`, text, wanted, { place: at + 1, group: null })
    return [heading, hint(map.unmet.note), ...map.unmet.regions.map(row)]
  }
  const rows = map.groups.flatMap(({ name, size, typical }, group) => (
    size ? listRow(map, name, counted(size), typical, { group, place: null }, !data.legend && dot(data, Math.min(group, 10))) : []
  ))
  const between = n - map.groups.reduce((sum, { size }) => sum + size, 0)
  if (!rows.length) return map.hasGroups ? [hint("The listings of this map lie evenly, so no group stands out.")] : []
  return [h("h3", {}, `${rows.length} groups`), ...(between ? [hint(`${counted(between)} in no group`)] : []), ...rows]
}

function listRow(map, title, line, numbers, changes, color = null) {
  const { region, group, place } = map.state
  const isChosen = !region.length && group === changes.group && place === changes.place
  const onclick = () => (isChosen ? clear(map) : select(map, { ...changes, region: [] }))
  const covers = map.data.photos && h("span", { class: "covers" }, ...numbers.slice(0, 3).map((i) => coverOf(map, i)))
  return button("", onclick, { class: "row", ariaPressed: String(isChosen), "data-key": title },
    h("span", { class: "title" }, color, title),
    h("span", { class: "hint" }, line), covers,
  )
}
