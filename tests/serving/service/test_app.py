"""The responses of the service: those of the run, whoever else is in the batch; problems as sentences; the newest state."""

import re
import subprocess
import sys
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from prometheus_client.parser import text_string_to_metric_families

from helpers.copies import copied
from helpers.newcomers import Shop, new_events, new_listings
from helpers.serving import app_of, listening, serving
from helpers.waiting import wait_until
from listing_vibes.market.columns import Columns as C
from listing_vibes.market.market import Market
from listing_vibes.run.embedding import embed_market
from listing_vibes.run.run import Run
from listing_vibes.run.versions import STATES
from listing_vibes.serving.forget import forget
from listing_vibes.serving.impressions import read_impressions
from listing_vibes.serving.service.access import Access
from listing_vibes.serving.service.lists import ListRequest, RunState
from listing_vibes.serving.service.models import PostedHistory, RecommendQuery, SimilarQuery

EVENT = {"listing_id": "home-0001"}


@pytest.fixture(scope="module")
def client(trained):
    with serving(app_of(trained.path), raise_server_exceptions=False) as client:
        yield client


def same(results: list[dict], frame: pd.DataFrame) -> None:
    assert [row["listing_id"] for row in results] == frame[C.LISTING].tolist()
    np.testing.assert_allclose([row["score"] for row in results], frame["score"], atol=2e-3)


def test_lists_are_those_of_the_run(client, trained):
    user = trained.log.users[3]
    same(client.get(f"/recommend/{user}?k=9").json()["results"], trained.recommend(user, 9))
    at = pd.Timestamp(int(trained.log.time[trained.log.start[4] - 1]), tz="UTC")
    response = client.get(f"/recommend/{user}", params={"k": 9, "at": at.isoformat()})
    same(response.json()["results"], trained.recommend(user, 9, at))
    history = [
        {"listing_id": trained.listing_ids[2], "action": "view", "duration_s": 12.5},
        "sold-long-ago",
        trained.listing_ids[9],
    ]
    posted = client.post("/recommend", json={"history": history, "k": 6}).json()
    expected = pd.DataFrame([history[0], {"listing_id": history[2]}])
    same(posted["results"], trained.recommend(expected, 6))
    assert posted["unknown"] == ["sold-long-ago"] and set(posted) == {"results", "unknown"}
    empty = client.get(f"/recommend/{user}", params={"where": "price<=0"}).json()
    assert empty["results"] == [] and "price<=0" in empty["empty_because"]


def test_a_batch_answers_each_request_as_if_it_were_alone(trained):
    """Also with bad requests between the good ones."""
    state = RunState(trained.path)
    users, ids = state.run.log.users, state.run.listing_ids
    at = str(pd.Timestamp(int(state.run.log.time[state.run.log.start[1] - 1])))
    history = [{"listing_id": ids[5], "action": "message", "duration_s": 99.0}, ids[6]]
    requests = [
        ListRequest(query, subject)
        for query, subject in (
            (RecommendQuery(k=7), users[0]), (SimilarQuery(k=3), "nowhere"), (SimilarQuery(k=40, space="attributes"), ids[1]),
            (PostedHistory(history=history, k=3), None), (RecommendQuery(k=3), "nobody"), (RecommendQuery(k=12), users[1]),
            (SimilarQuery(k=2), ids[2]), (RecommendQuery(k=4, at=at), users[0]),
        )
    ]  # fmt: skip
    together = state.answer(requests)
    assert [number for number, one in enumerate(together) if isinstance(one, Exception)] == [1]
    assert [number for number, one in enumerate(together) if number != 1 and one.results.fallback] == [4]
    for request, answer in zip(requests, together, strict=True):
        (alone,) = state.answer([request])
        if not isinstance(answer, Exception):
            rows, expected = answer.results.results, alone.results.results
            assert [row.listing_id for row in rows] == [row.listing_id for row in expected]
            assert len(rows) == request.query.k
            np.testing.assert_allclose(
                [row.score for row in rows], [row.score for row in expected], atol=2e-3
            )


