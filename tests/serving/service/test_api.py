"""The service's answers: those of the run, whoever else is in the batch; problems as sentences; the newest state."""

import asyncio
import base64
import html
import re
import time
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families

from helpers.copies import copied, resealed
from helpers.newcomers import new_events, new_listings
from helpers.serving import serving
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.fits import Fit, save_fits
from listing_vibes.run.histories import Event
from listing_vibes.run.rules import Rules
from listing_vibes.run.run import Run
from listing_vibes.run.spaces import embed_market
from listing_vibes.serving.refresh.refresher import Refresher
from listing_vibes.serving.refresh.sources import FileSource
from listing_vibes.serving.service.api import Options, make_app
from listing_vibes.serving.service.newest import NewestState
from listing_vibes.serving.service.requests import Recommend, Similar
from listing_vibes.serving.service.served import Served


@pytest.fixture(scope="module")
def current(trained) -> NewestState:
    return NewestState(trained.path)


@pytest.fixture(scope="module")
def client(current):
    with serving(
        make_app(current, Options(bodies={"/embed": 2**20, "/recommend": 2**20})),
        raise_server_exceptions=False,
    ) as client:
        yield client


def same(found: list[dict], frame: pd.DataFrame) -> None:
    assert [one["listing_id"] for one in found] == frame[C.LISTING].tolist()
    np.testing.assert_allclose([one["score"] for one in found], frame["score"], atol=2e-3)


def test_answers_are_those_of_the_run(client, trained):
    listing, user = trained.listing_ids[7], trained.log.users[3]
    same(client.get(f"/similar/{listing}?k=5").json()["results"], trained.similar(listing, 5, "model"))
    other = client.get(f"/similar/{listing}?k=5&space=attributes").json()["results"]
    same(other, trained.similar(listing, 5, "attributes"))
    same(client.get(f"/recommend/{user}?k=9").json()["results"], trained.recommend(user, 9))
    at = pd.Timestamp(int(trained.log.time[trained.log.start[4] - 1]), tz="UTC")
    answer = client.get(f"/recommend/{user}", params={"k": 9, "at": at.isoformat()})
    same(answer.json()["results"], trained.recommend(user, 9, at))


def test_an_empty_list_says_why_it_is_empty(client, trained):
    user, listing = trained.log.users[3], trained.listing_ids[7]
    asked = {"where": "price<=0"}
    for path in (f"/recommend/{user}", f"/similar/{listing}"):
        answer = client.get(path, params=asked).json()
        assert answer["results"] == [] and "fulfils 'price<=0'" in answer["nothing"]
        assert "nothing" not in client.get(path).json()
    told = {"history": [{"listing_id": listing}], "at": "1990-01-01"}
    assert "none is live at that moment" in client.post("/recommend", json=told).json()["nothing"]


def test_a_posted_history_is_answered_as_the_run_does_without_listings_it_does_not_know(client, trained):
    told = [
        {"listing_id": trained.listing_ids[2], "action": "view", "duration_s": 12.5},
        {"listing_id": "sold-long-ago"},
        {"listing_id": trained.listing_ids[9]},
    ]
    answer = client.post("/recommend", json={"history": told, "k": 6}).json()
    assert answer["unknown"] == ["sold-long-ago"]
    same(answer["results"], trained.recommend(pd.DataFrame([told[0], told[2]]), 6))


