// The days of the market: a slider and a play button; on a day the map shows what was live, and lights what was touched.
const FLAG = 128 // of a listing's byte: it was live
const PACE = 160 // milliseconds of a frame, at least
const FRAMES = 120 // of a whole film; longer times go in steps of several days
const SETTLES = 450 // milliseconds until the page is told of a day
const MS_A_DAY = 86_400_000

const dateOf = (days, number) =>
  new Date((days.first + number) * MS_A_DAY).toLocaleDateString("en-GB", {
    day: "numeric", month: "short", year: "numeric", timeZone: "UTC",
  })

function buildDays(map) {
  const row = map.host.querySelector(".time")
  const play = button("▶ Play", () => (map.playing ? stopDays(map) : playDays(map)), "", "tool play")
  play.title = "Go through the days, one after the other"
  const slider = element("input", "slider")
  slider.type = "range"
  slider.min = "0"
  slider.setAttribute("aria-label", "Day")
  const date = element("output", "date")
  const rest = (number) => {
    map.playing = false
    goToDay(map, number).then(() => tellDay(map))
  }
  const all = button("All days", () => rest(-1), "", "tool all")
  all.title = "Show all listings, whenever they were live"
  row.append(play, slider, date, all)
  Object.assign(map, { day: -1, now: null, playing: false, dayBytes: new Map(), dayParts: { row, play, slider, date, all } })
  slider.addEventListener("input", () => rest(Number(slider.value)))
}

// The page below follows once the user rests, so that its work does not hold up the map.
function tellDay(map) {
  clearTimeout(map.telling)
  map.telling = setTimeout(() => {
    map.telling = 0
    if (map.playing || map.data.days.at === (map.day < 0 ? null : map.day)) return
    map.send("day", map.day)
  }, SETTLES)
}

function dayOf(map, number) {
  const url = map.data.days.address.replace("{day}", number)
  if (!map.dayBytes.has(url)) {
    if (map.dayBytes.size > 400) map.dayBytes.clear()
    const asked = map.source.bytes(url).then((found) => new Uint8Array(found))
    asked.catch(() => map.dayBytes.delete(url))
    map.dayBytes.set(url, asked)
  }
  return map.dayBytes.get(url)
}

async function goToDay(map, number) {
  map.day = number
  showDay(map)
  const found = number < 0 ? null : await dayOf(map, number)
  if (map.day !== number) return // the user is further already
  map.now = found
  showDay(map)
  draw(map)
}

function showDay(map) {
  const { play, slider, date, all } = map.dayParts
  const { days } = map.data
  slider.max = String(days.count - 1)
  const last = map.day < 0 ? days.count - 1 : map.day
  if (Number(slider.value) !== last) slider.value = String(last)
  const said = map.day < 0 ? "All days" : dateOf(days, map.day)
  date.textContent = said
  slider.setAttribute("aria-valuetext", said)
  play.textContent = map.playing ? "❚❚ Pause" : "▶ Play"
  all.disabled = map.day < 0
  if (!map.now || map.day < 0) {
    if (map.dayTold) map.told.textContent = ""
    map.dayTold = false
    return
  }
  let [live, touched] = [0, 0]
  for (const one of map.now) {
    live += one >> 7
    touched += (one & (FLAG - 1)) > 0
  }
  map.dayTold = true
  map.told.textContent = `${said}: ${live.toLocaleString("en")} of ${map.n.toLocaleString("en")} listings live, ${touched.toLocaleString("en")} touched that day.`
}

async function playDays(map) {
  const { count } = map.data.days
  const step = Math.max(1, Math.ceil(count / FRAMES))
  map.playing = true
  let day = map.day < 0 || map.day >= count - 1 ? 0 : map.day
  while (map.playing) {
    const began = performance.now()
    await goToDay(map, day)
    const next = day + step
    if (next >= count && day === count - 1) break
    day = Math.min(next, count - 1)
    dayOf(map, day)
    await new Promise((done) => setTimeout(done, Math.max(20, PACE - (performance.now() - began))))
    if (!map.host.isConnected) return
  }
  stopDays(map)
}

function stopDays(map) {
  map.playing = false
  showDay(map)
  tellDay(map)
}

// What the page says of the day, when it was told by the link or by the user.
async function loadDays(map, data) {
  const { row } = map.dayParts
  row.hidden = !data.days
  if (!data.days) return
  const at = data.days.at === null ? -1 : data.days.at
  // A page that is drawn for the day before must not undo where the user went since.
  const further = map.telling && map.dayFrom === data.days.address
  if (map.playing || further || (map.day === at && (map.now || at < 0) && map.dayFrom === data.days.address)) return showDay(map)
  map.dayFrom = data.days.address
  await goToDay(map, at)
}
