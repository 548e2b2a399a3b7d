function strip(data, root) {
  const list = h("ul")
  showCards(list, data, root)
  return h("section", { class: "part" }, data.label && h("h3", {}, data.label), list)
}

// A row for each method: its name, its bar with the interval as a line, and its share.
function bars(rows) {
  const most = Math.max(...rows.map((row) => row.high ?? row.value))
  const percent = (share) => `${(100 * share) / most}%`
  const interval = ({ low, high }) => low !== null && high !== null &&
    h("span", { class: "interval", style: `left: ${percent(low)}; width: ${percent(high - low)}` })
  return h("ul", { class: "bars" }, ...rows.map((row) =>
    h("li", { class: row.model ? "model" : "" },
      h(row.model ? "b" : "span", { class: "method" }, row.label),
      h("span", { class: "track" }, h("span", { class: "bar", style: `width: ${percent(row.value)}` }), interval(row)),
      h("strong", {}, row.text),
    ),
  ))
}

const header = (data) => h("header", {},
  h("div", {}, h("h2", {}, h("a", { href: data.only, class: "only" }, data.title)), h("p", {}, data.sentence)),
  h("a", { href: data.href, class: "button more" }, data.more),
)

export default function ({ data, parentElement }) {
  const beat = parentElement.querySelector(".beat")
  beat.className = `beat ${data.key}`
  beat.replaceChildren(
    ...(data.title ? [header(data)] : []),
    h("div", { class: "evidence" }, ...data.strips.map((given) => strip(given, parentElement)), data.bars.length && bars(data.bars)),
  )
}
