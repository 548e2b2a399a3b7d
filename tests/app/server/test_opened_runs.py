"""What is kept of opened runs: of none what another one said, and not of all that were ever opened."""

from types import SimpleNamespace

from listing_vibes_app.app_pages.map import probes
from listing_vibes_app.server import photo_search, runs
from listing_vibes_app.server.runs import OpenRun, run_key


def opened() -> OpenRun:
    """A state of one run as a page has it; embedded again it has the same folder and market."""
    run = SimpleNamespace(path="run", manifest=SimpleNamespace(fingerprint="market"))
    view = SimpleNamespace(market=SimpleNamespace(fingerprint="market"))
    return OpenRun("run", run, view, "1 / 1")  # type: ignore[arg-type]


def test_a_state_that_was_let_go_of_has_the_key_of_no_other():
    assert len({run_key(opened()) for _ in range(50)}) == 50
    one = opened()
    assert run_key(one) == run_key(one)


def test_runs_of_several_markets_are_called_by_their_market(monkeypatch):
    told = {
        "a": ("Homes", "mini", "cls", "seed 0", ""),
        "b": ("Homes", "mini", "cls", "seed 1", ""),
        "c": ("Boats", "tiny", "cls", "seed 0", ""),
        "d": (),
    }
    monkeypatch.setattr(runs, "_told", told.__getitem__)
    monkeypatch.setattr(runs, "run_paths", lambda: dict.fromkeys(told))
    labels = ["Homes, mini, cls, seed 0", "Homes, mini, cls, seed 1", "Boats, tiny, cls", "d"]
    assert [runs.run_label(name) for name in told] == labels
    del told["c"]
    assert [runs.run_label(name) for name in told] == ["mini, cls, seed 0", "mini, cls, seed 1", "d"]


def test_probes_are_those_of_the_state_that_is_shown(monkeypatch):
    monkeypatch.setattr(probes, "probe_run", lambda run, questions: (id(run), questions))
    one, other = opened(), opened()
    for state in (one, other, one):
        assert probes.probed(state, "price") == (id(state.run), ["price"])


def test_searches_of_states_that_are_gone_are_not_kept(monkeypatch):
    monkeypatch.setattr(photo_search.PhotoSearch, "open", classmethod(lambda cls, run: cls(run, None)))
    states = [opened() for _ in range(3 * photo_search.KEPT)]
    for state in states:
        assert photo_search.look_search(state).run is state.run
    assert len(photo_search._held()[0]) == photo_search.KEPT
    assert photo_search.look_search(states[0]).run is states[0].run  # looked up again where it is asked for
