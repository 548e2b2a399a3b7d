"""The tools of `vibes serve RUN --mcp`, called by the client of the package."""

import asyncio
import sys
from typing import Any

import pytest

from helpers.copies import copied
from listing_vibes.market.columns import Columns as C

pytest.importorskip("mcp", reason="mcp is not installed; pip install 'listing-vibes[mcp]'")
from mcp import Client, StdioServerParameters

from listing_vibes.serving.mcp_server import make_server


def call(server: Any, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """The results of calls of tools, one after another; of an error its text."""

    async def run() -> list[Any]:
        async with Client(server) as client:
            results = [await client.call_tool(name, arguments) for name, arguments in calls]
        return [one.content[0].text if one.is_error else one.structured_content for one in results]

    return asyncio.run(run())


def ids(result: Any) -> list[str]:
    return [row[C.LISTING] for row in result["result"]]


def test_tools_answer_as_python_does_and_only_read(trained):
    user, listings = trained.log.users[3], trained.listing_ids
    server = make_server(trained.path)

    async def described() -> Any:
        async with Client(server) as client:
            return client.instructions, (await client.list_tools()).tools

    instructions, tools = asyncio.run(described())
    assert "price (number)" in instructions and "model, attributes" in instructions
    assert {tool.name for tool in tools} == {"similar", "recommend", "explain", "evaluation"}
    assert all(tool.annotations.read_only_hint and tool.description for tool in tools)
    before = {path: path.stat().st_mtime_ns for path in trained.path.rglob("*")}
    similar, recommended, by_history, why, alike = call(
        server,
        ("similar", {"listing_id": listings[2], "k": 4, "where": ["rooms>=2"]}),
        ("recommend", {"user_id": user}),
        ("recommend", {"history": listings[:2], "k": 3}),
        ("explain", {"listing_id": trained.recommend(user, 1)[C.LISTING][0], "user_id": user}),
        ("explain", {"listing_id": listings[1], "similar_to": listings[2]}),
    )
    assert ids(similar) == trained.similar(listings[2], 4, rules={"where": "rooms>=2"})[C.LISTING].tolist()
    assert ids(recommended) == trained.recommend(user, 10)[C.LISTING].tolist()
    assert ids(by_history) == trained.recommend(listings[:2], 3)[C.LISTING].tolist()
    assert why["rank"] == 1 and why["events"] and alike["listing_id"] == listings[1]
    assert {path: path.stat().st_mtime_ns for path in trained.path.rglob("*")} == before


@pytest.mark.parametrize(
    ("name", "arguments", "word"),
    [
        ("similar", {"listing_id": "nowhere"}, "'nowhere'"),
        ("similar", {"listing_id": "home-0001", "where": ["rooms"]}, "'rooms'"),
        ("similar", {"listing_id": "home-0001", "k": 10**6}, "100"),
        ("recommend", {}, "give one of them"),
        ("recommend", {"user_id": "u", "history": []}, "give one of them"),
        ("explain", {"listing_id": "home-0001", "user_id": "user-0001", "similar_to": "home-0002"}, "similar_to"),
        ("evaluation", {}, "vibes evaluate"),
        ("forget", {}, "forget"),
    ],
)  # fmt: skip
def test_a_problem_is_a_sentence_for_the_assistant(trained, name, arguments, word):
    (text,) = call(make_server(trained.path), (name, arguments))
    assert isinstance(text, str) and word in text and "Traceback" not in text


@pytest.mark.slow
def test_the_command_serves_the_table_of_an_evaluation(trained, tmp_path):
    from listing_vibes.evaluation.run_evaluation import evaluate

    run = copied(trained, tmp_path)
    evaluate(run, baselines="fast")
    command = ["-m", "listing_vibes", "serve", str(run.path), "--mcp"]
    server = StdioServerParameters(command=sys.executable, args=command)
    table, similar = call(server, ("evaluation", {}), ("similar", {"listing_id": run.listing_ids[0]}))
    assert table["queries"] > 0 and "recall@30" in table["results"]["model only"]
    assert ids(similar) == run.similar(run.listing_ids[0], 10)[C.LISTING].tolist()