@pytest.mark.slow
def test_beside_recency_answers_are_those_of_the_row(trained, tmp_path):
    run = copied(trained, tmp_path)
    save_fits(run.path, [Fit(name="model only + recency", weight=0.4, days=20)])
    log, listing = run.log, run.listing_ids[7]
    at = pd.Timestamp(int(log.time[log.start[4] - 1]), tz="UTC")
    told = pd.DataFrame({C.LISTING: [run.listing_ids[2], run.listing_ids[9]]})
    with serving(make_app(NewestState(run.path, "recency"))) as client:
        same(client.get(f"/similar/{listing}?k=5").json()["results"], run.similar(listing, 5, "model"))
        for user, moment in ((log.users[3], None), (log.users[3], at), (told, None), (told, at)):
            params = {"k": 9} | ({} if moment is None else {"at": moment.isoformat()})
            if isinstance(user, str):
                answer = client.get(f"/recommend/{user}", params=params)
            else:
                answer = client.post("/recommend", json={"history": user.to_dict("records"), **params})
            same(answer.json()["results"], run.recommend(user, 9, moment, beside="recency"))
        later = client.get(f"/recommend/{log.users[3]}", params={"k": 1, "at": "now"}).json()["results"]
        assert later == [] or later[0]["score"] <= 1.001  # years later nothing is recent


@pytest.mark.slow
@pytest.mark.parametrize("history", ["cls", "listing-vectors"])
def test_a_batch_answers_each_as_if_it_were_alone(trained, tmp_path, history):
    """Whatever the model reads a history as, and with bad requests between the good ones."""
    served = Served(_with_history(trained, tmp_path, history))
    users, ids = served.run.log.users, served.run.listing_ids
    at = str(
        pd.Timestamp(int(served.run.log.time[served.run.log.start[1] - 1]))
    )  # the last event of the first user
    requests = [
        Recommend(users[0], [], Rules(k=7)), Similar("nowhere", Rules(k=3)), Similar(ids[1], Rules(k=40), "attributes"),
        Recommend(None, [Event(ids[5], "message", 99.0), Event(ids[6])], Rules(k=3)), Recommend("nobody", [], Rules(k=3)),
        Recommend(users[1], [], Rules(k=12)), Similar(ids[2], Rules(k=2)), Recommend(users[0], [], Rules(k=4), at),
    ]  # fmt: skip
    together = served.answer(requests)
    for request, found in zip(requests, together, strict=True):
        alone = served.answer([request])[0]
        if isinstance(found, Exception):
            assert str(found) == str(alone)
            continue
        assert found.listings == alone.listings and len(found.listings) == request.rules.k
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-5)
    assert [isinstance(found, Exception) for found in together].count(True) == 1
    assert [getattr(found, "fallback", False) for found in together].index(True) == 4  # nobody has a history


def _with_history(trained, folder, history: str):
    """The run of an untrained model that reads histories in another way, over the same market."""
    import torch

    from listing_vibes.market.market import Market
    from listing_vibes.model.checkpoint import save_weights
    from listing_vibes.model.encoder import ListingModel
    from listing_vibes.run.spaces import embed_market

    made = copied(trained, folder)
    settings = made.manifest.settings.model_copy(
        update={"history": history, "inference": "plain", "positions": None}
    )
    made.manifest.model_copy(update={"settings": settings}).save(made.path)
    torch.manual_seed(0)
    save_weights(
        made.path / "model.safetensors", ListingModel.of(made.engine.featurizer.vocabulary, settings)
    )
    resealed(made.path)
    embed_market(Market.open(made.market.path), made.path, None, made.path)
    return made.path


def test_a_posted_listing_gets_the_vectors_of_the_run(client, trained):
    market = trained.market
    row = market.listings.iloc[4]
    cells = {a.name: row[a.name] for a in market.attributes if a.kind != "place"}
    cells = {name: value.item() if hasattr(value, "item") else value for name, value in cells.items()}
    cells |= {name: float(row[name]) for name in (C.LATITUDE, C.LONGITUDE)}
    answer = client.post("/embed", json={"attributes": cells, "k": 3}).json()
    assert set(answer["vectors"]) == {"model"} and answer["broken"] == {}
    np.testing.assert_allclose(answer["vectors"]["model"], trained.vectors("model")[4], atol=2e-3)
    nearest = answer["similar"]["model"]
    assert nearest[0]["listing_id"] == trained.listing_ids[4] and len(nearest) == 3


