// The gallery of a notebook: what is chosen goes to the model.
export default {
  render({ model, el }) {
    const { body, end } = ground(el)
    const mark = () => {
      const chosen = new Set(model.get("selected"))
      for (const item of body.querySelectorAll(".card")) item.mark(chosen)
    }
    const choose = (id) => {
      const chosen = new Set(model.get("selected"))
      if (!chosen.delete(id)) chosen.add(id)
      // In the gallery's order, so that the same choice is the same list.
      model.set("selected", model.get("_data").cards.map((card) => card.id).filter((one) => chosen.has(one)))
      model.save_changes()
      mark()
    }
    const show = () => {
      drawn({ data: { ...model.get("_data"), choose }, parentElement: body })
      mark()
    }
    show()
    model.on("change:_data", show)
    model.on("change:selected", mark)
    return () => {
      end()
      model.off("change:_data", show)
      model.off("change:selected", mark)
    }
  },
}
