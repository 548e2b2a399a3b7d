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

from listing_vibes.ablation.table import read_ablation
from listing_vibes.errors import VibesError, printable
from listing_vibes.insight.disagreements import usual_baseline
from listing_vibes.insight.evidence import Evidence, Strip
from listing_vibes.insight.home import home_evidence
from listing_vibes.insight.map.colors import VALUES
from listing_vibes.insight.map.vibe_map import read_map
from listing_vibes.insight.market_view import view_of
from listing_vibes.insight.page_evidence import Runs, evidence_of
from listing_vibes.insight.quality import measures_table, not_measured, quality_evidence
from listing_vibes.insight.selection.page_lists import page_of
from listing_vibes.market.amounts import MISSING
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.display_names import market_title
from listing_vibes.market.documents import write_text
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.report.figures import BOX, LABEL, ROOM, Axis, DotMap, Photo, fitting_columns
from listing_vibes.run.query import default_blend_sentence
from listing_vibes.run.run import Run
from listing_vibes.words import count, percent

MOST = 60  # slides
LARGEST = 5_000_000  # bytes of a deck
SIZES = (320, 200, 120)  # pixels of a photo's longer side: the first with which a deck is small enough
SHAPES = (2 / 3, 3 / 2)  # the narrowest and the widest box of photos
COVERS = 8  # photos on the cover
BESIDE_LEAD, BESIDE_MAP = 60.0, 75.0  # width of the room for photos beside a large photo or a map, as `ROOM`
LEAD = 2.5  # times as large is the photo that others are compared with
#: Where a deck holds the list of its slides.
_SLIDES = re.compile(r'<script type="application/json" id="slides">(.*?)</script>', re.DOTALL)


class Slide(BaseModel):
    """A slide: a view of the explorer by its URL from "/" on, with a headline and a note."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    url: str = Field(pattern="^/(?:[^/]|$)")
    title: str = ""
    note: str = ""

    @property
    def run(self) -> str:
        """Return the name of the run that the URL names, empty for the first."""
        return page_of(self.url)[1].get("run", "")


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
    """Return the slides of a run's own deck: what its first page shows, its map, and for analysts how good it is.

    >>> [slide.url for slide in ready_deck(run)][:2]
    ['/?part=groups', '/?part=similar']
    """
    urls = [item.url for item in home_evidence(run)]
    if read_map(run) is not None:
        urls.append("/map")
    if quality_evidence(run) is not None:
        urls += ["/?details=1", "/cold?view=figures"]
    if usual_baseline(run):
        urls.append("/compare?part=queries")
    if read_ablation(run.path / "ablation.parquet") is not None:
        urls.append("/compare?part=ablation")
    return [Slide(url=url) for url in urls]


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
        slides: None: the ready deck of the first run, with a divider before what is for analysts, and a last slide on the method.
    """
    run, is_ready = next(iter(runs.values())), slides is None
    slides = ready_deck(run) if slides is None else slides
    market, when = run.market, ""
    if len(market.events) and market.timed:
        first, last = (f"{end.day} {end:%b %Y}" for end in market.events[C.TIMESTAMP].agg(["min", "max"]))
        when = f"{first} to {last}"
    templates = Path(__file__).parent / "templates"
    script = (templates / "deck.js").read_text(encoding="utf-8")
    drawn = []
    for number, slide in enumerate(slides, 1):
        drawn.append(DrawnSlide(runs, slide))
        report(Counted("slides", number, len(slides)))
    if is_ready:
        slides = [Slide(url=item.slide.url, title=item.headline) for item in drawn]
    shapes = [photo.shape for item in drawn for photo in item.photos] or [BOX]
    box = round(min(max(median(shapes), SHAPES[0]), SHAPES[1]), 2)
    content = {
        "run": run,
        "market": market,
        "market_name": market_title(market),
        "metrics": run.metrics or {},
        "measures": measures_table(run.metrics or {}),
        "when": when,
        "simulated": "simulat" in (market.config.note or "").lower(),
        "slides": drawn,
        "divider": next((at for at, item in enumerate(drawn) if item.evidence.for_analysts), -1)
        if is_ready
        else -1,
        "is_ready": is_ready,
        "covers": [photo for item in drawn for photo in item.covers][:COVERS],
        "box": box,
        "why": "" if quality_evidence(run) else not_measured(run),
        "blend": default_blend_sentence(run.manifest.settings) if run.has_model else "",
        "lead": LEAD,
        "colors": VALUES,
        "font": b64encode((templates / "deck-sans.woff2").read_bytes()).decode(),
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


class DrawnSlide:
    """A slide with the evidence of its address, drawn for print."""

    def __init__(self, runs: Runs, slide: Slide) -> None:
        """Compute the evidence; where there is nothing to show, the slide says why."""
        self.slide = slide
        try:
            self.evidence = evidence_of(runs, slide.url)
        except VibesError as error:
            self.evidence = Evidence(key="none", url=slide.url, headline="", sentence=str(error))
        name = slide.run or next(iter(runs))
        self.view = view_of(runs[name] if name in runs else next(iter(runs.values())))
        self.market = self.view.market
        self.headline = slide.title or self.evidence.headline or slide.url
        self.axis = Axis(self.evidence.bars)
        self.map = DotMap(self.evidence.dots) if self.evidence.dots else None
        self.lead = self.photo(self.evidence.lead) if self.evidence.lead else None

    def photo(self, listing: str) -> Photo:
        """Return a listing as a photo."""
        return Photo(self.market, listing)

    def facts(self, listing: str) -> str:
        """Return the main attributes of a listing in a line."""
        facts = self.view.facts(self.market.listing_row[listing], self.view.headline)
        return " · ".join(value for _, value in facts if value != MISSING)

    @property
    def photos(self) -> list[Photo]:
        """Return the listings of the strips that have a cover."""
        photos = [self.photo(listing) for strip in self.evidence.strips for listing in strip.listings]
        return [photo for photo in photos if photo.has_cover]

    @property
    def covers(self) -> list[Photo]:
        """Return the first photo of each strip of a wall, for the cover of the deck."""
        firsts = [strip.listings[:1] for strip in self.evidence.strips if self.evidence.is_wall]
        return [self.photo(listing) for (listing,) in filter(None, firsts)]

    def columns_of(self, column: Sequence[Strip], box: float) -> list[int]:
        """Return how many photos stand in a row of each strip of a column, see `fitting_columns`."""
        room = (
            BESIDE_LEAD
            if self.lead is not None
            else BESIDE_MAP
            if self.map or self.evidence.facts
            else ROOM[0]
        )
        return fitting_columns(column, room / len(self.evidence.columns), ROOM[1], box)

    def height_of(self, column: Sequence[Strip], wide: Sequence[int]) -> str:
        """Return the height of a photo of a column, so that all fit, in hundredths of the window's height."""
        rows = sum(-(-len(strip.listings) // across) for strip, across in zip(column, wide, strict=True))
        return f"{(ROOM[1] - LABEL * sum(bool(strip.label) for strip in column)) / max(rows, 1) - 1:.1f}vh"


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
