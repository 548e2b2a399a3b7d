// Photo against photo: each row is a photo of one listing, the photo of the other that comes nearest, and how near.
function pairRow(pair) {
  const row = element("li", "pair")
  const near = element("p", "near")
  near.append(element("span", "value", pair.value), element("span", "note", "alike"))
  row.append(photo({ ...pair.one, count: 0 }), near, photo({ ...pair.two, count: 0 }))
  return row
}

export default function ({ data, parentElement }) {
  const list = parentElement.querySelector(".pairs")
  const shown = JSON.stringify(data)
  if (list.dataset.shown === shown) return
  list.dataset.shown = shown
  list.style.setProperty("--box", data.box)
  list.setAttribute("aria-label", data.label)
  list.replaceChildren(...data.pairs.map(pairRow))
}
