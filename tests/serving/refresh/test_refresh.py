"""Refreshing a run: what is new is visible, equals a full rebuild, costs what is new, and is there whole or not at all."""

import gc
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.copies import copied
from helpers.newcomers import new_events, new_listings
from listing_vibes.errors import VibesError
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.durable import copy_file, only_writer
from listing_vibes.market.garbage import none_meanwhile
from listing_vibes.market.market import Market
from listing_vibes.run.folder import PUSH_COLUMNS
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market
from listing_vibes.run.versions import stamp_of
from listing_vibes.serving.refresh.loop import keep_fresh
from listing_vibes.serving.refresh.refresher import Refresher, Stopped
from listing_vibes.serving.refresh.sources import FileSource
from listing_vibes.serving.refresh.state import RefreshState


@pytest.fixture
def shop(trained, tmp_path) -> "Shop":
    return Shop(copied(trained, tmp_path), tmp_path)


class Shop:
    """A run, its market, and folders that new rows are put into."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.run, self.market, self.folder = run.path, run.market, folder / "new"
        for name in ("events", "listings"):
            (self.folder / name).mkdir(parents=True)

    def deliver(self, name: str, **tables: pd.DataFrame) -> None:
        for table, rows in tables.items():
            rows.to_parquet(self.folder / table / f"{name}.parquet", index=False)

    def refresher(self, **options) -> Refresher:
        sources = {name: FileSource(self.folder / name) for name in ("events", "listings")}
        return Refresher(self.run, sources, **options)


@pytest.fixture
def networks(monkeypatch) -> list[int]:
    """How many sequences each call of the encoder gets."""
    import listing_vibes.model.encoder as encoder

    calls: list[int] = []
    real = encoder.encode

    def counting(model, embed, lengths, *args, **options):
        calls.append(len(lengths))
        return real(model, embed, lengths, *args, **options)

    monkeypatch.setattr(encoder, "encode", counting)
    return calls


@pytest.mark.slow
def test_what_is_new_is_visible_and_equals_a_full_rebuild_at_the_price_of_what_is_new(
    shop, tmp_path, networks
):
    fresh = new_listings(shop.market, 6)
    old = shop.market.listings[C.LISTING].iloc[[3, 50]]
    other = shop.market.listings[shop.market.listings[C.LISTING].isin(old)].assign(price=123.0)
    shop.deliver("a", listings=pd.concat([fresh, other]))
    shop.deliver("a", events=new_events(shop.market, list(fresh[C.LISTING]), 40, 10))

    look = shop.refresher().refresh()

    assert (look.generation, look.events, look.users, look.new, look.changed) == (1, 40, 10, 6, 2)
    assert sum(networks) == 8 + 10  # listings and histories

    opened, market = Run.open(shop.run), Market.open(shop.market.path)
    assert opened.generation == 1 and not opened.market_changed
    assert not opened.transferred and opened.manifest.trained_on != opened.manifest.fingerprint
    assert market.fingerprint == opened.manifest.fingerprint  # the market's own folder has it all, too
    embed_market(market, tmp_path / "whole", None, shop.run)
    whole = Run.open(tmp_path / "whole")
    assert opened.listing_ids == whole.listing_ids == market.listings[C.LISTING].tolist()
    for space in whole.spaces:
        np.testing.assert_allclose(opened.vectors(space), whole.vectors(space), atol=2e-3)
    for listing in ["fresh-0", "fresh-5", *old]:
        pd.testing.assert_frame_equal(opened.similar(listing), whole.similar(listing), atol=2e-3)
    pushes = opened.pushes
    assert list(pushes) == list(PUSH_COLUMNS) and pushes[C.USER].nunique() == 10
    for user, mine in pushes.groupby(C.USER):
        for served in (opened.recommend(user), whole.recommend(user)):
            assert mine["candidate_id"].tolist() == served[C.LISTING].tolist()
            np.testing.assert_allclose(mine["score"], served["score"], atol=2e-3)


@pytest.mark.slow
def test_the_features_that_were_put_together_read_as_those_made_of_the_whole_market(shop):
    fresh = new_listings(shop.market, 5)
    shop.deliver("a", listings=pd.concat([fresh, shop.market.listings.iloc[[7]].assign(price=99.0)]))
    shop.refresher().refresh()
    engine = Run.open(shop.run).engine
    whole = engine.featurizer.transform(Run.open(shop.run).market, None)
    for name, array in vars(whole.tokens).items():
        np.testing.assert_array_equal(getattr(engine.features.tokens, name), array, err_msg=name)


@pytest.mark.slow
def test_rows_that_come_twice_change_nothing(shop):
    shop.deliver("a", events=new_events(shop.market, [], 12, 10))
    refresher = shop.refresher()
    assert refresher.refresh().events == 12
    assert not refresher.refresh().published
    shop.deliver("again", events=new_events(shop.market, [], 12, 10))
    assert not refresher.refresh().published
    assert not shop.refresher().refresh().published  # nor in another process
    assert stamp_of(shop.run).generation == 1


@pytest.mark.slow
def test_a_listing_that_expires_costs_no_encoding_and_is_pushed_no_more(shop, networks):
    refresher = shop.refresher()
    shop.deliver("a", events=new_events(shop.market, [], 12, 10))
    refresher.refresh()
    pushed = Run.open(shop.run).pushes["candidate_id"].iloc[0]
    before = shop.market.listings.set_index(C.LISTING).loc[pushed]
    gone = pd.DataFrame({C.LISTING: [pushed], C.EXPIRES: [shop.market.events[C.TIMESTAMP].min()]})
    shop.deliver("gone", listings=gone)
    networks.clear()

    look = refresher.refresh()

    assert look.published and look.expired == 1 and not networks
    run = Run.open(shop.run)
    now = run.market.listings.set_index(C.LISTING).loc[pushed]
    assert now.drop(C.EXPIRES).equals(before.drop(C.EXPIRES))  # a column that was not told keeps its value
    ranks = run.pushes.groupby(C.USER)["rank"]
    assert pushed not in set(run.pushes["candidate_id"])
    assert (ranks.max() == ranks.size()).all() and run.pushes[C.USER].nunique() == 10


@pytest.mark.slow
def test_events_wait_for_their_listing_and_for_their_time(shop):
    events = new_events(shop.market, ["fresh-0"], 6, 3)
    events[C.LISTING] = "fresh-0"
    events.loc[0, C.LISTING] = shop.market.listings[C.LISTING].iloc[0]
    events.loc[0, C.TIMESTAMP] = pd.Timestamp.now("UTC").ceil("s") + pd.Timedelta(days=1)
    shop.deliver("a", events=events)
    look = shop.refresher().refresh()
    assert (look.published, look.events, look.waiting) == (False, 0, 6)
    (shop.folder / "events" / "a.parquet").unlink()  # it was read
    assert not shop.refresher().refresh().published
    shop.deliver("a", listings=new_listings(shop.market, 1))
    look = shop.refresher().refresh()
    assert (look.events, look.new, look.waiting) == (5, 1, 1)
    assert not shop.refresher().refresh().published


@pytest.mark.slow
@pytest.mark.parametrize("moment", [3, 6])  # with the tables written; with the new listings encoded
def test_a_look_that_is_stopped_leaves_nothing_and_the_next_one_does_it_all(shop, moment):
    shop.deliver("a", listings=new_listings(shop.market, 3))
    before, calls = Market.open(shop.market.path).fingerprint, []

    def stop() -> None:
        calls.append(1)
        if len(calls) == moment:
            raise Stopped

    refresher = shop.refresher(tick=stop)
    with pytest.raises(Stopped):
        refresher.refresh()
    assert stamp_of(shop.run).generation == 0 and not list((shop.run / "versions").iterdir())
    assert Market.open(shop.market.path).fingerprint == before
    shop.deliver("a", listings=new_listings(shop.market, 2))  # another file by now
    assert refresher.refresh().new == 2
    run = Run.open(shop.run)
    assert run.engine.features.tokens.listings == len(run.listing_ids) == len(shop.market.listings) + 2


@pytest.mark.slow
def test_what_an_interruption_left_undone_in_the_market_is_done_at_the_next_start(shop, monkeypatch):
    shop.deliver("a", listings=new_listings(shop.market, 3), events=new_events(shop.market, [], 12, 10))

    def interrupted(source: Path, target: Path) -> None:
        copy_file(source, target)
        if target.parent == shop.market.path:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("listing_vibes.serving.refresh.market_tables.copy_file", interrupted)
        shop.refresher().refresh()
    assert Run.open(shop.run).generation == 1  # readers have it already
    assert not shop.refresher().refresh().published
    assert Market.open(shop.market.path).fingerprint == Run.open(shop.run).manifest.fingerprint


@pytest.mark.slow
def test_a_refresh_of_csv_tables_leaves_one_file_for_each_table_also_after_its_death(shop, monkeypatch):
    folder = shop.market.path
    for name in ("listings", "events"):
        pd.read_parquet(folder / f"{name}.parquet").to_csv(folder / f"{name}.csv", index=False)
        (folder / f"{name}.parquet").unlink()
    embed_market(Market.open(folder), shop.run, None, shop.run)
    shop.deliver("a", listings=new_listings(shop.market, 1))

    def die_after_the_copy(source: Path, target: Path) -> None:
        copy_file(source, target)
        if target.suffix == ".parquet" and target.parent == folder:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("listing_vibes.serving.refresh.market_tables.copy_file", die_after_the_copy)
        shop.refresher().refresh()
    assert {"listings.csv", "listings.parquet"} <= {file.name for file in folder.iterdir()}
    shop.refresher().refresh()
    assert {file.name for file in folder.glob("listings.*")} == {"listings.parquet"}
    assert len(Market.open(folder).listings) == len(shop.market.listings) + 1


@pytest.mark.slow
def test_a_market_folder_that_could_not_be_written_follows_at_the_next_look(shop, monkeypatch):
    shop.deliver("a", listings=new_listings(shop.market, 3), events=new_events(shop.market, [], 12, 10))
    refresher = shop.refresher()

    def full(source: Path, target: Path) -> None:
        if target == shop.market.path / "events.parquet":
            raise VibesError("The disk is full.")
        copy_file(source, target)

    with monkeypatch.context() as patch, pytest.raises(VibesError, match="disk is full"):
        patch.setattr("listing_vibes.serving.refresh.market_tables.copy_file", full)
        refresher.refresh()
    assert Run.open(shop.run).generation == 1 and not refresher.refresh().published
    assert Market.open(shop.market.path).fingerprint == Run.open(shop.run).manifest.fingerprint


@pytest.mark.slow
def test_a_market_that_somebody_else_changed_is_refused(shop):
    refresher = shop.refresher()
    shop.deliver("a", listings=new_listings(shop.market, 1))
    refresher.refresh()
    market = Market.open(shop.market.path)
    market.events.iloc[:-1].to_parquet(market.path / "events.parquet", index=False)
    with pytest.raises(VibesError, match="vibes embed"):
        shop.refresher().refresh()
    embed_market(Market.open(market.path), shop.run, None, shop.run)
    assert Run.open(shop.run).generation == 0
    shop.deliver("b", listings=new_listings(shop.market, 2))
    assert shop.refresher().refresh().generation == 1


@pytest.mark.slow
def test_a_run_that_is_embedded_again_leaves_its_generations_behind(shop):
    tables = {path: path.read_bytes() for path in shop.market.path.iterdir() if path.is_file()}
    shop.deliver("a", listings=new_listings(shop.market, 1))
    shop.refresher().refresh()
    for path, content in tables.items():
        path.write_bytes(content)
    embed_market(
        Market.open(shop.market.path), shop.run, None, shop.run
    )  # with the run.toml that it had before
    run = Run.open(shop.run)
    assert run.generation == 0 and run.listing_ids == shop.market.listings[C.LISTING].tolist()


@pytest.mark.slow
def test_events_that_wait_for_a_listing_do_so_where_the_run_is_embedded_again(shop):
    fresh = new_listings(shop.market, 1)
    shop.deliver("a", events=new_events(shop.market, list(fresh[C.LISTING]), 12, 10))
    waiting = shop.refresher().refresh().waiting
    (shop.folder / "events" / "a.parquet").unlink()
    embed_market(Market.open(shop.market.path), shop.run, None, shop.run)
    shop.deliver("b", listings=fresh)
    look = shop.refresher().refresh()
    assert look.events == waiting > 0 and not look.waiting


@pytest.mark.slow
def test_what_was_mended_by_hand_stays_where_the_run_is_embedded_again(shop, monkeypatch):
    fresh = new_listings(shop.market, 2)
    shop.deliver("a", listings=fresh)
    with monkeypatch.context() as patched:  # Parquet does not tell it any more
        patched.setattr(
            "listing_vibes.serving.refresh.refresher.day_first", lambda raw: {"published_at": True}
        )
        shop.refresher().refresh()
    folder, (mended, lost) = shop.market.path, fresh[C.LISTING]
    table = pd.read_parquet(folder / "listings.parquet")
    table.loc[table[C.LISTING] == mended, "title"] = "Mended"
    table[table[C.LISTING] != lost].to_parquet(folder / "listings.parquet", index=False)
    for _ in range(2):  # also after a second embedding
        embed_market(Market.open(folder), shop.run, None, shop.run)
    refresher = shop.refresher()
    look = refresher.refresh()
    assert (look.new, look.changed) == (1, 0) and RefreshState.load(shop.run).day_first == {
        "published_at": True
    }
    titles = pd.read_parquet(folder / "listings.parquet").set_index(C.LISTING)["title"]
    assert titles[mended] == "Mended" and titles[lost] == fresh["title"].iloc[1]


@pytest.mark.slow
def test_a_market_that_cannot_be_written_is_told_before_anything_is_published(shop, monkeypatch):
    monkeypatch.setattr("listing_vibes.serving.refresh.market_tables.os.access", lambda *_: False)
    shop.deliver("a", listings=new_listings(shop.market, 1))
    with pytest.raises(VibesError, match="cannot be written, and a refresh"):
        shop.refresher().refresh()
    assert Run.open(shop.run).generation == 0


@pytest.mark.slow
def test_what_a_look_leaves_behind_is_not_kept(shop):
    rows, alive, stop = new_events(shop.market, [], 40, 10), [], threading.Event()

    def report(look: object) -> None:
        alive.append(sum(isinstance(one, Run) for one in gc.get_objects()))
        if len(alive) == 4:
            stop.set()
        number = len(alive) * 10
        shop.deliver(str(number), events=rows.iloc[number - 10 : number])

    with none_meanwhile():  # as in a process that makes little garbage
        sources = {"events": FileSource(shop.folder / "events")}
        keep_fresh(shop.run, sources, 0.01, stop, report)
    assert alive[3] == alive[2]


def test_one_refresh_at_a_time(shop):
    with (
        only_writer(shop.run, "vibes embed"),
        pytest.raises(VibesError, match=r"being written by `vibes embed` \(process \d+\)"),
        only_writer(shop.run, "vibes refresh"),
    ):
        pass


@pytest.mark.slow
def test_a_generation_lives_as_long_as_somebody_reads_it(shop):
    refresher = shop.refresher()
    reader = Run.open(shop.run)
    shop.deliver("0", listings=new_listings(shop.market, 1))
    refresher.refresh()
    assert reader.outdated
    reader = Run.open(shop.run)
    assert not reader.outdated
    for number in range(3):
        shop.deliver(f"{number + 1}", listings=new_listings(shop.market, number + 2))
        refresher.refresh()
    assert _kept(shop.run) == [1, 3, 4]
    assert reader.outdated and len(reader.market.listings) == len(reader.listing_ids)  # read only now
    del reader
    shop.deliver("5", listings=new_listings(shop.market, 6))
    refresher.refresh()
    assert _kept(shop.run) == [4, 5]


def _kept(run: Path) -> list[int]:
    return sorted(int(folder.name) for folder in (run / "versions").glob("0*"))


@pytest.mark.slow
def test_a_reader_that_opens_all_the_time_never_sees_half(shop):
    seen, errors, done = set(), [], threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                run = Run.open(shop.run)
                try:
                    market = run.market
                except (
                    VibesError
                ) as error:  # the tables of the first state are the folder itself, which moves on
                    assert run.generation == 0 and run.outdated and "open it again" in str(error)
                    continue
                same = market.fingerprint == run.manifest.fingerprint
                assert same or (run.generation == 0 and run.outdated)
                assert run.listing_ids == market.listings[C.LISTING].tolist()
                assert len(run.vectors("model")) == len(run.listing_ids)
                assert set(run.pushes["candidate_id"]) <= set(run.listing_ids)
                Market.open(market.path)  # the folder itself has whole tables at any moment, too
                seen.add((run.generation, len(run.listing_ids), len(market.events)))
            except Exception as error:
                errors.append(error)
                return

    def wait_for(generation: int) -> None:
        until = time.monotonic() + 120
        while not errors and generation not in {one for one, *_ in seen} and time.monotonic() < until:
            time.sleep(0.01)

    thread = threading.Thread(target=read)
    thread.start()
    wait_for(0)
    refresher = shop.refresher()
    for number in range(4):
        rows = new_listings(shop.market, 2 * (number + 1))
        shop.deliver(f"{number}", listings=rows, events=new_events(shop.market, [], 12, 10, seed=number))
        refresher.refresh()
    wait_for(4)
    done.set()
    thread.join()
    assert not errors
    start = (len(shop.market.listings), len(shop.market.events))
    assert seen <= {(n, start[0] + 2 * n, start[1] + 12 * n) for n in range(5)}
    assert {0, 4} <= {generation for generation, *_ in seen}


@pytest.mark.slow
def test_the_tables_of_a_state_that_was_replaced_are_not_taken_for_its_own(shop):
    read, late = Run.open(shop.run), Run.open(shop.run)
    assert len(read.market.listings) == len(read.listing_ids)
    shop.deliver("0", listings=new_listings(shop.market, 2))
    shop.refresher().refresh()
    assert len(read.market.listings) == len(read.listing_ids)  # it was read before
    with pytest.raises(VibesError, match="was refreshed or embedded anew since it was opened; open it again"):
        late.market  # noqa: B018


@pytest.mark.slow
def test_what_cannot_be_read_is_told_and_stops_nothing_else(shop):
    shop.deliver("a", listings=pd.DataFrame({"id": [1]}))
    (shop.folder / "listings" / "b.parquet").write_bytes(b"half")
    shop.deliver("c", listings=new_listings(shop.market, 2))
    look = shop.refresher().refresh()
    assert look.new == 2 and len(look.problems) == 2
    assert "a.parquet" in look.problems[1] and "b.parquet" in look.problems[0]
    shop.deliver("b", listings=new_listings(shop.market, 3))  # whole by now
    look = shop.refresher().refresh()
    assert look.new == 1 and len(look.problems) == 1


@pytest.mark.slow
def test_what_was_inferred_at_first_stays_whatever_new_rows_hold(trained, tmp_path):
    run = copied(trained, tmp_path)
    toml = run.market.path / "market.toml"
    if toml.exists():
        toml.unlink()
    market = Market.open(run.market.path)
    embed_market(market, run.path, None, run.path)
    shop = Shop(Run.open(run.path), tmp_path)
    odd = new_listings(shop.market, 200)
    for attribute in market.attributes:
        if attribute.kind == "category":
            odd[attribute.name] = [f"{number}.5" for number in range(len(odd))]
    shop.deliver("a", listings=odd)
    shop.refresher().refresh()
    kinds = {a.name: a.kind for a in Run.open(shop.run).market.attributes}
    assert kinds == {a.name: a.kind for a in market.attributes}


@pytest.mark.slow
def test_what_came_first_in_dates_is_known_after_the_table_was_written_anew(tmp_path):
    market, new = tmp_path / "market", tmp_path / "new"
    market.mkdir(), new.mkdir()
    (market / "listings.csv").write_text("listing_id,price,published_at\na,1,13/01/2024\nb,2,01/02/2024\n")
    embed_market(Market.open(market), tmp_path / "run", None, None)
    for name in ("c", "d"):
        (new / f"{name}.csv").write_text(f"listing_id,price,published_at\n{name},3,05/06/2024\n")
        assert not Refresher(tmp_path / "run", {"listings": FileSource(new)}).refresh().problems
    told = Market.open(market).listings
    assert told[C.PUBLISHED].tolist()[2:] == [pd.Timestamp("2024-06-05", tz="UTC")] * 2
