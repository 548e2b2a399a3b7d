// The map of a notebook: its bytes are in the model, and its cards are requested from the kernel one by one.
export default {
  render({ model, el }) {
    const { body, end } = ground(el)
    const pending = new Map()
    const whole = (view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)
    const ask = (kind, number) => new Promise((done) => {
      pending.set(`${kind}/${number}`, done)
      model.send({ kind, number })
    })
    const answer = (message, buffers) => {
      const name = `${message?.kind}/${message?.number}`
      pending.get(name)?.(message?.kind === "card" ? message.card : whole(buffers[0]))
      pending.delete(name)
    }
    const source = {
      bytes: async (name) => (name.startsWith("day/") ? ask("day", Number(name.slice(4))) : whole(model.get(name))),
      card: (_data, number) => ask("card", number),
      photo: async (_data, number) => {
        const found = await ask("photo", number)
        return found.byteLength ? squareOf(new Blob([found])) : null
      },
    }
    const show = () => {
      const data = model.get("_data")
      const day = model.get("day")
      drawn({
        data: { ...data, outline: model.get("outline"), days: data.days && { ...data.days, at: day < 0 ? null : day } },
        parentElement: body, setTriggerValue: send, source,
      })
    }
    const send = (what, value) => {
      if (what !== "outline" && what !== "day") return
      model.set(what, value)
      model.save_changes()
      show()
    }
    model.on("msg:custom", answer)
    model.on("change:outline", show)
    model.on("change:day", show)
    model.on("change:_data", show)
    show()
    body.querySelector('[title="Show all listings"]').addEventListener("click", () => send("outline", ""))
    return () => {
      end()
      model.off("msg:custom", answer)
      model.off("change:outline", show)
      model.off("change:day", show)
      model.off("change:_data", show)
    }
  },
}
