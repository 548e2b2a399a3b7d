"""Render a market's profile as text."""

import textwrap
from collections.abc import Iterator

import pandas as pd

from listing_vibes.errors import escaped
from listing_vibes.market.profile import MarketProfile, Spread
from listing_vibes.tables import render_table
from listing_vibes.words import count, percent

WIDTH = 100
MOST_ATTRIBUTES = 20


def render(profile: MarketProfile) -> str:
    """Return plain text of at most 100 columns; sentences are wrapped."""
    lines = [f"{profile.name} ({profile.path})"]
    for label, text in _rows(profile):
        lines += textwrap.wrap(
            text, WIDTH, initial_indent=f"{label:<13}", subsequent_indent=" " * 13, max_lines=4, placeholder=" ..."
        )  # fmt: skip
    shown = profile.attributes[:MOST_ATTRIBUTES]
    if shown:
        table = pd.DataFrame(
            {
                "attribute": [item.name[:40] for item in shown],
                "type": [item.kind for item in shown],
                "missing": [_percent(item.missing) for item in shown],
                "distinct": [f"{item.distinct:,}" for item in shown],
                "label": [item.label + (f" ({item.unit})" if item.unit else "") for item in shown],
            }
        )
        lines += ["", *(line[:WIDTH] for line in render_table(table).splitlines())]
    if len(profile.attributes) > MOST_ATTRIBUTES:
        lines.append(f"and {len(profile.attributes) - MOST_ATTRIBUTES} more")
    leaks = [f"{name} {why}; exclude it in market.toml if so" for name, why in profile.leaks.items()]
    for label, sentences in {"notes": profile.notes, "leaks": leaks, "issues": profile.issues}.items():
        lines.append(f"{label:<13}{len(sentences) or 'none'}")
        for sentence in sentences:
            lines += textwrap.wrap(
                sentence, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
            )
    return "\n".join(map(escaped, lines))


def _rows(profile: MarketProfile) -> Iterator[tuple[str, str]]:
    """Yield the labeled lines above the attributes."""
    events, split, photos, excluded = profile.events, profile.split, profile.photos, profile.excluded
    yield "listings", f"{profile.listings:,}"
    if events is None:
        yield "events", "none"
    else:
        span = f"{events.first} to {events.last}" if events.first else "in order, without times"
        actions = f"; actions: {', '.join(events.actions)}" if events.actions else ""
        yield "events", f"{events.count:,} of {count(events.users, 'user')}, {span}{actions}"
        yield "per user", f"{_spread(events.per_user)}; {_percent(events.users_with_two)} have two or more"
        yield "per listing", f"{_spread(events.per_listing)}; {_percent(events.listings_without)} have none"
        if events.active_at_end is not None and events.on_inactive is not None:
            outside = f"{_percent(events.on_inactive)} of the events on listings that were not active"
            yield (
                "active",
                f"{events.active_at_end:,} of {profile.listings:,} after the last event; {outside}",
            )
    if split is None:
        yield "split", profile.split_problem or "none"
    else:
        when = f", T1 {split.t1}, T2 {split.t2}" if split.t1 else ""
        queries = f"{split.valid_queries:,} + {count(split.test_queries, 'query', 'queries')}"
        yield "split", f"{split.protocol}{when}: {count(split.train_events, 'training event')}, {queries}"
        if split.cold_listings is not None and split.cold_users is not None:
            cold = f"{_percent(split.cold_listings)} on cold listings, {_percent(split.cold_users)} by cold users"
            yield "cold", f"test queries {cold}"
    if photos.per_listing is None:
        yield "photos", "none"
    else:
        shares = f"{_percent(photos.listings_with)} of the listings have one: {_spread(photos.per_listing)}"
        unread = (
            f"{photos.missing:,} missing, {photos.outside:,} outside of the market, {photos.broken:,} broken"
        )
        yield "photos", f"{photos.count:,}; {shares}; {unread} (of {photos.opened:,} opened)"
    yield "titles", "none" if profile.title is None else f"column {profile.title}"
    yield "excluded", f"{count(len(excluded), 'column')}: {', '.join(excluded)}" if excluded else "none"


def _percent(share: float) -> str:
    """Return a percentage; only exact shares are shown as 0 and 100 %."""
    return percent(share, unit=" %", bounds=("< ", "> "))


def _spread(spread: Spread) -> str:
    return f"median {spread.median:g}, 90 % at most {spread.p90:g}, most {spread.max:,}"