EVENT = {"listing_id": "home-0001"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/similar/nowhere", None, 404, "no listing 'nowhere'"),
        ("GET", "/similar/home-0001?space=sound", None, 422, "no space 'sound'"),
        ("GET", "/similar/home-0001?k=0", None, 422, "k is '0'; input should be greater"),
        ("GET", "/recommend/user-0001?at=noon", None, 422, "at is 'noon'; give a date"),
        ("POST", "/recommend", {"history": [EVENT] * 1001}, 422, "at most 1000 items"),
        ("POST", "/recommend", {}, 422, "history is missing"),
        ("POST", "/recommend", {"history": [EVENT], "top": 3}, 422, "top is unknown"),
        ("POST", "/recommend", {"history": [EVENT | {"action": "stare"}]}, 422, "action 'stare'"),
        ("POST", "/recommend", {"history": [EVENT | {"duration_s": -1}]}, 422, "history.0.duration_s is -1"),
        ("POST", "/recommend", {"history": [EVENT | {"duration_s": 1e308}]}, 422, "duration_s is 1e+308"),
        ("POST", "/recommend", "{", 422, "no JSON"),
        ("POST", "/embed", {"attributes": {"colour": "red"}}, 422, "no attribute 'colour'"),
        ("POST", "/embed", {"attributes": {"price": "a lot"}}, 422, "is 'a lot'; give a number"),
        ("POST", "/embed", {"photos": ["%"]}, 422, "photos.0 is no base64"),
        ("POST", "/embed", {"spaces": ["sound"]}, 422, "no space 'sound'"),
        ("POST", "/embed", {"photos": ["A" * 2**20]}, 413, "larger than 1 MiB"),
        ("GET", "/similar/home-0001?top=3", None, 422, "top is unknown"),
        ("GET", "/recommend/user-0001?where=rooms", None, 422, "where is 'rooms'"),
        ("GET", "/recommend/user-0001?with=luck", None, 422, "does not say how to weigh"),
        ("GET", "/nowhere", None, 404, "nothing at /nowhere"),
        ("PUT", "/recommend", None, 405, "not possible at /recommend"),
    ],
)
def test_a_problem_is_one_sentence(client, method, path, body, status, words):
    sent = (
        {"content": body, "headers": {"content-type": "application/json"}} if body == "{" else {"json": body}
    )
    answer = client.request(method, path, **sent)
    assert answer.status_code == status and set(answer.json()) == {"error"}
    sentence = answer.json()["error"]
    assert words in sentence and sentence.endswith(".") and "\n" not in sentence


def test_without_a_history_the_answer_is_popular_and_recent_listings(client, trained):
    rules = {"where": "rooms>=3", "at_most": 2, "seller": "district"}
    popular = trained.recommend([], 6, rules=rules)
    assert popular["fallback"].all() and len(popular) == 6
    nobody, last = "nobody?k=6&where=rooms>=3&at_most=2&seller=district", trained.log.users[-1]
    posted = rules | {"where": [rules["where"]], "k": 6}
    for answer in (
        client.get(f"/recommend/{nobody}"),
        client.get(f"/recommend/{nobody}&why=1"),
        client.post("/recommend", json=posted | {"history": []}),
        client.post("/recommend", json=posted | {"history": ["nowhere"]}),
    ):
        found = answer.json()
        assert answer.status_code == 200 and found["fallback"] is True, found
        assert found["scorer"] == "popular and recent listings" and last not in answer.text
        assert [one["listing_id"] for one in found["results"]] == popular[C.LISTING].tolist()
    assert found["unknown"] == ["nowhere"]
    known = client.get(f"/recommend/{last}").json()
    assert "fallback" not in known and "scorer" not in known
    before = client.get(f"/recommend/{last}?at=2001-01-01").json()
    assert before["fallback"] is True


