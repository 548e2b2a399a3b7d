export default function ({ data, parentElement }) {
  showCards(parentElement.querySelector(".gallery"), data, parentElement)
}
