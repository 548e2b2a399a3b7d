// A widget in a notebook, in a shadow root that isolates its styles, with the theme of the notebook.
function isDark() {
  const theme = document.body.dataset
  if (theme.jpThemeLight) return theme.jpThemeLight === "false"
  if (theme.vscodeThemeKind) return theme.vscodeThemeKind.includes("dark")
  return matchMedia("(prefers-color-scheme: dark)").matches
}

// Returns the element to draw in, and a function that follows events of the model until the widget is removed.
function openWidget(el, model) {
  const body = h("div", { class: "notebook", innerHTML: HTML })
  const watch = new MutationObserver(() => body.classList.toggle("dark", isDark()))
  body.classList.toggle("dark", isDark())
  watch.observe(document.body, { attributes: true })
  el.attachShadow({ mode: "open" }).append(h("style", {}, STYLE), body)
  const follow = (handlers) => {
    for (const [name, handler] of Object.entries(handlers)) model.on(name, handler)
    return () => {
      watch.disconnect()
      for (const [name, handler] of Object.entries(handlers)) model.off(name, handler)
    }
  }
  return { body, follow }
}
