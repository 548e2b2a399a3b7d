// The map of a notebook: its parts are requested from the kernel one by one, and its state is that of the model.
export default {
  render({ model, el }) {
    const { body, follow: followModel } = openWidget(el, model)
    const pending = new Map()
    let last = 0
    let isKeeping = false // while the map itself changes the model
    const request = (_data, part, params, body) => new Promise((done) => {
      pending.set((last += 1), done)
      model.send({ part, params: body ? JSON.parse(body) : params, number: last })
    })
    const answer = (message, buffers) => {
      pending.get(message?.number)?.(new Response(buffers.length ? buffers[0] : JSON.stringify(message.content)))
      pending.delete(message?.number)
    }
    const source = {
      ask: request,
      async photo(_data, i) {
        const blob = await (await request(null, "photo", { of: i })).blob()
        return blob.size ? URL.createObjectURL(blob) : ""
      },
      state: () => {
        const [region, group] = [outlineOf(model.get("outline")), model.get("group")]
        return { ...EMPTY, region, group: group < 0 ? null : group, where: model.get("where"), day: model.get("day") }
      },
      keep: (_data, { region, group, where, day }) => {
        isKeeping = true
        const values = { outline: outlineText(region), group: group === null || region.length ? -1 : group, where, day }
        for (const [name, value] of Object.entries(values)) model.set(name, value)
        model.save_changes()
        isKeeping = false
      },
    }
    const show = () => drawn({ data: model.get("_data"), parentElement: body, source })
    const take = () => isKeeping || follow(body.querySelector(".vibe-map").map)
    show()
    const changes = Object.fromEntries(["outline", "group", "where", "day"].map((name) => [`change:${name}`, take]))
    return followModel({ "msg:custom": answer, "change:_data": show, ...changes })
  },
}
