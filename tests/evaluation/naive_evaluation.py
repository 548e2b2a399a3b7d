"""The protocol once more, as slowly and as plainly as possible: one query at a time, dictionaries over data frames.

Shares no code with `core`; the tests compare the two.
"""

import math
from collections import Counter, defaultdict

import numpy as np
import pandas as pd


def by_user(events: pd.DataFrame) -> dict[str, list[tuple]]:
    """(moment, listing) of each user, in the order of the table's moments."""
    when = "timestamp" if "timestamp" in events.columns else "position"
    found = defaultdict(list)
    for row in events.sort_values(when, kind="stable").to_dict("records"):
        found[row["user_id"]].append((row[when], row["listing_id"]))
    return found


def live(listings: pd.DataFrame, at) -> list[str]:
    """Ids of the listings that are live at a moment, in catalogue order."""
    found = []
    columns = [name for name in ("listing_id", "published_at", "expires_at") if name in listings.columns]
    for row in listings[columns].to_dict("records"):
        begins, ends = row.get("published_at", pd.NaT), row.get("expires_at", pd.NaT)
        if (pd.isna(begins) or begins <= at) and (pd.isna(ends) or at < ends):
            found.append(row["listing_id"])
    return found


def temporal(events: pd.DataFrame, listings: pd.DataFrame) -> tuple[list[dict], list[tuple]]:
    """Test queries after the 80 % moment, and the training events (user, listing, moment) before the 70 % moment."""
    ordered = sorted(events["timestamp"])
    t1, t2 = (ordered[math.floor(share * (len(ordered) - 1))] for share in (0.7, 0.8))
    train, queries = [], []
    for user, touched in by_user(events).items():
        train += [(user, listing, at) for at, listing in touched if at < t1]
        for place, (at, target) in enumerate(touched):
            history = [listing for moment, listing in touched if moment < at]
            earlier = [listing for _, listing in touched[:place]]
            if at < t2 or not history or target in earlier:
                continue
            open_now = live(listings, at)
            if target in open_now:
                candidates = [listing for listing in open_now if listing not in history]
                queries.append(
                    {"user": user, "at": at, "target": target, "history": history, "candidates": candidates}
                )
    return queries, train


def leave_one_out(events: pd.DataFrame, listings: pd.DataFrame) -> tuple[list[dict], list[tuple]]:
    """The last event of each user with three or more is the test query; all but the last two train."""
    everything = list(listings["listing_id"])
    train, queries = [], []
    for user, touched in by_user(events).items():
        enough = len(touched) >= 3
        train += [(user, listing, at) for at, listing in (touched[:-2] if enough else touched)]
        if enough:
            history = [listing for _, listing in touched[:-1]]
            at, target = touched[-1]
            queries.append(
                {"user": user, "at": at, "target": target, "history": history, "candidates": everything}
            )
    return queries, train


def popularity(train: list[tuple]):
    """Scores by the number of training events."""
    counts = Counter(listing for _, listing, _ in train)
    return lambda query: {listing: counts[listing] for listing in query["candidates"]}


def recent_popularity(events: pd.DataFrame, days: int):
    """Scores by the number of events in the days strictly before the query."""
    moments = list(zip(events["timestamp"], events["listing_id"], strict=True))

    def score(query: dict) -> dict[str, int]:
        since = query["at"] - pd.Timedelta(days=days)
        counts = Counter(listing for moment, listing in moments if since <= moment < query["at"])
        return {listing: counts[listing] for listing in query["candidates"]}

    return score


def evaluate(queries: list[dict], score, train: list[tuple]) -> tuple[dict[str, float], pd.DataFrame]:
    """Metrics of one scorer, and one row a query."""
    warm = {listing for _, listing, _ in train}
    known = {user for user, _, _ in train}
    rows, of_user, shown, ever = [], defaultdict(list), set(), set()
    for query in queries:
        scores = score(query)
        own = scores[query["target"]]
        rank = 1
        for listing in query["candidates"]:
            if listing != query["target"] and scores[listing] >= own:
                rank += 1
        best = sorted(
            (listing for listing in query["candidates"] if scores[listing] > -math.inf),
            key=lambda listing: -scores[listing],
        )
        shown.update(best[:30])
        ever.update(query["candidates"])
        hit = {f"recall@{k}": float(rank <= k) for k in (10, 30, 100)}
        gain = {f"ndcg@{k}": 1 / math.log2(rank + 1) if rank <= k else 0.0 for k in (10, 30)}
        of_user[query["user"]].append({**hit, **gain, "mrr": 1 / rank})
        rows.append(
            {
                "user_id": query["user"],
                "at": query["at"],
                "target": query["target"],
                "rank": rank,
                "candidates": len(query["candidates"]),
                "history_length": len(query["history"]),
                "cold_listing": query["target"] not in warm,
                "cold_user": query["user"] not in known,
            }
        )
    means = [{name: np.mean([one[name] for one in each]) for name in each[0]} for each in of_user.values()]
    metrics = {name: float(np.mean([each[name] for each in means])) for name in means[0]}
    metrics["coverage@30"] = len(shown) / len(ever)
    return metrics, pd.DataFrame(rows)
