// Has the page drawn anew where it was drawn for another theme than the one that is shown: the system's may change at any time, also
// before this script is there.
export default function ({ data, parentElement, setTriggerValue }) {
  const shown = getComputedStyle(document.querySelector(".stApp")).colorScheme
  parentElement.querySelector("i").dataset.drawn = data.drawn
  if (shown !== data.drawn) setTriggerValue("changed", shown)
}