def test_a_posted_history_may_be_plain_ids(client):
    ids = ["home-0003", {"listing_id": "home-0004", "action": "view"}]
    events = [{"listing_id": "home-0003"}, ids[1]]
    found = [client.post("/recommend", json={"history": one}).json() for one in (ids, events)]
    assert found[0] == found[1] and found[0]["results"]
    refused = client.post("/recommend", json={"history": ["home-0003", 4]})
    assert refused.status_code == 422 and refused.json()["error"].startswith("history.1 is 4;")


def test_a_body_without_a_length_is_cut_off_too(client):
    answer = client.post("/embed", content=(b" " * 2**18 for _ in range(5)))
    assert answer.status_code == 413 and "larger than 1 MiB" in answer.json()["error"]


def test_a_fault_is_answered_and_tells_nothing_of_the_inside(client, monkeypatch):
    def broken(served, requests):
        raise RuntimeError("secret")

    monkeypatch.setattr(Served, "answer", broken)
    answer = client.get("/similar/home-0001")
    assert answer.status_code == 500 and "secret" not in answer.text
    monkeypatch.undo()
    assert client.get("/similar/home-0001").status_code == 200


def test_a_broken_photo_is_told(client):
    photo = base64.b64encode(b"no image").decode()
    answer = client.post("/embed", json={"photos": [photo]})
    assert answer.status_code == 200 and set(answer.json()["vectors"]) == {"model"}


def test_metrics_count_requests_by_route_and_status(client):
    def counted() -> dict[tuple[str, str], float]:
        families = text_string_to_metric_families(client.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        assert {"vibes_batch_requests_count", "vibes_waiting_requests"} <= {one.name for one in samples}
        return {
            (one.labels["path"], one.labels["status"]): one.value
            for one in samples
            if one.name == "vibes_requests_total"
        }

    before = counted()
    for listing in ("home-0001", "home-0002", "nowhere"):
        client.get(f"/similar/{listing}")
    after = counted()
    path = "/similar/{listing_id}"
    assert after[path, "200"] - before.get((path, "200"), 0) == 2
    assert after[path, "404"] - before.get((path, "404"), 0) == 1
    assert all("home" not in path for path, _ in after)


def test_the_openapi_document_names_every_address_and_problem(client):
    document = client.get("/openapi.json").json()
    paths = {"/similar/{listing_id}", "/recommend/{user_id}", "/recommend", "/embed", "/health", "/metrics"}
    assert set(document["paths"]) == paths
    always = {"200", "421", "422", "500", "503"}
    assert all(
        always <= set(one["responses"]) for path in document["paths"].values() for one in path.values()
    )
    assert "404" in document["paths"]["/similar/{listing_id}"]["get"]["responses"]
    assert "413" in document["paths"]["/recommend"]["post"]["responses"]
    problem = document["paths"]["/recommend"]["post"]["responses"]["422"]
    assert problem["content"]["application/json"]["schema"]["$ref"].endswith("/Problem")


def test_the_page_of_the_api_describes_the_document_and_loads_nothing(client):
    document, answer = client.get("/openapi.json").json(), client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'unsafe-inline';"
    )
    page = html.unescape(answer.text)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path}" in page and operation["description"] in page
    for name in ("history[].listing_id", "diversity", "results[].why.events[].adds"):
        assert f"<code>{name}</code>" in page
    assert not re.search(r"<script|<link|<img|src=|url\(|https?://", page)
    assert client.get("/openapi.json").content == client.get("/openapi.json").content


