"""Warnings about a market's data, from its profile."""

from collections.abc import Iterator

from listing_vibes.market.profile import MarketProfile
from listing_vibes.words import percent
from listing_vibes_app.view.formats import count

MISSING, LONELY, UNSEEN, COLD = 0.2, 0.3, 0.1, 0.3  # smallest shares for a warning
NAMED = 4  # most attributes in a warning


def data_warnings(profile: MarketProfile) -> list[tuple[str, str]]:
    """Return (warning, meaning): leaks and broken parts first, then missing values, then the distribution of events."""
    return [*_tables(profile), *_photos(profile), *_attributes(profile), *_events(profile)]


def _tables(profile: MarketProfile) -> Iterator[tuple[str, str]]:
    labels = {item.name: item.label for item in profile.attributes}
    for name, why in profile.leaks.items():
        yield (
            f"{labels.get(name, name)} {why}",
            "If so, the measures are too high. Exclude it in market.toml.",
        )
    if profile.issues:
        skipped = "What could not be read was skipped; vibes check lists each with file and row."
        yield f"{count(len(profile.issues), 'kind')} of issue in the tables", skipped


def _photos(profile: MarketProfile) -> Iterator[tuple[str, str]]:
    photos = profile.photos
    if bad := photos.missing + photos.broken:
        yield f"{count(bad, 'photo')} cannot be read", "They are skipped; their listings keep the others."
    if photos.count and photos.listings_with < 1:
        without = round((1 - photos.listings_with) * profile.listings)
        share = _percent(1 - photos.listings_with)
        yield f"{count(without, 'listing')} without a photo ({share})", "They cannot be compared by photos."


def _attributes(profile: MarketProfile) -> Iterator[tuple[str, str]]:
    gaps = [item for item in profile.attributes if item.missing >= MISSING]
    gaps.sort(key=lambda item: -item.missing)
    if gaps:
        names = ", ".join(f"{item.label} ({_percent(item.missing)})" for item in gaps[:NAMED])
        more = f" and {len(gaps) - NAMED} more" if len(gaps) > NAMED else ""
        yield f"Often unknown: {names}{more}", "The model learns nothing from a missing value."
    same = [item.label for item in profile.attributes if item.distinct <= 1 and profile.listings > 1]
    if same:
        yield f"The same everywhere: {', '.join(same[:NAMED])}", "It distinguishes no two listings."


def _events(profile: MarketProfile) -> Iterator[tuple[str, str]]:
    events, split = profile.events, profile.split
    if events is None:
        return
    if 1 - events.users_with_two >= LONELY:
        share = _percent(1 - events.users_with_two)
        yield f"{share} of the users have one event only", "There is nothing to predict from them."
    if events.listings_without >= UNSEEN:
        share = _percent(events.listings_without)
        why = "Methods that go by ids can never recommend them."
        yield f"{share} of the listings have no event", why
    if events.repeated:
        verb = "repeats" if events.repeated == 1 else "repeat"
        what = f"{count(events.repeated, 'event')} {verb} user, listing and time"
        yield what, "Each counts as an event."
    if split is not None and split.cold_listings is not None and split.cold_listings >= COLD:
        share = _percent(split.cold_listings)
        why = "That much of the figure is about listings of which no method had seen an event."
        yield f"{share} of the test targets are new since training", why


def _percent(share: float) -> str:
    return percent(share, 0, bounds=("under ", "over "))
