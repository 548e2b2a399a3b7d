"""A job on Ray Data: actors that hold the model score the chunks, on one machine or on a cluster."""

from pathlib import Path
from typing import Any

from listing_vibes.cluster import Batch, on_ray
from listing_vibes.progress import Counted, Report, silent
from listing_vibes.serving.batch.job import JobScorer


class RayScorer:
    """Ray actor that opens the job once and scores the chunks assigned to it."""

    def __init__(self, folder: str) -> None:
        self._scorer = JobScorer.reopen(Path(folder))

    def __call__(self, batch: Batch) -> dict[str, Any]:
        """Score the chunks `batch["chunk"]` (n,) and write each to its file; return the number of lists per chunk."""
        lists = [self._scorer.write_chunk(int(number)) for number in batch["chunk"]]
        return {"chunk": batch["chunk"], "lists": lists}


def score_on_ray(scorer: JobScorer, workers: int, report: Report = silent) -> int:
    """Score the remaining chunks of a job with `workers` actors; return the number of lists.

    A worker that dies is restarted and its chunk is scored again. A slow worker delays its current chunk only, since
    chunks are assigned one at a time.

    Raises:
        VibesError: Ray is not installed or does not start, or a chunk cannot be scored.
    """
    items, created = [{"chunk": number} for number in scorer.todo()], 0
    with on_ray(workers) as cluster:
        results = cluster.map(RayScorer, (str(scorer.folder.resolve()),), items)
        for done, result in enumerate(results, start=scorer.chunks - len(items) + 1):
            created += int(result["lists"].sum())
            report(Counted("chunks", done, scorer.chunks))
    return created
