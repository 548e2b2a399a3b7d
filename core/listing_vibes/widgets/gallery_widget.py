"""The gallery of the explorer as a notebook widget."""

from collections.abc import Sequence
from typing import Any

import anywidget
import pandas as pd
import traitlets

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.report.figures import Photo
from listing_vibes.run.query import describe_listings
from listing_vibes.run.run import Run
from listing_vibes.widgets.scripts import GALLERY, GALLERY_HTML, notebook_module


def chosen_frame(run: Run, selected: Sequence[str]) -> pd.DataFrame:
    """Return the market's rows of the `selected` listings in their order, with all columns."""
    market = run.market
    rows = [market.listing_row[item] for item in selected]
    return market.listings.iloc[rows].reset_index(drop=True)


def facts_of(table: pd.DataFrame, row: int) -> list[list[str]]:
    """Return (label, value) of the readable columns of a listing from `listing_vibes.run.query.describe_listings`."""
    left_out = {"listing", "title", "score", "rule", C.LISTING}
    given = [[str(name), str(table[name].iat[row])] for name in table if name not in left_out]
    return [item for item in given if item[1] != "-"]  # without missing values


MOST = 200  # cards


class GalleryWidget(anywidget.AnyWidget):
    """Listings as cards with photos, which a user can choose.

    >>> cards = GalleryWidget(run, run.similar("home-0003", k=6))
    >>> cards.selected = ["home-0003"]
    Traceback (most recent call last):
    traitlets.traitlets.TraitError: 'home-0003' is not in this gallery; give ids of listings that it shows.
    >>> cards.selected = cards.shown[:2]
    >>> cards.selection["listing_id"].tolist() == cards.shown[:2]
    True

    Attributes:
        selected: ids of the listings chosen, in the gallery's order; `observe` reports every change.
    """

    _esm = notebook_module(GALLERY, "gallery_widget", GALLERY_HTML)
    _data = traitlets.Dict().tag(sync=True)
    selected = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, run: Run, listings: pd.DataFrame | Sequence[str], **more: Any) -> None:
        """Show listings of a run.

        Args:
            listings: the result of `Run.similar` or `Run.recommend`, or ids.
            more: arguments of the widget, such as `layout`.

        Raises:
            VibesError: no listing, too many, or one that the market does not have.
        """
        result = listings if isinstance(listings, pd.DataFrame) else pd.DataFrame({C.LISTING: list(listings)})
        if C.LISTING not in result:
            raise VibesError(
                f"The table has no column '{C.LISTING}'; give the result of Run.similar or Run.recommend."
            )
        names = [str(item) for item in result[C.LISTING]]
        if not 0 < len(names) <= MOST:
            raise VibesError(
                f"A gallery shows 1 to {MOST} listings, but {len(names):,} were given; change the number of listings."
            )
        run.rows(names)
        self.run, self.shown = run, names
        super().__init__(_data=_cards(run, result.assign(**{C.LISTING: names})), **more)

    @traitlets.validate("selected")
    def _validate_selected(self, proposal: Any) -> list[str]:
        for item in proposal["value"]:
            if item not in self.shown:
                raise traitlets.TraitError(
                    f"'{item}' is not in this gallery; give ids of listings that it shows."
                )
        return list(proposal["value"])

    @property
    def selection(self) -> pd.DataFrame:
        """The market's rows of the listings chosen, all columns."""
        return chosen_frame(self.run, self.selected)


def _cards(run: Run, result: pd.DataFrame) -> dict[str, Any]:
    """Return the data for the script."""
    given = result["score"] if "score" in result else pd.Series(index=result.index, dtype=float)
    scores = pd.to_numeric(given, errors="coerce")
    table = describe_listings(run, result.assign(score=scores.fillna(0.0)))
    cards = []
    for place, name in enumerate(result[C.LISTING]):
        photo = Photo(run.market, name)
        card = {
            "id": name, "title": photo.title, "href": "", "photo": photo.data(), "alt": f"Cover photo of {photo.title}",
            "photos": [], "facts": facts_of(table, place), "tone": "",
            "score": "" if pd.isna(scores.iat[place]) else f"Score {scores.iat[place]:.2f}",
        }  # fmt: skip
        cards.append(card)
    return {
        "cards": cards,
        "box": "4 / 3",
        "ratio": 4 / 3,
        "label": f"{len(cards)} listings",
        "layout": "grid",
        "photos": bool(run.market.cover),
        "least": 170,
        "height": 0,
        "dividers": False,
        "scoreHelp": "",
    }
