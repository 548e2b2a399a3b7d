"""The stations of a list in `assets/docs/architecture.md` are the functions that a call runs, in this order."""

import re
import sys
from types import FrameType

from helpers.pages import ROOT
from listing_vibes import Run

PAGE = ROOT / "assets" / "docs" / "architecture.md"
CORE = ROOT / "core" / "listing_vibes"


def test_a_list_passes_the_stations_in_this_order(trained):
    table = PAGE.read_text(encoding="utf-8").partition("| station | does |")[2].partition("\n\n")[0]
    cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    stations = [name for cell in cells for name in re.findall(r"`([\w.]+)`", cell)]
    files = {name: file for cell in cells for name, file in re.findall(r"`([\w.]+)` \(`([\w./]+)`\)", cell)}
    assert len(stations) > 10 and len(PAGE.read_text(encoding="utf-8").split()) <= 700
    called: dict[str, str] = {}

    def visit(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(str(CORE)):
            called.setdefault(frame.f_code.co_qualname, frame.f_code.co_filename)

    run = Run.open(trained.path)  # without the blends that other tests built
    sys.setprofile(visit)
    try:
        run.recommend(trained.log.users[0], k=3, rules={"boost": "fresh 0.5 14d"})
    finally:
        sys.setprofile(None)
    assert [name for name in called if name in stations] == stations
    assert {name: called[name] for name in files} == {name: str(ROOT / file) for name, file in files.items()}
