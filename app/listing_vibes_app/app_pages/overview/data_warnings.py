"""What is odd in a market's data, in plain words; from its profile."""

from dataclasses import dataclass

from listing_vibes.market.profile import MarketProfile
from listing_vibes.words import percent
from listing_vibes_app.view.formats import count

MISSING, LONELY, UNSEEN, COLD = 0.2, 0.3, 0.1, 0.3  # shares from which a thing is worth telling


@dataclass(frozen=True)
class DataWarning:
    """One thing to know before believing a figure."""

    what: str
    why: str  # what it means


def data_warnings(profile: MarketProfile) -> list[DataWarning]:
    """What stands out: leaks and broken parts first, then what is missing, then how the events are spread."""
    labels = {item.name: item.label for item in profile.attributes}
    found = [
        DataWarning(
            f"{labels.get(name, name)} {why}",
            "If so, the figures are too good to be true: exclude it in market.toml.",
        )
        for name, why in profile.leaks.items()
    ]
    if profile.defects:
        found.append(
            DataWarning(
                f"{count(len(profile.defects), 'kind')} of oddity in the tables",
                "What could not be read was skipped; vibes check lists each with file and row.",
            )
        )
    found += [*_photos(profile), *_attributes(profile), *_events(profile)]
    return found


def _photos(profile: MarketProfile) -> list[DataWarning]:
    photos, found = profile.photos, []
    bad = photos.missing + photos.broken
    if bad:
        found.append(
            DataWarning(
                f"{count(bad, 'photo')} cannot be read", "They are skipped; their listings keep the others."
            )
        )
    if photos.count and photos.listings_with < 1:
        without = round((1 - photos.listings_with) * profile.listings)
        found.append(
            DataWarning(
                f"{count(without, 'listing')} without a photo ({_percent(1 - photos.listings_with)})",
                "They cannot be compared by photos.",
            )
        )
    return found


def _attributes(profile: MarketProfile) -> list[DataWarning]:
    gaps = sorted(
        (item for item in profile.attributes if item.missing >= MISSING), key=lambda item: -item.missing
    )
    found = []
    if gaps:
        told = ", ".join(f"{item.label} ({_percent(item.missing)})" for item in gaps[:4])
        more = f" and {len(gaps) - 4} more" if len(gaps) > 4 else ""
        found.append(
            DataWarning(
                f"Often unknown: {told}{more}", "A listing tells the model nothing where it has no value."
            )
        )
    same = [item.label for item in profile.attributes if item.distinct <= 1 and profile.listings > 1]
    if same:
        found.append(
            DataWarning(f"The same everywhere: {', '.join(same[:4])}", "It tells no two listings apart.")
        )
    return found


def _events(profile: MarketProfile) -> list[DataWarning]:
    events, found = profile.events, []
    if events is None:
        return []
    if 1 - events.users_with_two >= LONELY:
        found.append(
            DataWarning(
                f"{_percent(1 - events.users_with_two)} of the users have one event only",
                "There is nothing to foretell from them.",
            )
        )
    if events.listings_without >= UNSEEN:
        found.append(
            DataWarning(
                f"{_percent(events.listings_without)} of the listings have no event",
                "Methods that go by ids can never recommend them.",
            )
        )
    if events.repeated:
        found.append(
            DataWarning(
                f"{count(events.repeated, 'event')} {'repeats' if events.repeated == 1 else 'repeat'} user, listing and time",
                "Each counts as an event.",
            )
        )
    split = profile.split
    if split is not None and split.cold_listings is not None and split.cold_listings >= COLD:
        found.append(
            DataWarning(
                f"{_percent(split.cold_listings)} of the test targets are new since training",
                "That much of the figure is about listings of which no method had seen an event.",
            )
        )
    return found


def _percent(share: float) -> str:
    return percent(share, 0, bounds=("under ", "over "))
