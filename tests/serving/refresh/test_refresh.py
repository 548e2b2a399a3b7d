"""Refreshing a run: what is new is visible, equals a full rebuild, costs what is new, and is there in full or not at all."""

import gc
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.copies import change_settings, copied
from helpers.newcomers import Shop, new_events, new_listings
from helpers.waiting import wait_until
from listing_vibes.errors import VibesError
from listing_vibes.features.content_spaces import AttributeSpace
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.durable import copy_file, only_writer
from listing_vibes.market.market import Market
from listing_vibes.market.values import no_garbage_collection
from listing_vibes.progress import Counted
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.run import Run
from listing_vibes.run.versions import stamp_of
from listing_vibes.serving.refresh import publication
from listing_vibes.serving.refresh.polls import FileSource
from listing_vibes.serving.refresh.refresher import RefreshCanceled, keep_fresh


@pytest.fixture
def shop(trained, tmp_path) -> Shop:
    return Shop(copied(trained, tmp_path), tmp_path)


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
def test_what_is_new_equals_a_full_rebuild_at_the_price_of_what_is_new(shop, tmp_path, networks):
    fresh = new_listings(shop.market, 6)
    old = shop.market.listings[C.LISTING].iloc[[3, 50]]
    other = shop.market.listings[shop.market.listings[C.LISTING].isin(old)].assign(price=123.0)
    shop.deliver("a", listings=pd.concat([fresh, other]))
    shop.deliver("a", events=new_events(shop.market, list(fresh[C.LISTING]), 40, 10))
    refresher = shop.refresher()
    result = refresher.refresh()
    assert (result.version, result.events, result.users, result.new, result.changed) == (1, 40, 10, 6, 2)
    assert sum(networks) == 8  # listings

    opened, market = Run.open(shop.run), Market.open(shop.market.path)
    assert opened.version == 1 and not opened.market_changed and shop.is_followed()
    assert not opened.transferred and opened.manifest.trained_on != opened.manifest.fingerprint
    embed_market(market, tmp_path / "rebuilt", None, shop.run)
    rebuilt = Run.open(change_settings(tmp_path / "rebuilt", blend=None))
    assert opened.listing_ids == rebuilt.listing_ids == market.listings[C.LISTING].tolist()
    attributes = AttributeSpace.of(market, opened.manifest.attribute_weights)  # a refresh fits no weights
    for space in rebuilt.spaces:
        expected = attributes.vectors() if space == "attributes" else rebuilt.vectors(space)
        np.testing.assert_allclose(opened.vectors(space), expected, atol=2e-3)
    for name, array in vars(rebuilt.engine.features.tokens).items():
        np.testing.assert_array_equal(getattr(opened.engine.features.tokens, name), array, err_msg=name)
    for user in market.events[C.USER].unique()[:3]:
        assert opened.recommend(user)[C.LISTING].tolist() == rebuilt.recommend(user)[C.LISTING].tolist()

    # The same rows again, in another file and another process, change nothing.
    shop.deliver("again", events=new_events(shop.market, list(fresh[C.LISTING]), 40, 10))
    assert not refresher.refresh().published and not shop.refresh().published

    # A listing that expires costs no encoding and is recommended no more.
    user, before = market.events[C.USER].iloc[0], market.listings.set_index(C.LISTING)
    expiring = opened.recommend(user)[C.LISTING].iloc[0]
    networks.clear()
    first = shop.market.events[C.TIMESTAMP].min()
    shop.deliver("gone", listings=pd.DataFrame({C.LISTING: [expiring], C.EXPIRES: [first]}))
    result = refresher.refresh()
    assert result.published and result.expired == 1 and not networks
    run = Run.open(shop.run)
    now = run.market.listings.set_index(C.LISTING).loc[expiring]
    assert now.drop(C.EXPIRES).equals(before.loc[expiring].drop(C.EXPIRES))  # other columns keep their values
    assert expiring not in run.recommend(user)[C.LISTING].tolist()


@pytest.mark.slow
def test_events_wait_for_their_listing_and_for_their_time(shop):
    events = new_events(shop.market, ["fresh-0"], 6, 3)
    events[C.LISTING] = "fresh-0"
    events.loc[0, C.LISTING] = shop.market.listings[C.LISTING].iloc[0]
    events.loc[0, C.TIMESTAMP] = pd.Timestamp.now("UTC").ceil("s") + pd.Timedelta(days=1)
    shop.deliver("a", events=events)
    result = shop.refresh()
    assert (result.published, result.events, result.waiting) == (True, 0, 6)
    assert len(Run.open(shop.run).log) == len(shop.market.events)
    (shop.folder / "events" / "a.parquet").unlink()  # it was read
    embed_market(Market.open(shop.market.path), shop.run, None, shop.run)
    shop.deliver("a", listings=new_listings(shop.market, 1))
    assert shop.refresh().new == 1
    assert len(Run.open(shop.run).log) == len(shop.market.events) + 5
    later = pd.Timestamp.now("UTC") + pd.Timedelta(days=2)
    assert len(Market.open(shop.market.path, now=later).events) == len(shop.market.events) + 6


