"""`vibes serve RUN --mcp`: a run as tools of an assistant, by the Model Context Protocol over stdin and stdout; it only reads."""

import json
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field

from listing_vibes import __version__
from listing_vibes.errors import VibesError, sentence_of
from listing_vibes.insight.explain import explain_listing
from listing_vibes.run.run import Run

#: Maximum length of a list, and of the parts of each kind in an explanation: an assistant reads all of them.
MAX_LISTINGS, MAX_PARTS = 100, 5
HINTS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
CONDITIONS = "conditions on attributes, all of which hold: price<=100 (or <, >=, >), rooms=2|3, within 3km of 48.1,11.5"

Listing = Annotated[str, Field(max_length=200, description="id of a listing")]
User = Annotated[str | None, Field(max_length=200, description="id of a user")]
Count = Annotated[int, Field(ge=1, le=MAX_LISTINGS, description="how many listings")]
Conditions = Annotated[Sequence[str], Field(max_length=20, description=CONDITIONS)]
History = Annotated[
    Sequence[Listing] | None, Field(max_length=1000, description="ids of listings, oldest first")
]
Space = Annotated[
    str | None, Field(max_length=200, description="what is compared; default: the run's first space")
]


class Tools:
    """The tools over the newest version of a run, one call at a time. The docstring of each is what an assistant reads."""

    def __init__(self, path: Path, blend: str | None = None) -> None:
        self._run, self._blend, self._lock = Run.open(path), blend, threading.Lock()

    @property
    def run(self) -> Run:
        """Return the run, opened again if there is a newer version."""
        if self._run.outdated:
            self._run = Run.open(self._run.path)
        return self._run

    @property
    def instructions(self) -> str:
        """Return what an assistant has to know of the run."""
        run = self.run
        attributes = ", ".join(f"{item.name} ({item.kind})" for item in run.market.attributes)
        return (
            f"The market '{run.manifest.market_name}' has {len(run.listing_ids):,} listings with the attributes {attributes}. "
            f"Similarity is compared in the spaces {', '.join(run.spaces)}. A score has no unit; only its order has a meaning."
        )

    def similar(
        self, listing_id: Listing, k: Count = 10, space: Space = None, where: Conditions = ()
    ) -> list[dict[str, Any]]:
        """Return the listings most similar to one, best first."""
        return _records(self.run.similar(listing_id, k, space, rules={"where": [*where]}))

    def recommend(
        self, user_id: User = None, history: History = None, k: Count = 10, where: Conditions = ()
    ) -> list[dict[str, Any]]:
        """Return the listings recommended to a user of the market, or for a history of listings, best first."""
        query = _query(user_id, history)
        return _records(self.run.recommend(query, k, rules={"where": [*where]}, blend=self._blend))

    def explain(
        self,
        listing_id: Listing,
        user_id: User = None,
        history: History = None,
        similar_to: Listing | None = None,
    ) -> dict[str, Any]:
        """Explain why a listing is recommended to a user or for a history, or why it is similar to another listing."""
        if similar_to is not None and user_id is None and history is None:
            return explain_listing(self.run, similar_to, listing_id).to_dict(MAX_PARTS)
        if similar_to is not None:
            raise VibesError("similar_to is a second query; give a user, a history or a listing.")
        return explain_listing(self.run, _query(user_id, history), listing_id, blend=self._blend).to_dict(
            MAX_PARTS
        )

    def evaluation(self) -> dict[str, Any]:
        """Return how well the model and the baselines rank the next listing of a user: each metric with its 95 % interval."""
        if (metrics := self.run.metrics) is None:
            raise VibesError(f"The run was not evaluated; run `vibes evaluate {self.run.path}`.")
        return {
            name: metrics[name] for name in ("protocol", "queries", "users", "results") if name in metrics
        }

    def tool(self, name: str) -> Callable[..., Any]:
        """Return a method as a tool that runs alone, and whose errors are sentences that an assistant can act on."""
        method = getattr(self, name)

        @wraps(method)
        def call(*values: Any, **arguments: Any) -> Any:
            try:
                with self._lock:
                    return method(*values, **arguments)
            except VibesError as error:
                raise ToolError(sentence_of(error)) from error

        return call


def make_server(path: Path, blend: str | None = None) -> MCPServer:
    """Return the server of a run.

    Args:
        blend: that of recommendations; None: the run's default ranking.

    Raises:
        VibesError: the run or its market cannot be opened.
    """
    tools = Tools(path, blend)
    server = MCPServer("Listing Vibes", version=__version__, instructions=tools.instructions)
    for name in ("similar", "recommend", "explain", "evaluation"):
        server.add_tool(tools.tool(name), annotations=HINTS)
    return server


def _query(user_id: str | None, history: Sequence[str] | None) -> str | list[dict[str, str]]:
    """Return the query of `Run.recommend`.

    Raises:
        VibesError: there is neither a user nor a history, or both.
    """
    if (user_id is None) == (history is None):
        raise VibesError("A recommendation is for a user_id or a history; give one of them.")
    return user_id if user_id is not None else [{"listing_id": item} for item in history or ()]


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a list as JSON values, with the scorer of a fallback in each."""
    if scorer := frame.attrs.get("scorer"):
        frame = frame.assign(scorer=scorer)
    records: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", double_precision=4))
    return records
