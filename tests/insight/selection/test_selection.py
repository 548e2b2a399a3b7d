"""A list as Python, as command and behind a link: each gives the rows that were asked for."""

import json
import re
import shlex
from pathlib import Path

import pytest

import listing_vibes_app as app_of_pages
from helpers.commands import run_script
from listing_vibes import Run, VibesError, selection
from listing_vibes.insight.selection.filters import NAMES
from listing_vibes.insight.selection.pages import selections
from listing_vibes.insight.selection.params import WRITTEN
from listing_vibes.insight.selection.selection import Selection
from listing_vibes.run.histories import Event
from listing_vibes.run.rules import Rules
from listing_vibes_app.kit.days import NAME
from listing_vibes_app.kit.list_options import RULES as PAGE_RULES

RULES = Rules(
    live_only=True,
    at_most=2,
    seller="district",
    diversity=0.4,
    where=("rooms>=2", "district=Harbour|Orchard|Riverside|Northgate", "within 40km of 50.0,10.0"),
    pin=("home-0007",),
    block=("home-0001",),
    unlike=("home-0009",),
    boost=("fresh 0.5 14d",),
    dial=("more rustic -1.5 attributes +home-0003 +home-0010 -home-0020",),
    fill=True,
)


def of_python(text: str) -> list[str]:
    names: dict = {}
    exec(text, names)
    return names["found"]["listing_id"].tolist()


def of_command(text: str, folder: Path) -> list[str]:
    return [row["listing_id"] for row in json.loads(run_script(text, folder).stdout)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        Selection("similar", "home-0003", 6, space="attributes"),
        Selection("similar", "home-0003", 9, at="2025-03-01T12:00:00", rules=RULES),
        Selection(
            "recommend", "user-0001", 7, at="2025-03-01", rules=Rules(live_only=False, drop_seen=False)
        ),
        Selection("recommend", "user-0002", 7, rules=RULES.model_copy(update={"same": ("district",)})),
    ],
)
def test_python_and_command_give_the_rows(trained, tmp_path, asked):
    run = Run.open(trained.path)
    expected = asked.frame(run)["listing_id"].tolist()
    assert 0 < len(expected) <= asked.k
    assert of_python(asked.python(str(run.path))) == expected
    assert of_command(asked.command(str(run.path)), tmp_path) == expected


def test_a_history_comes_with_the_file_that_the_command_reads(trained, tmp_path):
    asked = Selection("recommend", "", 5, history=(Event("home-0003", "view", 30.5), Event("home-0004")))
    expected = asked.frame(trained)["listing_id"].tolist()
    text = asked.command(str(trained.path))
    assert of_command(text, tmp_path) == expected
    assert of_python(asked.python(str(trained.path))) == expected


def test_names_that_look_like_options_stay_names():
    words = shlex.split(Selection("recommend", "-7", 5).command("run"))
    assert words == ["vibes", "recommend", "-k", "5", "--", "run", "-7"]


def test_a_link_gives_what_it_names(trained):
    link = "http://127.0.0.1:1/explorer/similar?listing=home-0003&k=4&view=spaces&price=500-&is=deal:rent"
    found = selection(trained, link)
    assert set(found["list"]) == {"Model", "Attributes"}
    asked = selections(trained, link)
    assert asked[0].rules.where[-1] == "deal=rent" and asked[0].k == 4
    two = selection(trained, "/simulate?h=home-0003&h2=home-0004*view&two=1&k=3")
    assert two["list"].tolist() == ["History A"] * 3 + ["History B"] * 3
    user = selections(trained, "users?user=user-0001&at=3&with=nothing")
    assert user[0].query == "user-0001" and user[0].at is not None
    (of_day,) = selections(trained, "users?user=user-0001&at=3&day=2025-03-20")
    assert (of_day.query, of_day.at, of_day.history) == ("user-0001", "2025-03-20", ())


@pytest.mark.parametrize(
    "link",
    [
        "/map?group=0", "/similar", "/similar?listing=home-9999", "/users?user=nobody", "/simulate?h=nothing",
        "/similar?listing=home-0003&where=colour%3Dred", "//[x",
    ],
)  # fmt: skip
def test_a_link_that_names_nothing_is_refused(trained, link):
    with pytest.raises(VibesError):
        selection(trained, link)


@pytest.mark.slow
def test_the_shell_runs_the_command_of_a_history(trained, tmp_path):
    """The whole text as it is copied, by a real shell."""
    import subprocess
    import sys

    asked = Selection("recommend", "", 5, history=(Event("home-0003", "view"),))
    script = f'vibes() {{ {shlex.quote(sys.executable)} -m listing_vibes "$@"; }}\n{asked.command(str(trained.path))} --json'
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    rows = [row["listing_id"] for row in json.loads(done.stdout)]
    assert rows == asked.frame(trained)["listing_id"].tolist()


def test_the_table_has_the_rows_and_all_attributes(trained):
    asked = Selection("similar", "home-0003", 4, space="attributes")
    table = asked.table(trained)
    assert table["listing_id"].tolist() == asked.frame(trained)["listing_id"].tolist()
    homes = trained.market.listings.set_index("listing_id")
    assert table["price"].tolist() == homes.loc[table["listing_id"], "price"].tolist()
    assert not table.columns.duplicated().any() and table["title"].notna().all()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/similar?listing=home-0003&is=mood:x&price=cheap", "“price=cheap” and “is=mood:x”"),
        ("/similar?listing=home-0003&on=yesterday&space=photos", "“on=yesterday” and “space=photos”"),
        ("/users?user=user-0001&per=mood&with=luck", "“per=mood” and “with=luck”"),
        ("/simulate?h=home-0003&distict=Harbour", "“distict=Harbour”"),
    ],
)
def test_what_of_a_link_cannot_be_used_is_told(trained, url, said):
    with pytest.raises(VibesError, match=said):
        selection(trained, url)


def test_what_pages_write_into_their_addresses_is_known():
    written = set()
    for path in Path(app_of_pages.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        reads = r"\b(?:read_choice|read_number|bind|search_box|query_params\.get)\(\s*\"(\w+)\""
        written |= set(re.findall(reads, text))
        written |= set(re.findall(r"\b(?:switch|select)\(\s*\"[^\"]*\",\s*\"(\w+)\"", text))
        for call in re.findall(r"\bset_params\(([^()]*)", text):
            written |= set(re.findall(r"\b(\w+)=", call))
    assert len(written) > 30 and written <= {*WRITTEN, *NAMES}
    assert set(PAGE_RULES) | {NAME} <= WRITTEN