@pytest.mark.slow
@pytest.mark.parametrize("moment", [3, 6])  # with the tables written; with the new listings encoded
def test_a_refresh_that_is_stopped_leaves_nothing_and_the_next_one_does_it_all(shop, moment):
    shop.deliver("a", listings=new_listings(shop.market, 3))
    before, calls = Market.open(shop.market.path).fingerprint, []

    def stop() -> None:
        calls.append(1)
        if len(calls) == moment:
            raise RefreshCanceled

    refresher = shop.refresher(tick=stop)
    with pytest.raises(RefreshCanceled):
        refresher.refresh()
    assert stamp_of(shop.run).version == 0 and not list((shop.run / "versions").iterdir())
    assert Market.open(shop.market.path).fingerprint == before
    shop.deliver("a", listings=new_listings(shop.market, 2))  # another file by now
    assert refresher.refresh().new == 2
    run = Run.open(shop.run)
    assert run.engine.features.tokens.listings == len(run.listing_ids) == len(shop.market.listings) + 2


@pytest.mark.slow
def test_a_market_folder_that_was_left_half_way_follows_at_the_next_refresh(shop, monkeypatch):
    folder = shop.market.path
    for name in ("listings", "events"):
        pd.read_parquet(folder / f"{name}.parquet").to_csv(folder / f"{name}.csv", index=False)
        (folder / f"{name}.parquet").unlink()
    embed_market(Market.open(folder), shop.run, None, shop.run)

    def die_after_a_copy(source: Path, target: Path) -> None:
        copy_file(source, target)
        if target == folder / "listings.parquet":
            raise KeyboardInterrupt

    def find_the_disk_full(source: Path, target: Path) -> None:
        if target == folder / "events.parquet":
            raise VibesError("The disk is full.")
        copy_file(source, target)

    for number, (copy, error) in enumerate(
        ((die_after_a_copy, KeyboardInterrupt), (find_the_disk_full, VibesError)), start=2
    ):
        events = new_events(shop.market, [], 12, 10, seed=number)
        shop.deliver(str(number), listings=new_listings(shop.market, number), events=events)
        with monkeypatch.context() as patch, pytest.raises(error):
            patch.setattr(publication, "copy_file", copy)
            shop.refresh()
        assert Run.open(shop.run).version == number  # readers have it already
        assert not shop.refresh().published and shop.is_followed()
        assert {file.name for file in folder.glob("listings.*")} == {"listings.parquet"}


@pytest.mark.slow
def test_a_market_that_was_changed_by_hand_is_refused_until_it_is_embedded_and_stays_as_it_is(shop):
    fresh, folder = new_listings(shop.market, 2), shop.market.path
    shop.deliver("a", listings=fresh)
    shop.refresh()
    corrected, lost = fresh[C.LISTING]
    table = pd.read_parquet(folder / "listings.parquet")
    table.loc[table[C.LISTING] == corrected, "title"] = "Corrected"
    table[table[C.LISTING] != lost].to_parquet(folder / "listings.parquet", index=False)
    with pytest.raises(VibesError, match="vibes embed"):
        shop.refresh()
    for _ in range(2):  # also after a second embedding
        embed_market(Market.open(folder), shop.run, None, shop.run)
    opened = Run.open(shop.run)
    assert opened.version == 3 and opened.created_folder == opened.folder
    result = shop.refresh()
    assert (result.new, result.changed) == (1, 0)
    titles = pd.read_parquet(folder / "listings.parquet").set_index(C.LISTING)["title"]
    assert titles[corrected] == "Corrected" and titles[lost] == fresh["title"].iloc[1]


def test_a_market_that_cannot_be_written_and_a_run_that_is_written_are_refused(shop, monkeypatch):
    with only_writer(shop.run, "vibes embed"), pytest.raises(VibesError, match="`vibes embed`"):
        shop.refresh()
    monkeypatch.setattr("listing_vibes.serving.refresh.publication.os.access", lambda *_: False)
    with pytest.raises(VibesError, match="cannot be written, and a refresh"):
        shop.refresh()


