"""A market's profile as the text of one screen."""

import textwrap

from listing_vibes.defaults import RECENT_DAYS
from listing_vibes.errors import escaped
from listing_vibes.market.leaks import leaks_by_name
from listing_vibes.market.profile import AttributeProfile, EventsProfile, MarketProfile, PhotosProfile, Spread
from listing_vibes.words import count, percent

WIDTH = 100
MOST_ATTRIBUTES = 20
#: Above so many events and at such a share of all of them a user is likely no person.
BUSY, BUSY_SHARE = 1_000, 0.1
MANY_RETURN = 0.2  # share of events on listings that their users know from which on it is said


def render(profile: MarketProfile) -> str:
    """Plain text, at most 100 columns wide but for the sentences about leaks and defects, which are never cut."""
    lines = [_cut(f"{profile.name} ({profile.path})"), _row("listings", f"{profile.listings:,}")]
    lines += _events(profile.events)
    lines += _live(profile)
    lines += _split(profile)
    lines += _photos(profile.photos)
    stand = f"{' and '.join(profile.named_by)} of a listing stand" if profile.named_by else "ids stand"
    unnamed = f'none, so {stand} for them; say which column names a listing by title = "..." in market.toml'
    first, *more = _wrapped(unnamed if profile.title is None else f"column {profile.title}")
    lines += [_row("titles", first.strip()), *more]
    shown = profile.attributes[:MOST_ATTRIBUTES]
    wide = min(40, max([9, *(len(attribute.name) for attribute in shown)]))
    lines += ["", f"{'attribute':<{wide}}  {'kind':<9}{'missing':>8}{'distinct':>10}  label"]
    lines += [_attribute(attribute, wide) for attribute in shown]
    if len(profile.attributes) > MOST_ATTRIBUTES:
        lines.append(f"and {len(profile.attributes) - MOST_ATTRIBUTES} more")
    lines += ["", *_excluded(profile.excluded)]
    lines.append(_row("leaks", "none found" if not profile.leaks else count(len(profile.leaks), "suspect")))
    lines += [f"  {name} {why}; exclude it in market.toml if so" for name, why in profile.leaks.items()]
    lines.append(_row("defects", "none" if not profile.defects else str(len(profile.defects))))
    lines += [f"  {defect}" for defect in profile.defects]
    return "\n".join(map(escaped, lines))


def _row(label: str, text: str) -> str:
    return f"{label:<13}{text}"


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 4] + " ..."


def _percent(share: float) -> str:
    """What is not nothing is never shown as 0 and what is not all never as 100."""
    return percent(share, unit=" %", bounds=("< ", "> "))


def _spread(spread: Spread) -> str:
    return f"median {spread.median:g}, 90 % at most {spread.p90:g}, most {spread.max:,}"


def _events(events: EventsProfile | None) -> list[str]:
    if events is None:
        return [_row("events", "none")]
    span = f", {events.first} to {events.last}" if events.first else ", in order, without times"
    actions = f"; actions: {', '.join(events.actions)}" if events.actions else ""
    unwanted = []
    if events.unwanted:
        said = "event says" if events.unwanted == 1 else "events say"
        unwanted = _wrapped(
            f'{events.unwanted:,} {said} "not this" ({", ".join(events.unwanted_actions)}): no user is after what these are about'
        )
    return [
        _cut(_row("events", f"{events.count:,} of {count(events.users, 'user')}{span}{actions}")),
        *unwanted,
        *_returning(events),
        _row("per user", f"{_spread(events.per_user)}; {_percent(events.users_with_two)} have two or more"),
        *_busiest(events),
        _row("per listing", f"{_spread(events.per_listing)}; {_percent(events.listings_without)} have none"),
    ]


def _returning(events: EventsProfile) -> list[str]:
    if events.returning < MANY_RETURN:
        return []
    return _wrapped(
        f"{_percent(events.returning)} of the events after a user's first go back to a listing of theirs: lists offer only what "
        "is new to a user, and tests by time ask for nothing else"
    )


