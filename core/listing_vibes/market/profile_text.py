"""Render a market's profile as text."""

import textwrap

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
    columns = {
        "attribute": [attribute.name[:40] for attribute in shown],
        "type": [attribute.kind for attribute in shown],
        "missing": [_percent(attribute.missing) for attribute in shown],
        "distinct": [f"{attribute.distinct:,}" for attribute in shown],
        "label": [
            attribute.label + (f" ({attribute.unit})" if attribute.unit else "") for attribute in shown
        ],
    }
    if shown:
        lines += ["", *(line[:WIDTH] for line in render_table(pd.DataFrame(columns)).splitlines())]
    if len(profile.attributes) > MOST_ATTRIBUTES:
        lines.append(f"and {len(profile.attributes) - MOST_ATTRIBUTES} more")
    sections = {
        "notes": profile.notes,
        "leaks": [f"{name} {why}; exclude it in market.toml if so" for name, why in profile.leaks.items()],
        "defects": profile.defects,
    }
    for label, sentences in sections.items():
        lines.append(f"{label:<13}{len(sentences) or 'none'}")
        for sentence in sentences:
            lines += textwrap.wrap(
                sentence, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
            )
    return "\n".join(map(escaped, lines))


def _rows(profile: MarketProfile) -> list[tuple[str, str]]:
    events, photos, split = profile.events, profile.photos, profile.split
    rows = [("listings", f"{profile.listings:,}")]
    if events is None:
        rows.append(("events", "none"))
    else:
        span = f"{events.first} to {events.last}" if events.first else "in order, without times"
        actions = f"; actions: {', '.join(events.actions)}" if events.actions else ""
        two = f"{_percent(events.users_with_two)} have two or more"
        none = f"{_percent(events.listings_without)} have none"
        rows += [
            ("events", f"{events.count:,} of {count(events.users, 'user')}, {span}{actions}"),
            ("per user", f"{_spread(events.per_user)}; {two}"),
            ("per listing", f"{_spread(events.per_listing)}; {none}"),
        ]
    if events is not None and events.active_at_end is not None and events.on_inactive is not None:
        outside = f"{_percent(events.on_inactive)} of the events on listings that were not active"
        rows.append(
            ("active", f"{events.active_at_end:,} of {profile.listings:,} after the last event; {outside}")
        )
    if split is None:
        rows.append(("split", profile.split_problem or "none"))
    else:
        when = f", T1 {split.t1}, T2 {split.t2}" if split.t1 else ""
        queries = f"{split.valid_queries:,} + {count(split.test_queries, 'query', 'queries')}"
        rows.append(
            ("split", f"{split.protocol}{when}: {count(split.train_events, 'training event')}, {queries}")
        )
        if split.cold_listings is not None and split.cold_users is not None:
            cold = f"{_percent(split.cold_listings)} on cold listings, {_percent(split.cold_users)} by cold users"
            rows.append(("cold", f"test queries {cold}"))
    if photos.per_listing is None:
        rows.append(("photos", "none"))
    else:
        result = f"{photos.missing:,} missing, {photos.outside:,} outside of the market, {photos.broken:,} broken (of {photos.opened:,} opened)"
        share = f"{_percent(photos.listings_with)} of the listings have one: {_spread(photos.per_listing)}"
        rows.append(("photos", f"{photos.count:,}; {share}; {result}"))
    excluded = f"{count(len(profile.excluded), 'column')}: {', '.join(profile.excluded)}"
    return [
        *rows,
        ("titles", "none" if profile.title is None else f"column {profile.title}"),
        ("excluded", excluded if profile.excluded else "none"),
    ]


def _percent(share: float) -> str:
    """Return a percentage; only exact shares are shown as 0 and 100 %."""
    return percent(share, unit=" %", bounds=("< ", "> "))


def _spread(spread: Spread) -> str:
    return f"median {spread.median:g}, 90 % at most {spread.p90:g}, most {spread.max:,}"
