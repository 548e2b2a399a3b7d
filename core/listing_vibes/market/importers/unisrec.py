"""UniSRec's processed data (Hou et al. 2022): `PREFIX.{train,valid,test}.inter`, `.text`, `.item2index`, `.user2index`."""

from collections import defaultdict
from pathlib import Path

import pandas as pd

from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.config import AttributeConfig, MarketConfig
from listing_vibes.market.importers import Importer
from listing_vibes.market.writer import write_market

INTER_HEADER = ("user_id:token", "item_id_list:token_seq", "item_id:token")
TEXT_HEADER = ("item_id:token", "text:token_seq")
ATTRIBUTES = {"text": AttributeConfig(kind="text", label="Text")}

Row = tuple[list[str], str]  # a history, oldest first, and the item that came next


class UniSRec(Importer):
    """Write the market of the one data set in the folder `path`, with the original user and item names.

    Items are numbered by their first appearance in the events, which foretells what comes next; the listings are
    therefore written in the order of their names.
    """

    def write(self, path: Path, target: Path) -> None:
        prefix = _prefix(path)
        users, items = (_index(path / f"{prefix}.{kind}2index") for kind in ("user", "item"))
        text = dict(_rows(path / f"{prefix}.text", TEXT_HEADER))
        parts = {part: _inter(path / f"{prefix}.{part}.inter") for part in ("train", "valid", "test")}
        sequences = rebuild(parts["train"], parts["valid"], parts["test"], path / prefix)
        rows = []
        for user, sequence in sequences.items():
            name = _name(users, user, path / f"{prefix}.user2index")
            for position, item in enumerate(sequence):
                rows.append((name, _name(items, item, path / f"{prefix}.item2index"), position))
        events = pd.DataFrame(rows, columns=[C.USER, C.LISTING, C.POSITION])
        names = sorted({*items.values(), *text})
        listings = pd.DataFrame(
            {C.LISTING: names, "text": [text.get(name, "").strip() or None for name in names]}
        )
        config = MarketConfig(name=prefix, title="text", attributes=ATTRIBUTES)
        write_market(target, config, listings, events=events)


def rebuild(
    train: dict[str, list[Row]], valid: dict[str, list[Row]], test: dict[str, list[Row]], name: Path
) -> dict[str, list[str]]:
    """Each user's whole sequence from the rows of the three files, whose histories may have lost their oldest items.

    Raises:
        VibesError: the rows of a user do not belong to one sequence.
    """
    sequences = {}
    for user in dict.fromkeys([*train, *valid, *test]):
        later = valid.get(user, []) + test.get(user, [])
        # Shortest history first; truncated ones are equally long, and files run forward or backward.
        rows = train.get(user, [])
        orders = (sorted(way, key=lambda row: len(row[0])) for way in (rows, rows[::-1]))
        found = next((s for s in (_joined(order + later) for order in orders) if s is not None), None)
        if found is None:
            raise VibesError(
                f"{name}: the rows of user {user} are not one sequence; download the files again."
            )
        sequences[user] = found
    return sequences


def _joined(rows: list[Row]) -> list[str] | None:
    """The sequence of rows in their order, or None where a history is not the end of what came before it."""
    sequence = list(rows[0][0])
    for history, item in rows:
        if sequence[len(sequence) - len(history) :] != history:
            return None
        sequence.append(item)
    return sequence


def _prefix(path: Path) -> str:
    found = sorted(file.name.removesuffix(".train.inter") for file in path.glob("*.train.inter"))
    if len(found) != 1:
        many = f"several of them ({', '.join(found)})" if found else "none"
        raise VibesError(
            f"{path} must hold exactly one file *.train.inter and holds {many}; give another folder."
        )
    return found[0]


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # splitlines would also split inside a text
    except UnicodeDecodeError as error:
        raise VibesError(f"{path} is not UTF-8 text ({error.reason}); download it again.") from error
    except OSError as error:
        raise VibesError(f"Cannot read {path} ({error.strerror}); give the folder that holds it.") from error
    return lines[:-1] if lines[-1] == "" else lines


def _rows(path: Path, header: tuple[str, ...]) -> list[list[str]]:
    lines = [line.split("\t") for line in _lines(path)]
    if not lines or tuple(lines[0]) != header:
        raise VibesError(f"{path} does not start with the header {' '.join(header)}; download it again.")
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(header):
            raise VibesError(
                f"{path}, line {number} has {len(line)} columns, not {len(header)}; download it again."
            )
    return lines[1:]


def _inter(path: Path) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = defaultdict(list)
    for user, history, item in _rows(path, INTER_HEADER):
        rows[user].append((history.split(), item))
    return rows


def _index(path: Path) -> dict[str, str]:
    """Original name by number."""
    names = {}
    for number, line in enumerate(_lines(path), start=1):
        parts = line.split("\t")
        if len(parts) != 2:
            raise VibesError(f"{path}, line {number} is not a name, a tab and a number; download it again.")
        names[parts[1].strip()] = parts[0]
    return names


def _name(names: dict[str, str], number: str, path: Path) -> str:
    if number not in names:
        raise VibesError(f"{path} lacks the number {number} that the .inter files use; download it again.")
    return names[number]