def test_a_posted_listing_gets_the_vectors_of_the_run(client, trained):
    market = trained.market
    row = market.listings.iloc[4]
    cells = {a.name: row[a.name] for a in market.attributes if a.kind != "place"}
    cells = {name: value.item() if hasattr(value, "item") else value for name, value in cells.items()}
    cells |= {name: float(row[name]) for name in (C.LATITUDE, C.LONGITUDE)}
    response = client.post("/embed", json={"attributes": cells, "k": 3}).json()
    assert set(response["vectors"]) == {"model"} and response["broken"] == {}
    np.testing.assert_allclose(response["vectors"]["model"], trained.vectors("model")[4], atol=2e-3)
    nearest = response["similar"]["model"]
    assert nearest[0]["listing_id"] == trained.listing_ids[4] and len(nearest) == 3


def test_without_a_history_the_list_is_popular_and_recent_listings(client, trained):
    rules = {"where": "rooms>=3", "at_most": 2, "seller": "district"}
    popular = trained.recommend([], 6, rules=rules)[C.LISTING].tolist()
    query, body = "k=6&where=rooms>=3&at_most=2&seller=district", rules | {"where": ["rooms>=3"], "k": 6}
    for response in (
        client.get(f"/recommend/nobody?{query}"),
        client.get(f"/recommend/nobody?{query}&explain=1"),
        client.post("/recommend", json=body | {"history": []}),
        client.post("/recommend", json=body | {"history": ["nowhere"]}),
    ):
        document = response.json()
        assert response.status_code == 200 and document["fallback"] is True, document
        assert document["scorer"] == "popular and recent listings"
        assert [row["listing_id"] for row in document["results"]] == popular
    known = client.get(f"/recommend/{trained.log.users[-1]}").json()
    assert "fallback" not in known and "scorer" not in known


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "word"),
    [
        ("GET", "/similar/nowhere", None, 404, "'nowhere'"),
        ("GET", "/similar/home-0001?space=sound", None, 422, "'sound'"),
        ("GET", "/similar/home-0001?k=0", None, 422, "'k' is '0'"),
        ("GET", "/similar/home-0001?top=3", None, 422, "top"),
        ("GET", "/recommend/user-0001?at=noon", None, 422, "'noon'"),
        ("GET", "/recommend/user-0001?where=rooms", None, 422, "'rooms'"),
        ("GET", "/recommend/user-0001?blend=luck", None, 422, ""),
        ("GET", "/health?surprise=1", None, 422, "surprise"),
        ("POST", "/recommend?surprise=1", {"history": []}, 422, "surprise"),
        ("POST", "/recommend", {"history": [EVENT] * 1001}, 422, "1000"),
        ("POST", "/recommend", {}, 422, "history"),
        ("POST", "/recommend", {"history": [EVENT | {"action": "stare"}]}, 422, "'stare'"),
        ("POST", "/recommend", {"history": ["home-0003", EVENT | {"duration_s": -1}]}, 422, "'history.1.duration_s' is -1"),
        ("POST", "/embed", {"attributes": {"colour": "red"}}, 422, "'colour'"),
        ("POST", "/embed", {"attributes": {"price": "a lot"}}, 422, "'a lot'"),
        ("POST", "/embed", {"photos": ["%"]}, 422, "photos.0"),
        ("POST", "/embed", {"spaces": ["sound"]}, 422, "'sound'"),
        ("POST", "/events", EVENT, 404, "/events"),
        ("PUT", "/recommend", None, 405, "/recommend"),
    ],
)  # fmt: skip
def test_a_problem_is_one_sentence_that_names_the_field_or_the_value(
    client, method, path, body, status, word
):
    response = client.request(method, path, json=body)
    assert response.status_code == status and set(response.json()) == {"error", "code"}
    sentence = response.json()["error"]
    assert word in sentence and sentence.endswith(".") and "\n" not in sentence


