"""The deck of a run: slides with a headline, one visual and a note, as one HTML file; the function behind `vibes report`.

Python provides the content, `templates/` the layout. A deck needs no server and loads nothing from the network; its one script
turns the slides by the arrow keys. The file holds the list of its slides, so that the explorer can open and change it.
"""

import json
import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from statistics import median

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from listing_vibes.errors import VibesError, printable
from listing_vibes.insight.beats import five_beats
from listing_vibes.insight.disagreements import usual_baseline
from listing_vibes.insight.map.vibe_map import read_map
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.documents import write_text
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.report.figures import BOX
from listing_vibes.report.text import (
    ablation,
    not_measured,
    quality,
    slices_of,
)
from listing_vibes.report.views import Runs, view_of
from listing_vibes.run.describe import default_blend_sentence
from listing_vibes.run.run import Run
from listing_vibes.scoring.ranking_names import method_name
from listing_vibes.words import count, percent

MOST = 60  # slides
LARGEST = 5_000_000  # bytes of a deck
SIZES = (320, 200, 120)  # pixels of a photo's longer side: the first with which a deck is small enough
SHAPES = (2 / 3, 3 / 2)  # the narrowest and the widest box of photos
LEAD = 2.5  # times as large is the photo that others are compared with
#: Where a deck holds the list of its slides.
_SLIDES = re.compile(r'<script type="application/json" id="slides">(.*?)</script>', re.DOTALL)


class Slide(BaseModel):
    """A slide: a view of the explorer by its URL from "/" on, with a headline and a note."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    url: str = Field(pattern="^/(?:[^/]|$)")
    title: str = ""
    note: str = ""


def read_deck(path: Path) -> list[Slide]:
    """Read the slides of a deck, or of a JSON list of slides.

    Raises:
        VibesError: the file cannot be read, or has no slides.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VibesError(f"Cannot read the deck {path}: {error}; check the path.") from error
    return parse_slides(text, str(path))


def parse_slides(text: str, name: str = "The file") -> list[Slide]:
    """Return the slides of a deck's text, or of a JSON list: `[{"url", "title", "note"}, ...]`.

    Raises:
        VibesError: the text has no slides, or more than a deck can have.
    """
    inside = _SLIDES.search(text)
    try:
        slides = TypeAdapter(list[Slide]).validate_json(inside[1] if inside else text)
    except ValidationError as error:
        raise VibesError(
            f"{name} has no slides; give a deck that the explorer or `vibes report` wrote, or a JSON list such as "
            '[{"title": "Alike", "url": "/similar?listing=ID"}].'
        ) from error
    if len(slides) > MOST:
        raise VibesError(f"{name} has {len(slides):,} slides; a deck has at most {MOST}. Remove some.")
    return slides


def ready_deck(run: Run) -> list[Slide]:
    """Return the slides of a run's own deck: its beats, and the evidence that the run has.

    >>> [slide.url for slide in ready_deck(run)][:2]
    ['/?beat=similar', '/?beat=visitor']
    """
    slides = [
        Slide(url=f"/?beat={beat.key}", title=beat.title, note=beat.sentence) for beat in five_beats(run)
    ]
    if baseline := usual_baseline(run):
        title = f"Where our model and “{method_name(baseline)}” differ, both ways"
        slides.append(Slide(url="/compare?part=queries", title=title))
    if slices_of(run.metrics or {}):
        slides.append(Slide(url="/cold?view=figures", title="For whom it works"))
    if ablation(run):
        slides.append(Slide(url="/compare?part=ablation", title="What each part is worth"))
    if read_map(run) is not None:
        slides.append(Slide(url="/map", title="The whole market on a map"))
    return slides


def write_deck(run: Run, out: Path, slides: Sequence[Slide] | None = None, report: Report = silent) -> None:
    """Write the deck of `run` to the file `out`, by default the ready one.

    Raises:
        VibesError: the market does not exist any more, a file of the run is damaged, or `out` cannot be written.
    """
    write_text(out, deck_html({run.path.resolve().name: run}, slides, report))


def deck_html(runs: Runs, slides: Sequence[Slide] | None = None, report: Report = silent) -> str:
    """Return a deck as one self-contained document of at most `LARGEST` bytes; it is deterministic for a run.

    Args:
        runs: the runs by their names in URLs, the default run first.
        slides: None: the ready deck of the first run.
    """
    run = next(iter(runs.values()))
    slides = ready_deck(run) if slides is None else slides
    market, metrics, when = run.market, run.metrics or {}, ""
    if len(market.events) and market.timed:
        first, last = (f"{end.day} {end:%b %Y}" for end in market.events[C.TIMESTAMP].agg(["min", "max"]))
        when = f"Events from {first} to {last}."
    script = (Path(__file__).parent / "templates" / "deck.js").read_text(encoding="utf-8")
    views = []
    for number, slide in enumerate(slides, 1):
        views.append(view_of(runs, slide.url))
        report(Counted("slides", number, len(slides)))
    shapes = [photo.shape for view in views for photo in view.photos] or [BOX]
    content = {
        "run": run,
        "market": market,
        "metrics": metrics,
        "when": when,
        "slides": list(zip(slides, views, strict=True)),
        "box": round(min(max(median(shapes), SHAPES[0]), SHAPES[1]), 2),
        "quality": quality(metrics) or not_measured(run),
        "blend": default_blend_sentence(run.manifest.settings) if run.has_model else "",
        "lead": LEAD,
        "script": script,
        "digest": b64encode(sha256(script.encode()).digest()).decode(),
        # As JSON within HTML: no character of it ends the element.
        "json": json.dumps([slide.model_dump() for slide in slides], ensure_ascii=True).replace(
            "<", "\\u003c"
        ),
    }
    template = environment().get_template("deck.html")
    for size in SIZES:
        html = template.render(content, size=size)
        if len(html.encode()) <= LARGEST:
            break
    return html


def environment() -> Environment:
    """Return the template environment: all values are escaped, control characters are shown, and an unknown name is an error."""
    environment = Environment(
        loader=PackageLoader("listing_vibes.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda shown: (
            printable(shown) if isinstance(shown, str) and not hasattr(shown, "__html__") else shown
        ),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(share=percent, thousands="{:,}".format, counted=count)
    return environment
