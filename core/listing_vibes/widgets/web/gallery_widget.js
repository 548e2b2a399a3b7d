// The gallery of a notebook: the chosen listings are written to the model.
const CHOICES = [{ side: "chosen", word: "Choose", sign: "", label: "Choose" }]

export default {
  render({ model, el }) {
    const { body, follow } = openWidget(el, model)
    const list = body.querySelector(".gallery")
    const mark = () => markChosen(list, model.get("selected").map((id) => [id, "chosen"]))
    list.choose = (id) => {
      const chosen = new Set(model.get("selected"))
      if (!chosen.delete(id)) chosen.add(id)
      // In the gallery's order, so that the list does not depend on the order of clicks.
      model.set("selected", model.get("_data").cards.map((card) => card.id).filter((one) => chosen.has(one)))
      model.save_changes()
      mark()
    }
    const show = () => {
      drawn({ data: { ...model.get("_data"), sides: CHOICES }, parentElement: body })
      mark()
    }
    show()
    return follow({ "change:_data": show, "change:selected": mark })
  },
}
