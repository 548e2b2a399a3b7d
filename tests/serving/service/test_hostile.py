"""Requests that mean harm: each is answered in one sentence, soon, and without a fault of ours."""

import base64
import io
import json
import string
import time
import zlib
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from helpers.serving import serving
from listing_vibes.errors import printable
from listing_vibes.serving.service.api import make_app
from listing_vibes.serving.service.budget import MOST_CHARACTERS
from listing_vibes.serving.service.newest import NewestState

JSON = {"content-type": "application/json"}
HUGE = "9" * 5000
ROUTES = ("/similar/home-0001", "/recommend/user-0001", "/health", "/metrics")


@pytest.fixture(scope="module")
def client(trained):
    with serving(make_app(NewestState(trained.path)), raise_server_exceptions=False) as client:
        yield client


def refused(answer, *statuses: int) -> str:
    assert answer.status_code in (statuses or (422,)), (answer.status_code, answer.text[:300])
    sentence = answer.json()["error"]
    assert set(answer.json()) == {"error"} and printable(sentence) == sentence and len(sentence) < 600, (
        sentence
    )
    assert sentence.endswith("."), sentence
    return sentence


@pytest.mark.parametrize(
    "event",
    [
        '{"listing_id": "\\ud800"}', '{"listing_id": "home-0001", "action": "\\udfff"}', '{"\\ud800": 1}',
        '{"listing_id": "home-0001", "duration_s": ' + HUGE + "}", '{"listing_id": "home-0001", "duration_s": 1e400}',
        '{"listing_id": "home-0001", "duration_s": ' + "9" * 400 + "}", '{"listing_id": "home-0001", "duration_s": NaN}',
        '{"listing_id": ' + HUGE + "}", '{"listing_id": null}', '{"listing_id": ["home-0001"]}', "[]", "null", HUGE,
        '{"listing_id": "home-0001", "action": "\\u202egnp"}', "{" * 5000, "[" * 5000,
    ],
)  # fmt: skip
def test_a_posted_event(client, event):
    refused(client.post("/recommend", content=f'{{"history": [{event}]}}', headers=JSON))


@pytest.mark.parametrize(
    "body",
    ["[]", "1", '"x"', "null", "", "\x00", "\ufeff{}", HUGE, "[" * 10**6, b"\xff\xfe{}", b"\xed\xa0\x80"],
)
@pytest.mark.parametrize("path", ["/recommend", "/embed"])
def test_a_body_that_is_no_object(client, path, body):
    refused(client.post(path, content=body, headers=JSON))
    refused(client.post(path, content=body))
    refused(client.post(path, content=body, headers={"content-type": "text/json; charset=utf-7"}))


@pytest.mark.parametrize(
    "value",
    [HUGE, "-" + HUGE, "1e9", "NaN", "", "%ED%A0%80", "%00", "%F0%9F%98%80", "1;2", "0x10", "--1", "١٢"],
)
@pytest.mark.parametrize(
    "name", ["k", "at", "at_most", "diversity", "live_only", "space", "same", "where", "seller"]
)
def test_a_parameter(client, name, value):
    answer = client.get(f"/similar/home-0001?{name}={value}")
    if answer.status_code != 200:
        refused(answer, 422)
    answer = client.get(f"/recommend/user-0001?{name}={value}")
    if answer.status_code != 200:
        refused(answer, 422)


@pytest.mark.parametrize(
    "name",
    ["%ED%A0%80", "%00", "..%2f..%2fetc%2fpasswd", "%F0%9F%98%80", "x" * 9000, "%1B%5B2J", "%E2%80%AE"],
)
def test_a_name_that_is_nobody_s(client, name):
    refused(client.get(f"/similar/{name}"), 404)
    assert client.get(f"/recommend/{name}").json()["fallback"] is True