@pytest.mark.slow
def test_a_command_reports_its_progress_and_names_files_as_one_types_them(tmp_path, trained, monkeypatch):
    run = copied(trained, tmp_path)
    monkeypatch.chdir(tmp_path)
    for number in range(2):  # the second one starts from a version
        shop = Shop(Run.open(run.path), tmp_path / str(number))
        shop.deliver("a", listings=new_listings(shop.market, 3 + number))
        updates: list[object] = []
        result = shop.refresher(report=updates.append).refresh()
        assert result.wrote == ["market/listings.parquet"]
        assert any(isinstance(update, Counted) for update in updates)


@pytest.mark.slow
def test_what_a_refresh_leaves_behind_is_not_held(shop):
    rows, alive, stop = new_events(shop.market, [], 40, 10), [], threading.Event()

    def report() -> None:
        alive.append(sum(isinstance(one, Run) for one in gc.get_objects()))
        if len(alive) == 4:
            stop.set()
        number = len(alive) * 10
        shop.deliver(str(number), events=rows.iloc[number - 10 : number])

    with no_garbage_collection():  # as in a process that makes little garbage
        for _ in keep_fresh(shop.run, {"events": FileSource(shop.folder / "events")}, 0.01, stop):
            report()
    assert alive[3] == alive[2]


@pytest.mark.slow
def test_a_version_lives_as_long_as_it_is_read(shop):
    first = Run.open(shop.run)
    assert len(first.market.listings) == len(first.listing_ids)
    late = Run.open(shop.run)

    def refresh(number: int) -> list[str]:
        shop.deliver(f"{number}", listings=new_listings(shop.market, number + 1))
        shop.refresh()
        gc.collect()
        return sorted(folder.name for folder in (shop.run / "versions").glob("0*"))

    refresh(0)
    assert first.outdated and len(first.market.listings) == len(first.listing_ids)  # it was read before
    with pytest.raises(VibesError, match="open it again"):
        late.market  # noqa: B018
    reader = Run.open(shop.run)
    assert [refresh(number)[0] for number in (1, 2)] == ["000001"] * 2
    assert reader.outdated and len(reader.market.listings) == len(reader.listing_ids)  # read only now
    del reader
    gc.collect()
    assert "000001" not in refresh(3)


@pytest.mark.slow
def test_a_reader_that_opens_all_the_time_never_sees_half(shop):
    seen, errors, done = set(), [], threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                run = Run.open(shop.run)
                try:
                    market = run.market
                    n_listings, n_events = len(market.listings), len(market.events)  # events are read now
                except VibesError:  # the tables of the first state are the folder itself, which moves on
                    assert run.version == 0 and run.outdated
                    continue
                is_same = market.fingerprint == run.manifest.fingerprint
                assert is_same or (run.version == 0 and run.outdated)
                assert run.listing_ids == market.listings[C.LISTING].tolist()
                assert len(run.vectors("model")) == n_listings
                Market.open(market.path)  # the folder itself has complete tables at any moment, too
                seen.add((run.version, n_listings, n_events))
            except Exception as error:
                errors.append(error)
                return

    def wait_for(version: int) -> None:
        wait_until(lambda: errors or version in {one for one, *_ in seen})

    thread = threading.Thread(target=read)
    thread.start()
    wait_for(0)
    for number in range(2):
        rows = new_listings(shop.market, 2 * (number + 1))
        shop.deliver(f"{number}", listings=rows, events=new_events(shop.market, [], 12, 10, seed=number))
        shop.refresh()
    wait_for(2)
    done.set()
    thread.join()
    assert not errors
    start = (len(shop.market.listings), len(shop.market.events))
    assert seen <= {(n, start[0] + 2 * n, start[1] + 12 * n) for n in range(3)}
    assert {0, 2} <= {version for version, *_ in seen}


@pytest.mark.slow
def test_types_that_were_inferred_at_first_stay(trained, tmp_path):
    run = copied(trained, tmp_path)
    (run.market.path / "market.toml").unlink(missing_ok=True)
    market = Market.open(run.market.path)
    embed_market(market, run.path, None, run.path)
    shop = Shop(Run.open(run.path), tmp_path)
    odd = new_listings(shop.market, 200)
    for attribute in market.attributes:
        if attribute.kind == "category":
            odd[attribute.name] = [f"{number}.5" for number in range(len(odd))]
    shop.deliver("a", listings=odd)
    shop.refresh()
    kinds = {a.name: a.kind for a in Run.open(shop.run).market.attributes}
    assert kinds == {a.name: a.kind for a in market.attributes}