def test_ids_may_have_slashes(tmp_path):
    (tmp_path / "market").mkdir()
    table = "listing_id,price,town\nSKU/1,100,Ulm\nSKU/2,110,Ulm\nSKU/2/b?,300,Bonn\n"
    (tmp_path / "market" / "listings.csv").write_text(table)
    embed_market(Market.open(tmp_path / "market"), tmp_path / "run", None, None)
    with serving(make_app(NewestState(tmp_path / "run"))) as client:
        for listing in ("SKU/1", "SKU/2/b?"):
            answer = client.get(f"/similar/{quote(listing, safe='')}?k=2")
            found = [one["listing_id"] for one in answer.json()["results"]]
            assert found == Run.open(tmp_path / "run").similar(listing, 2, "attributes")[C.LISTING].tolist()
        missing = client.get("/similar/SKU/3")
        assert missing.status_code == 404 and "no listing 'SKU/3'" in missing.json()["error"]
        assert 'path="/similar/{listing_id}",status="404"' in client.get("/metrics").text
        user = client.get("/recommend/a%2Fb")
        assert user.status_code == 200 and user.json()["fallback"] is True


def test_a_run_without_a_model_serves_neighbours(bare):
    with serving(make_app(NewestState(bare.path))) as client:
        assert client.get("/health").json()["model"] is False
        same(
            client.get(f"/similar/{bare.listing_ids[0]}").json()["results"],
            bare.similar(bare.listing_ids[0], space="attributes"),
        )
        history = {"history": [{"listing_id": bare.listing_ids[0]}]}
        found = client.post("/recommend", json=history).json()
        same(found["results"], bare.recommend(bare.listing_ids[:1]))
        assert found["scorer"] == "untrained neighbors"
        refused = client.post("/recommend", json=history | {"why": True})
        assert refused.status_code == 422 and "no trained model" in refused.json()["error"]
        assert set(client.post("/embed", json={"attributes": {"price": 90}}).json()["vectors"]) == {
            "attributes"
        }


@pytest.mark.slow
def test_a_refreshed_run_takes_the_place_of_the_one_in_use(trained, tmp_path):
    run = copied(trained, tmp_path)
    for name in ("events", "listings"):
        (tmp_path / name).mkdir()
    fresh = new_listings(run.market, 3)
    fresh.to_parquet(tmp_path / "listings" / "a.parquet")
    new_events(run.market, list(fresh[C.LISTING]), 12, 4).to_parquet(tmp_path / "events" / "a.parquet")
    refresher = Refresher(run.path, {n: FileSource(tmp_path / n) for n in ("events", "listings")})
    with serving(make_app(NewestState(run.path), Options(look_every=0.02))) as client:
        name = fresh[C.LISTING].iloc[0]
        assert client.get(f"/similar/{name}").status_code == 404
        refresher.refresh()
        health = _until(client, lambda health: health["generation"] == 1)
        assert health["listings"] == len(trained.listing_ids) + 3 and health["problem"] == ""
        assert client.get(f"/similar/{name}").status_code == 200

        pointer = run.path / "current.json"
        whole = pointer.read_bytes()
        pointer.write_text("{")
        assert "current.json is damaged" in _until(client, lambda health: health["problem"])["problem"]
        assert client.get(f"/similar/{name}").status_code == 200  # the state in use goes on
        pointer.write_bytes(whole)
        _until(client, lambda health: not health["problem"])


def test_a_state_whose_opening_fails_in_an_unknown_way_is_tried_again(trained, tmp_path, monkeypatch):
    run = copied(trained, tmp_path)
    current, tries = NewestState(run.path), iter([IndexError("index 80 is out of bounds")])
    newer = current.served

    def opened():
        for error in tries:
            raise error
        return newer

    monkeypatch.setattr(current, "_outdated", lambda: True)
    monkeypatch.setattr(current, "_opened", opened)
    heard: list[tuple[bool, str]] = []

    async def two_looks() -> None:
        task = asyncio.create_task(current.follow(0.01, lambda good: heard.append((good, current.problem))))
        while len(heard) < 2 and not task.done():
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(two_looks())
    problem = "IndexError: index 80 is out of bounds"
    assert heard[:2] == [(False, problem), (True, problem)] and not current.problem


def _until(client, fulfilled) -> dict:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        health = client.get("/health").json()
        if fulfilled(health):
            return health
        time.sleep(0.02)
    raise AssertionError(f"not within 30 s: {health}")
