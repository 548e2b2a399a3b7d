"""A notebook's widget in a bare page: drawn as the widget protocol does it, and a choice reaches the Python object."""

import base64
import json

#: A model as the protocol has it, whose changes go to the Python object (`window.saved`), and its answers come back.
PAGE = """
async ({ code, state, bytes }) => {
  const viewed = (text) => new DataView(Uint8Array.from(atob(text), (one) => one.charCodeAt(0)).buffer)
  for (const [name, text] of Object.entries(bytes)) state[name] = viewed(text)
  const heard = {}
  const model = {
    get: (name) => state[name],
    set: (name, value) => { state[name] = value; changed.add(name) },
    save_changes: () => { for (const name of changed) { window.saved(name, state[name]); tell(`change:${name}`) } changed.clear() },
    on: (what, call) => (heard[what] ??= new Set()).add(call),
    off: (what, call) => heard[what]?.delete(call),
    send: async (content) => {
      const [told, buffers] = await window.asked(content)
      tell("msg:custom", told, buffers.map(viewed))
    },
  }
  const changed = new Set()
  const tell = (what, ...more) => heard[what]?.forEach((call) => call(...more))
  const module = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })))
  const el = document.body.appendChild(document.createElement("div"))
  window.end = module.default.render({ model, el })
}
"""


def render(page, widget) -> None:
    """Draw `widget` on `page`, a page of its own."""
    state, raw = {}, {}
    for name in widget.keys:
        value = getattr(widget, name)
        if isinstance(value, bytes):
            raw[name] = base64.b64encode(value).decode()
        elif name in ("_data", "outline", "group", "where", "day", "selected"):
            state[name] = value
    answers: list = []
    widget.send = lambda content, buffers=(): answers.append(
        [content, [base64.b64encode(one).decode() for one in buffers]]
    )
    page.expose_function("saved", lambda name, value: setattr(widget, name, value))

    def asked(content):
        widget._respond(widget, content, [])
        return answers.pop()

    page.expose_function("asked", asked)
    page.evaluate(PAGE, {"code": widget._esm, "state": json.loads(json.dumps(state)), "bytes": raw})