@pytest.mark.parametrize("path", ROUTES)
def test_unknown_parameters_are_refused_everywhere(client, path):
    assert "surprise is unknown" in refused(client.get(f"{path}?surprise=1"))
    assert "without a name is unknown" in refused(client.get(f"{path}?=1"))
    for posted in ("/recommend", "/embed"):
        body = {"history": [{"listing_id": "home-0001"}]} if posted == "/recommend" else {}
        assert "surprise is unknown" in refused(client.post(f"{posted}?surprise=1", json=body))
    many = "&".join(["where=price<=100"] * 30)
    assert "where is" in refused(client.get(f"/similar/home-0001?{many}"))


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"price": 10**400}, "too many digits"), ({"price": -(10**30)}, "too many digits"), ({"price": {"a": 1}}, "is a dict"),
        ({"price": [[1]]}, "is a list"), ({"x" * 500: 1}, "no attribute"), ({"price": "9" * 400}, ""),
        ({"price": "a" * (MOST_CHARACTERS + 1)}, "characters"), ({"latitude": 91, "longitude": 0}, ""),
        ({"price": [1] * 30_000}, "more than 20000 values"),
    ],
)  # fmt: skip
def test_attributes(client, attributes, words):
    assert words in refused(client.post("/embed", json={"attributes": attributes}))


def photo(width: int, height: int, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("L", (width, height)).save(stream, kind)
    return stream.getvalue()


@cache
def text_bomb() -> bytes:
    """A PNG of one pixel whose text chunk becomes 128 MB."""
    whole = photo(1, 1)
    text = b"zTXtcomment\x00\x00" + zlib.compress(bytes(2**27), 9)
    chunk = (len(text) - 4).to_bytes(4, "big") + text + zlib.crc32(text).to_bytes(4, "big")
    return whole[:33] + chunk + whole[33:]


@pytest.mark.slow
def test_photos_have_a_budget_of_pixels(client):
    begin = time.process_time()
    large = base64.b64encode(photo(9000, 9000)).decode()
    assert "64 megapixels" in refused(client.post("/embed", json={"photos": [large]}))
    some = base64.b64encode(photo(2000, 2000)).decode()
    assert "64 megapixels" in refused(client.post("/embed", json={"photos": [some] * 30}))
    assert "30 items" in refused(client.post("/embed", json={"photos": [some] * 31}))
    for number in range(20):  # whatever it claims, and however it is cut short
        cut = base64.b64encode(text_bomb()[: 40 + number]).decode()
        assert client.post("/embed", json={"photos": [cut, cut]}).status_code in (200, 422)
    bomb = base64.b64encode(text_bomb()).decode()
    assert client.post("/embed", json={"photos": [bomb]}).status_code == 200
    assert time.process_time() - begin < 10


def test_thirty_megabytes_of_empty_lists_hold_nobody_up(client):
    body = b'{"photos": [' + b"[]," * (10 * 2**20) + b"[]]}"
    begin = time.process_time()
    assert "more than 20000 values" in refused(client.post("/embed", content=body, headers=JSON))
    assert time.process_time() - begin < 3
    refused(client.post("/recommend", content=body, headers=JSON), 413)


def test_what_is_wrong_is_told_in_printable_words(client):
    sentence = refused(
        client.post(
            "/recommend",
            content=json.dumps({"history": [{"listing_id": "home-0001"}], "\u202e\x1b[2J": 1}),
            headers=JSON,
        )
    )
    assert "\\u202e\\x1b" in sentence
    sentence = refused(client.get("/nowhere%1B%5B2J"), 404)
    assert "\\x1b" in sentence
    # What is left out of a long address may lie between spaces.
    for path in ("/" + "a " * 400, "/x" + "a " * 400):
        assert " … " in refused(client.get(path), 404)


leaf = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["home-0001", "view", "price"])
)
names = st.sampled_from(
    ["history", "listing_id", "action", "duration_s", "k", "at", "with", "where", "same", "diversity", "attributes", "photos", "spaces"]
) | st.text(string.printable, max_size=5)  # fmt: skip
tree = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5), max_leaves=12
)


@given(tree, st.sampled_from(["/recommend", "/embed"]))
def test_any_body_is_answered_or_refused(client, body: Any, path: str):
    answer = client.post(path, content=json.dumps(body), headers=JSON)
    if answer.status_code != 200:
        refused(answer)


EVENT = st.fixed_dictionaries(
    {"listing_id": st.sampled_from(["home-0001", "home-0002"])}, optional={"action": leaf, "duration_s": leaf}
)


@given(
    st.fixed_dictionaries(
        {"history": st.lists(EVENT, max_size=4)},
        optional=dict.fromkeys(("k", "at", "with", "seller", "at_most", "diversity", "live_only"), leaf)
        | {"where": st.lists(leaf, max_size=2), "same": st.lists(leaf, max_size=2)},
    )
)
def test_any_history_is_answered_or_refused(client, body: Any):
    answer = client.post("/recommend", content=json.dumps(body), headers=JSON)
    if answer.status_code != 200:
        refused(answer)
