// The days of the market: a slider and a play button. On a day, the map shows active listings and highlights interactions.
const FLAG = 128 // bit of a listing's byte: it was active
const PACE = 160 // shortest time of a frame in milliseconds
const FRAMES = 120 // most frames; longer periods advance by several days per frame
const MS_A_DAY = 86_400_000

const dateOf = (days, number) =>
  new Date((days.first + number) * MS_A_DAY).toLocaleDateString("en-GB", {
    day: "numeric", month: "short", year: "numeric", timeZone: "UTC",
  })

function buildDays(map) {
  const row = map.host.querySelector(".time")
  const play = button("▶ Play", () => (map.playing ? stopDays(map) : playDays(map)), "", "tool play")
  const slider = element("input", "slider")
  slider.type = "range"
  slider.min = "0"
  slider.setAttribute("aria-label", "Day")
  const date = element("output", "date")
  const rest = (number) => restDay(map, number)
  const all = button("All days", () => rest(-1), "", "tool all")
  row.append(play, slider, date, all)
  Object.assign(map, { day: -1, now: null, playing: false, dayBytes: new Map(), dayParts: { row, play, slider, date, all } })
  slider.addEventListener("input", () => rest(Number(slider.value)))
}

// Shows a day; the selection, the URL and unmet demand follow it.
function restDay(map, number) {
  map.playing = false
  return goToDay(map, number).then(() => settleDay(map))
}

function settleDay(map) {
  if (map.state.day === map.day) return
  select(map, { day: map.day })
  showUnmet(map)
}

function dayOf(map, number) {
  const key = `${map.loaded}|${number}`
  if (!map.dayBytes.has(key)) {
    if (map.dayBytes.size > 400) map.dayBytes.clear()
    const codes = map.source.bytes(map.data, `day/${number}`).then((found) => new Uint8Array(found))
    codes.catch(() => map.dayBytes.delete(key))
    map.dayBytes.set(key, codes)
  }
  return map.dayBytes.get(key)
}

async function goToDay(map, number) {
  map.day = number
  showDay(map)
  const found = number < 0 ? null : await dayOf(map, number)
  if (map.day !== number) return // the user has moved to another day
  map.now = found
  showDay(map)
  if (map.playing) return draw(map)
  update(map)
}

function showDay(map) {
  const { play, slider, date, all } = map.dayParts
  const { days } = map.data
  const text = map.day < 0 ? "All days" : dateOf(days, map.day)
  slider.max = String(days.count - 1)
  slider.value = String(map.day < 0 ? days.count - 1 : map.day)
  slider.setAttribute("aria-valuetext", text)
  date.textContent = text
  play.textContent = map.playing ? "❚❚ Pause" : "▶ Play"
  all.disabled = map.day < 0
  if (!map.now || map.day < 0) {
    if (map.dayInStatus) map.status.textContent = "" // clear only the message about a day
    map.dayInStatus = false
    return
  }
  map.dayInStatus = true
  const active = map.now.filter((one) => one >= FLAG).length
  const events = map.now.filter((one) => one & (FLAG - 1)).length
  const numbers = [active, map.n, events].map((number) => number.toLocaleString("en"))
  map.status.textContent = `${text}: ${numbers[0]} of ${numbers[1]} listings active, ${numbers[2]} with events that day.`
}

async function playDays(map) {
  const { count } = map.data.days
  const step = Math.max(1, Math.ceil(count / FRAMES))
  map.playing = true
  let day = map.day < 0 || map.day >= count - 1 ? 0 : map.day
  while (map.playing) {
    const began = performance.now()
    await goToDay(map, day)
    if (day === count - 1) break
    day = Math.min(day + step, count - 1)
    dayOf(map, day)
    await new Promise((done) => setTimeout(done, Math.max(20, PACE - (performance.now() - began))))
    if (!map.host.isConnected) return
  }
  stopDays(map)
}

function stopDays(map) {
  map.playing = false
  showDay(map)
  update(map)
  settleDay(map)
}

// The day of the state, if it has one.
function loadDays(map) {
  map.dayParts.row.hidden = !map.data.days
  if (!map.data.days) return
  const { day } = map.state
  if (map.playing || (map.day === day && (map.now || day < 0))) return showDay(map)
  goToDay(map, day)
}