def test_a_fault_is_answered_and_says_nothing_of_the_inside(client, monkeypatch):
    def fail(state, requests):
        raise RuntimeError("secret")

    monkeypatch.setattr(RunState, "embed", fail)
    response = client.post("/embed", json={})
    assert response.status_code == 500 and "secret" not in response.text
    monkeypatch.undo()
    assert client.get("/similar/home-0001").status_code == 200


def test_the_page_of_the_api_describes_every_route_and_loads_nothing(client):
    document, response = client.get("/openapi.json").json(), client.get("/docs")
    paths = {"/similar/{listing_id}", "/recommend/{user_id}", "/recommend", "/embed", "/health", "/metrics"}
    assert set(document["paths"]) == paths
    assert response.headers["content-security-policy"].startswith("default-src 'none';")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path}" in response.text and operation["description"]
    for name in ("duration_s", "diversity", "explain_ms", "empty_because"):
        assert f"<code>{name}</code>" in response.text
    assert not re.search(r"<script|<link|<img|src=|url\(|https?://", response.text)


@pytest.mark.slow
def test_every_response_is_one_of_the_openapi_document(trained, tmp_path):
    """schemathesis sends all it can think of."""
    token = "a-token-of-many-characters"
    app = app_of(trained.path, tmp_path / "events", tmp_path / "shown", access=Access(token.encode()))
    with listening(app) as port:
        command = [
            sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{port}/openapi.json",
            "--header", f"Authorization: Bearer {token}", "--max-examples", "15", "--generation-deterministic",
            # No document can say which listings, attributes and moments a run has: what it allows may be refused.
            "--exclude-checks", "positive_data_acceptance", "--suppress-health-check", "all",
            "--request-timeout", "60", "--continue-on-failure", "--no-color",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 selected / 7 total" in done.stdout


def test_ids_may_have_slashes(tmp_path):
    (tmp_path / "market").mkdir()
    table = "listing_id,price,town\nSKU/1,100,Ulm\nSKU/2,110,Ulm\nSKU/2/b?,300,Bonn\n"
    (tmp_path / "market" / "listings.csv").write_text(table)
    embed_market(Market.open(tmp_path / "market"), tmp_path / "run", None, None)
    with serving(app_of(tmp_path / "run")) as client:
        for listing in ("SKU/1", "SKU/2/b?"):
            response = client.get(f"/similar/{quote(listing, safe='')}?k=2")
            listings = [row["listing_id"] for row in response.json()["results"]]
            assert (
                listings == Run.open(tmp_path / "run").similar(listing, 2, "attributes")[C.LISTING].tolist()
            )
        assert client.get("/similar/SKU/3").status_code == 404
        families = text_string_to_metric_families(client.get("/metrics").text)
        counts = {
            (one.labels["path"], one.labels["status"]): one.value
            for family in families
            for one in family.samples
            if one.name == "vibes_requests_total"
        }
        path = "/similar/{listing_id}"
        assert (counts[path, "200"], counts[path, "404"]) == (2, 1)
        assert not any("SKU" in path for path, _ in counts)
        assert client.get("/recommend/a%2Fb").json()["fallback"] is True


def test_ids_are_read_alike_in_paths_histories_rules_and_events(tmp_path):
    table = pd.DataFrame({"listing_id": [1, 2, 3, 4], "price": [1.0, 2.0, 3.0, 4.0], "kind": [*"aabb"]})
    events = pd.DataFrame({"user_id": [7], "listing_id": [1], "timestamp": ["2024-01-01"]})
    market = Market.from_frames(table, events).save(tmp_path / "market")
    embed_market(market, tmp_path / "run", None)
    with serving(app_of(tmp_path / "run", tmp_path / "events")) as client:
        for first, second in (
            ("/similar/1", "/similar/1.0"), ("/recommend/7?pin=3", "/recommend/7.0?pin=3.0"),
            ("/similar/1?block=2&dial=x+1+attributes+%2B3", "/similar/1.0?block=2.00&dial=x+1+attributes+%2B3.0"),
        ):  # fmt: skip
            lists = [client.get(path).json() for path in (first, second)]
            assert lists[0]["results"] and lists[0] == lists[1] and "fallback" not in lists[1]
        posted = client.post("/recommend", json={"history": ["1.0", {"listing_id": " 2.0 "}]}).json()
        assert (
            posted == client.post("/recommend", json={"history": ["1", "2"]}).json() and not posted["unknown"]
        )
        client.post("/events", json={"user_id": "7.0", "listing_id": "4.0"})
        assert "4" not in {row["listing_id"] for row in client.get("/recommend/7").json()["results"]}


def test_a_page_of_another_site_records_no_impression(trained, tmp_path):
    with serving(app_of(trained.path, impressions=tmp_path)) as client:
        for headers, is_recorded in (
            ({}, True), ({"sec-fetch-site": "same-origin"}, True), ({"sec-fetch-site": "cross-site"}, False),
            ({"origin": "https://elsewhere.example"}, False),
        ):  # fmt: skip
            response = client.get("/similar/home-0001?k=2", headers=headers)
            assert len(response.json()["results"]) == 2 and ("request_id" in response.json()) == is_recorded
    assert read_impressions(tmp_path)["request_id"].nunique() == 2


def test_a_run_without_a_model_serves_neighbors(bare):
    with serving(app_of(bare.path)) as client:
        assert client.get("/health").json()["model"] is False
        listing = bare.listing_ids[0]
        same(client.get(f"/similar/{listing}").json()["results"], bare.similar(listing, space="attributes"))
        document = client.post("/recommend", json={"history": [listing]}).json()
        same(document["results"], bare.recommend([listing]))
        assert document["scorer"] == "untrained neighbors"
        refused = client.post("/recommend", json={"history": [listing], "explain": True})
        assert refused.status_code == 422
        embedded = client.post("/embed", json={"attributes": {"price": 90}}).json()
        assert set(embedded["vectors"]) == {"attributes"}


@pytest.mark.slow
def test_a_refreshed_run_takes_the_place_of_the_one_in_use_which_is_closed(trained, tmp_path):
    shop = Shop(copied(trained, tmp_path), tmp_path)
    fresh, user = new_listings(shop.market, 3), trained.log.users[0]
    shop.deliver("a", listings=fresh, events=new_events(shop.market, list(fresh[C.LISTING]), 12, 4))

    def health_when(is_reached) -> dict:
        def poll() -> dict | None:
            health = client.get("/health").json()
            return health if is_reached(health) else None

        return wait_until(poll)

    with serving(app_of(shop.run, follow_s=0.02)) as client:
        name = fresh[C.LISTING].iloc[0]
        assert client.get(f"/similar/{name}").status_code == 404
        shop.refresh()
        health = health_when(lambda health: health["version"] == 1)
        assert health["listings"] == len(trained.listing_ids) + 3 and health["problem"] == ""
        assert client.get(f"/similar/{name}").status_code == 200

        pointer = shop.run / "current.json"
        content = pointer.read_bytes()
        pointer.write_text("{")
        problem = health_when(lambda health: health["problem"])["problem"]
        assert (
            str(shop.run) not in problem
        )  # the log has the reason; clients do not learn paths of the server
        assert client.get(f"/similar/{name}").status_code == 200  # the state in use goes on
        pointer.write_bytes(content)
        health_when(lambda health: not health["problem"])

        for version in (2, 3):
            shop.deliver(str(version), events=new_events(shop.market, [], 4, 4, seed=version))
            shop.refresh()
            health_when(lambda health, version=version: health["version"] >= version)
            assert client.get(f"/recommend/{user}?k=3").json()["results"]
        forget(shop.run, [user])  # refused where a reader still uses a state that has them
    assert [folder.name for folder in (shop.run / STATES.folder).iterdir()] == ["000004"]
