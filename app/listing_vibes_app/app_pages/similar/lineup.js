// The line-up: a table whose first row and first column stay in sight while the rest scrolls.
const SIGNS = { same: "✓", close: "≈" }
const SPOKEN = { same: "the same: ", close: "close: ", different: "different: ", unknown: "" }

function heading(region, card, data, note) {
  const cell = element("th", note ? "query" : "")
  cell.scope = "col"
  const body = card.href ? link(card, "body") : element("div", "body")
  if (data.photos) body.append(photo({ ...card, count: 0 }))
  body.append(element("span", "title", card.title))
  cell.append(body, element("span", "note", note || card.score))
  if (data.choices && !note) cell.append(chooser(region, card, data.choices))
  return cell
}

function comparison(found) {
  const cell = element("td", found.verdict)
  cell.append(element("span", "spoken", SPOKEN[found.verdict]))
  if (SIGNS[found.verdict]) {
    const sign = element("span", "sign", SIGNS[found.verdict])
    sign.setAttribute("aria-hidden", "true")
    cell.append(sign)
  }
  cell.append(element("span", "", found.text))
  if (found.difference) cell.append(element("span", "difference", found.difference))
  return cell
}

export default function ({ data, parentElement, setTriggerValue }) {
  const region = parentElement.querySelector(".lineup")
  showWithExamples(region, data, setTriggerValue, (told) => show(region, told))
}

function show(region, data) {
  region.style.setProperty("--box", data.box)
  region.setAttribute("aria-label", data.label)
  const head = element("tr")
  const corner = element("td", "corner")
  head.append(corner, heading(region, data.query, data, "This listing"))
  head.append(...data.others.map((card) => heading(region, card, data)))
  const rows = data.rows.map((row) => {
    const line = element("tr")
    const label = element("th", "", row.label)
    label.scope = "row"
    line.append(label, element("td", "query", row.query), ...row.cells.map(comparison))
    return line
  })
  const table = element("table")
  const top = element("thead")
  const body = element("tbody")
  top.append(head)
  body.append(...rows)
  table.append(top, body)
  region.replaceChildren(table)
}
