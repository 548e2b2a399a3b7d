// The map of a notebook: its bytes lie in the model, its cards are asked of the kernel one by one.
export default {
  render({ model, el }) {
    const { body, end } = ground(el)
    const asked = new Map()
    const answer = (message) => {
      if (message?.kind !== "card") return
      asked.get(message.number)?.(message.card)
      asked.delete(message.number)
    }
    const source = {
      bytes: async (name) => {
        const view = model.get(name)
        return view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)
      },
      card: (_data, number) => new Promise((done) => {
        asked.set(number, done)
        model.send({ kind: "card", number })
      }),
    }
    const show = () => drawn({
      data: { ...model.get("_data"), outline: model.get("outline") }, parentElement: body, setTriggerValue: send, source,
    })
    const send = (what, value) => {
      if (what !== "outline") return
      model.set("outline", value)
      model.save_changes()
      show()
    }
    model.on("msg:custom", answer)
    model.on("change:outline", show)
    model.on("change:_data", show)
    show()
    body.querySelector('[title="Show all listings"]').addEventListener("click", () => send("outline", ""))
    return () => {
      end()
      model.off("msg:custom", answer)
      model.off("change:outline", show)
      model.off("change:_data", show)
    }
  },
}
