"""axe-core finds nothing serious on any page, in both themes, wide and on a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from browser.mapped import write_map
from browser.measured import forget_measured, write_measured
from browser.seeing import turn, wait_until_quiet

IMPACTS = ("serious", "critical")
PATHS = [
    "/",
    "/similar",
    "/similar?listing=l05",
    "/similar?listing=l05&view=lineup",
    "/users",
    "/users?user=u1&with=recency",
    "/simulate",
    "/simulate?h=l05,l06*view*30&h2=l07&two=1",
    "/map?group=0",
    "/map?unmet=1&day=2024-03-04",
    "/users?user=u1&day=2024-03-05",
    "/cold",
    "/cold?listing=l08",
    "/cold?view=new",
    '/cold?view=new&draft={"price":90,"amenities":["Wifi"]}',
    "/cold?view=figures",
    "/compare",
    "/compare?part=runs&listing=l05",
    "/compare?part=queries",
]


@pytest.fixture(scope="module")
def filled(explorer):
    """A run with a map, figures, an ablation and ranks, so that no page is an empty one."""
    write_map(explorer.run)
    write_measured(explorer.run)
    yield
    forget_measured(explorer.run)
    (explorer.run / "map.parquet").unlink()


#: Half-way from one theme to the other a button has the letters of one and the ground of both.
SETTLED = """() => !document.getAnimations().some(
  (one) => one instanceof CSSTransition && one.playState === 'running'
)"""


def troubles(page, where: str, **options) -> list[str]:
    """Serious and critical violations as lines, once no colour is on its way: rule, element, what to mend."""
    page.wait_for_function(SETTLED)
    found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    return [
        f"{where}: {one['id']}: {node['target']} {node['html'][:160]} {node['failureSummary']}"
        for one in found
        if one["impact"] in IMPACTS
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("path", PATHS)
def test_nothing_serious(page, filled, path):
    page.goto(path)
    wait_until_quiet(page)
    page.wait_for_load_state("networkidle")
    found = troubles(page, f"{path} light")
    page.set_viewport_size({"width": 390, "height": 844})
    found += troubles(page, f"{path} on a phone")
    turn(page, "dark")
    found += troubles(page, f"{path} dark", runOnly={"type": "rule", "values": ["color-contrast"]})
    assert not found, "\n".join(found)