def _busiest(events: EventsProfile) -> list[str]:
    most = events.per_user.max
    if most <= BUSY or most / events.count < BUSY_SHARE:
        return []
    return _wrapped(
        f"user {events.busiest} has {_percent(most / events.count)} of all events: where that is a program and no person, leave "
        "its rows out of the events, since what is popular and recent goes by them"
    )


def _live(profile: MarketProfile) -> list[str]:
    live = profile.live
    if live is None:
        return []
    outside = (
        f"; {_percent(live.outside)} of the events on listings that were not live" if live.outside else ""
    )
    lines = [_row("live", f"{live.at_end:,} of {profile.listings:,} listings after the last event{outside}")]
    if not live.published:
        sure = "; each has an event, so one that has none yet is sure to have" if live.all_touched else ""
        lines += _wrapped(
            "no published_at: all listings count as live from the start, so tests rank what nobody could see yet, and "
            f"recency gains, since it alone tells what is there, and puts what is new last{sure}"
        )
    elif not live.expires:
        lines += _wrapped("no expires_at: no listing ends, so what is gone stays a candidate")
    return lines


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=_row("", ""), subsequent_indent=_row("", ""))


def _split(profile: MarketProfile) -> list[str]:
    split = profile.split
    if split is None:
        first, *more = _wrapped(profile.split_problem or "none")
        return [_row("split", first.strip()), *more]
    when = f", T1 {split.t1}, T2 {split.t2}" if split.t1 else ""
    lines = [
        _row(
            "split",
            f"{split.protocol}{when}: {count(split.train_events, 'training event')}, "
            f"{split.valid_queries:,} + {count(split.test_queries, 'query', 'queries')}",
        )
    ]
    if not split.valid_queries + split.test_queries:
        why = (
            "no user has events at two moments"
            if split.at_once
            else "no later event has a history and a live, new listing"
        )
        lines += _wrapped(
            f"{why}, so nothing can be measured; train with --protocol leave-one-out to measure"
        )
    elif not split.valid_queries:
        lines += _wrapped(
            "no query lies between T1 and T2, so a training ends with its last weights, best or not, and nothing that lists may add "
            "is weighed; give times that tell more moments apart, or train with --protocol leave-one-out"
        )
    if split.apart is not None and split.apart > RECENT_DAYS:
        lines += _wrapped(
            f"events lie {split.apart:.0f} days apart or more, so none is ever among the last {RECENT_DAYS} days: recency, which lists "
            "of small markets add, tells nothing"
        )
    if split.cold_listings is not None and split.cold_users is not None:
        shares = (
            f"{_percent(split.cold_listings)} on cold listings, {_percent(split.cold_users)} by cold users"
        )
        lines.append(_row("cold", f"test queries {shares}"))
    return lines


def _photos(photos: PhotosProfile) -> list[str]:
    if photos.per_listing is None:
        return [_row("photos", "none")]
    outside = f"{photos.outside:,} outside of the market, " if photos.outside else ""
    looked = "" if photos.opened == photos.count else f" (of {photos.opened:,} opened)"
    return [
        _row(
            "photos",
            f"{photos.count:,}; {_percent(photos.listings_with)} of the listings have one: {_spread(photos.per_listing)}",
        ),
        _row("", f"{photos.missing:,} missing, {outside}{photos.broken:,} broken{looked}"),
    ]


def _excluded(names: list[str]) -> list[str]:
    """The excluded columns, those named like leaks first, on a few lines."""
    leaks = leaks_by_name(names)
    listed = ", ".join(leaks + [name for name in names if name not in leaks])
    text = f"{count(len(names), 'column')}, {len(leaks)} named like leaks: {listed}" if names else "none"
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=_row("excluded", ""),
        subsequent_indent=_row("", ""),
        max_lines=4,
        placeholder=" ...",
    )


def _attribute(attribute: AttributeProfile, wide: int) -> str:
    unit = f" ({attribute.unit})" if attribute.unit else ""
    share = _percent(attribute.missing)
    comma = "; with a decimal comma" if attribute.decimal == "," else ""
    return _cut(
        f"{attribute.name[:wide]:<{wide}}  {attribute.kind:<9}{share:>8}{attribute.distinct:>10,}  {attribute.label}{unit}{comma}"
    )
