// Layers that the server computes: the days of the market, with a slider and a play button, and regions of unmet demand.
const PACE = 160 // milliseconds of a day while they play
const FRAMES = 120 // most frames; longer periods advance by several days per frame
const MS_A_DAY = 86_400_000

const dayText = ({ days }, day) => new Date((days.first + day) * MS_A_DAY).toISOString().slice(0, 10)
const dateOf = ({ data: { days } }, day) => new Date((days.first + day) * MS_A_DAY).toLocaleDateString("en-GB", {
  day: "numeric", month: "short", year: "numeric", timeZone: "UTC",
})

function listenToDays(map) {
  const { play, slider } = map.parts
  const rest = (day) => {
    map.isPlaying = false
    select(map, { day })
  }
  play.onclick = () => (map.isPlaying ? rest(map.state.day) : playDays(map))
  slider.oninput = () => rest(Number(slider.value))
}

function showDay(map) {
  const { time, play, slider, date } = map.parts
  const { state: { day }, data: { days } } = map
  time.hidden = !days
  if (!days) return
  const text = day < 0 ? "All days" : dateOf(map, day)
  Object.assign(slider, { max: days.count - 1, value: day < 0 ? days.count - 1 : day, ariaValueText: text })
  date.textContent = text
  play.textContent = map.isPlaying ? "❚❚ Pause" : "▶ Play"
}

async function playDays(map) {
  const { count } = map.data.days
  const step = Math.max(1, Math.ceil(count / FRAMES))
  const { day } = map.state
  map.isPlaying = true
  for (let at = day < 0 || day >= count - 1 ? 0 : day; map.isPlaying && map.host.isConnected; at = Math.min(at + step, count - 1)) {
    if (at === count - 1) map.isPlaying = false
    select(map, { day: at })
    await Promise.all([map.loading, new Promise((done) => setTimeout(done, PACE))])
  }
}

// Loads what the state needs and the map does not have yet.
async function loadLayers(map) {
  await Promise.all([loadDay(map), loadUnmet(map)]).catch(say(map))
}

async function loadDay(map) {
  const { day } = map.state
  if (map.dayOf === day) return
  map.dayOf = day
  const now = day < 0 ? null : await bytes(map, "day", { of: day })
  if (map.dayOf !== day) return // the user has moved to another day
  map.now = now
  update(map)
}

// The regions as of the end of the shown day. They take seconds, which the panel says.
async function loadUnmet(map) {
  const { data, state: { day, unmet, place } } = map
  if (map.isPlaying) return
  const key = unmet && data.unmet ? String(day) : ""
  if (map.unmetOf === key) return
  Object.assign(map, { unmetOf: key, unmet: null })
  update(map)
  const layer = key && await json(map, "unmet", day < 0 ? {} : { day: dayText(data, day) })
  if (!layer || map.unmetOf !== key) return
  const codes = new Uint8Array(map.n) // the region of each listing, from 1 on; of several the first
  layer.regions.toReversed().forEach(({ listings }, at, all) => listings.forEach((i) => (codes[i] = all.length - at)))
  map.unmet = { ...layer, codes }
  select(map, place > layer.regions.length ? { place: null } : {})
}
