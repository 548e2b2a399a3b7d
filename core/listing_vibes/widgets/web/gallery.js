export default function ({ data, parentElement, choose }) {
  showCards(parentElement.querySelector(".gallery"), data, parentElement, { choose })
}
