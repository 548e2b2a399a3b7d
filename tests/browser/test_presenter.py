"""Views are pinned, written on, moved and presented by mouse and by keyboard; the deck is a file that opens again."""

from playwright.sync_api import expect

from browser.seeing import troubles, wait_for, wait_until_quiet


def headlines(editor):
    return editor.get_by_label("Headline").evaluate_all("fields => fields.map((field) => field.value)")


#: Whether the slides have the focus, also within the shadow of a component.
FOCUSED = """() => {
  let at = document.activeElement
  while (at?.shadowRoot) at = at.shadowRoot.activeElement
  return at?.title === "Slides"
}"""


def test_pinned_views_become_a_deck_that_is_presented_saved_and_opened(page, tmp_path):
    page.goto("/similar?listing=l05&k=6")
    wait_until_quiet(page)
    page.get_by_role("button", name="Pin this view as a slide").click()
    page.goto("/users?user=u1")
    wait_until_quiet(page)
    expect(page.get_by_role("button", name="Deck (1)")).to_be_visible()
    page.keyboard.press("p")
    page.get_by_role("button", name="Deck (2)").click()
    editor = page.get_by_role("dialog", name="Deck")
    editor.get_by_label("Headline").first.fill("Alike")
    editor.get_by_label("Note").first.fill("Look at <these>")
    assert not troubles(page, "the deck's editor")
    small = editor.frame_locator("iframe[title='Slide 1']")
    expect(small.locator("img").first).to_have_js_property("complete", True)
    editor.get_by_role("button", name="Move slide 1 later").press("Enter")
    assert headlines(editor)[1] == "Alike"
    editor.locator(".handle").last.drag_to(editor.get_by_role("listitem").first)
    assert headlines(editor)[0] == "Alike"
    with page.expect_download() as download:
        editor.get_by_role("button", name="Save as a file").click()
    download.value.save_as(tmp_path / "deck.html")
    for _ in range(2):
        editor.get_by_role("button", name="Remove slide 1").click()
    expect(editor.get_by_text("No slide yet")).to_be_visible()
    assert not troubles(page, "an empty deck")
    editor.locator("input[type=file]").set_input_files(tmp_path / "deck.html")
    expect(editor.get_by_role("listitem")).to_have_count(2)
    (tmp_path / "none.json").write_text('[{"listing_id": "l01"}]')
    editor.locator("input[type=file]").set_input_files(tmp_path / "none.json")
    expect(editor.get_by_text("This file holds no slides.")).to_be_visible()
    assert headlines(editor)[0] == "Alike"
    editor.get_by_role("button", name="Present", exact=True).click()
    slides = page.frame_locator("iframe[title=Slides]")
    alike = slides.get_by_role("heading", name="Alike", exact=True)
    expect(alike).to_be_attached()
    expect(alike).not_to_be_in_viewport()
    wait_for(page, FOCUSED)
    page.keyboard.press("ArrowRight")
    expect(alike).to_be_in_viewport()
    expect(slides.get_by_text("Look at <these>")).to_be_in_viewport()
    page.keyboard.press("ArrowRight")
    expect(alike).not_to_be_in_viewport()
    wait_for(page, "Boolean(document.fullscreenElement)")
    page.evaluate("() => { document.exitFullscreen() }")  # a browser takes the first Escape for itself
    expect(page.locator("iframe[title=Slides]")).to_have_count(0)
    # The file needs no server, fits a phone, and every photo loads.
    page.goto((tmp_path / "deck.html").as_uri())
    loaded = (
        "images => images.length > 5 && images.every((image) => image.complete && image.naturalWidth > 0)"
    )
    assert page.locator("img").evaluate_all(loaded)
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_keyboard_reaches_listings_pages_and_commands(page, explorer):
    page.goto("/similar?listing=l05&k=6")
    wait_until_quiet(page)
    expect(page.locator(".gallery.grid a").nth(5)).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    focused = page.evaluate(
        """() => {
            let node = document.activeElement
            while (node.shadowRoot) node = node.shadowRoot.activeElement
            return new URL(node.href).searchParams.get("listing")
        }"""
    )
    page.keyboard.press("Space")
    expect(page.get_by_role("dialog", name="Photos")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    expect(page).to_have_url(f"{explorer.url}/simulate?h={focused}")
    wait_until_quiet(page)
    page.keyboard.press("?")
    found = page.get_by_role("dialog", name="Find")
    expect(found.get_by_role("button", name="Pin this view as a slide Key P")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    found.get_by_role("textbox").fill("u3")
    expect(found.get_by_role("button", name="u3 User")).to_be_visible()
    assert not troubles(page, "the search of everything")
    found.get_by_role("textbox").press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{explorer.url}/users?user=u3")


#: Presses Ctrl K in the first frame that shows the buttons, before anything else can happen.
PRESS_AT_ONCE = """() => {
  const isShown = (node) => node.textContent === "Present" && node.checkVisibility()
  const look = () => {
    const roots = [...document.querySelectorAll("*")].map((node) => node.shadowRoot).filter(Boolean)
    if (!roots.some((root) => [...root.querySelectorAll("button")].some(isShown))) return requestAnimationFrame(look)
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "k", ctrlKey: true, bubbles: true }))
  }
  requestAnimationFrame(look)
}"""


def test_a_key_pressed_while_the_page_is_drawn_opens_a_dialog_that_stays(page):
    page.add_init_script(f"({PRESS_AT_ONCE})()")
    dialog = page.get_by_role("dialog", name="Find")
    for _ in range(3):
        page.goto("/")
        expect(dialog).to_be_visible()
        wait_until_quiet(page)
        expect(dialog).to_be_visible()
    for title in ("Users", "Compare"):
        dialog.get_by_role("textbox").fill(title)
        dialog.get_by_role("textbox").press("Enter")
        expect(dialog).not_to_be_visible()
        page.keyboard.press("Control+k")
        expect(page.get_by_role("heading", name=title).first).to_be_visible()
        wait_until_quiet(page)
        expect(dialog).to_be_visible()
