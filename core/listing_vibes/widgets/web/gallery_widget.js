// The gallery of a notebook: the chosen listings are written to the model.
const CHOICES = [{ side: "chosen", word: "Choose", label: "Choose" }]

export default {
  render({ model, el }) {
    const { body, follow } = openWidget(el, model)
    const choose = ({ id, side }) => {
      const isChosen = (other) => (other === id ? !side : model.get("selected").includes(other))
      // In the gallery's order, so that the list does not depend on the order of clicks.
      model.set("selected", model.get("_data").cards.map((card) => card.id).filter(isChosen))
      model.save_changes()
    }
    const show = () => {
      const { cards, ...frame } = model.get("_data")
      const marked = cards.map((card) => ({ ...card, side: model.get("selected").includes(card.id) ? "chosen" : "" }))
      drawn({ data: { ...frame, cards: marked, sides: CHOICES }, parentElement: body, choose })
    }
    show()
    return follow({ "change:_data": show, "change:selected": show })
  },
}
