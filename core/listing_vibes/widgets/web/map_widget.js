// The map of a notebook: its parts are requested from the kernel one by one.
export default {
  render({ model, el }) {
    const { body, end } = ground(el)
    const pending = new Map()
    let last = 0
    let isKeeping = false // while the map itself changes the model
    const whole = (view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength)
    const ask = (part, params = {}) => new Promise((done) => {
      pending.set((last += 1), done)
      model.send({ part, params, number: last })
    })
    const answer = (message, buffers) => {
      pending.get(message?.number)?.(buffers.length ? whole(buffers[0]) : message.content)
      pending.delete(message?.number)
    }
    const urls = new Map()
    const source = {
      bytes: (_data, part, params) => ask(part, params),
      json: (_data, part, params) => ask(part, params),
      cards: (_data, numbers) => ask("cards", { of: numbers.join() }),
      sheet: async (_data, numbers, side) => createImageBitmap(new Blob([await ask("sheet", { of: numbers.join(), side })])),
      async photo(_data, i) {
        if (!urls.has(i)) {
          const found = await ask(`photo/${i}`)
          urls.set(i, found.byteLength ? URL.createObjectURL(new Blob([found])) : "")
        }
        return urls.get(i)
      },
      state: () => {
        const [group, day] = [model.get("group"), model.get("day")]
        const corners = model.get("outline").split(";").filter(Boolean)
        return { ...EMPTY, region: corners.map((corner) => corner.split(",").map(Number)), group: group < 0 ? null : group, where: model.get("where"), day }
      },
      keep: (_data, state) => {
        isKeeping = true
        model.set("outline", outlineText(state.region))
        model.set("group", state.group === null || state.region.length ? -1 : state.group)
        model.set("where", state.where)
        model.set("day", state.day)
        model.save_changes()
        isKeeping = false
      },
      rename: (_data, group, name) => ask("name", { group: String(group), name }),
    }
    const show = () => drawn({ data: model.get("_data"), parentElement: body, source })
    const follow = () => {
      const map = MAPS.get(body.querySelector(".vibe-map"))
      if (isKeeping || !map.isRestored || isKept(map)) return
      restore(map)
      loadDays(map)
    }
    const changes = ["outline", "group", "where", "day"].map((name) => `change:${name}`)
    model.on("msg:custom", answer)
    model.on("change:_data", show)
    for (const name of changes) model.on(name, follow)
    show()
    return () => {
      end()
      for (const url of urls.values()) URL.revokeObjectURL(url)
      model.off("msg:custom", answer)
      model.off("change:_data", show)
      for (const name of changes) model.off(name, follow)
    }
  },
}
