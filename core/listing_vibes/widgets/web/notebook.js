// A widget in a notebook, in a shadow root that isolates its styles, with the theme of the notebook.
function isDark() {
  const theme = document.body.dataset
  if (theme.jpThemeLight) return theme.jpThemeLight === "false"
  if (theme.vscodeThemeKind) return theme.vscodeThemeKind.includes("dark")
  return matchMedia("(prefers-color-scheme: dark)").matches
}

function ground(el) {
  const root = el.attachShadow({ mode: "open" })
  const style = element("style", "", STYLE)
  const body = element("div", "notebook")
  body.innerHTML = HTML
  const themed = () => body.classList.toggle("dark", isDark())
  themed()
  const watch = new MutationObserver(themed)
  watch.observe(document.body, { attributes: true })
  root.append(style, body)
  return { body, end: () => watch.disconnect() }
}
