"""A job in one process: chunks side by side on threads, each chunk on one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed

from listing_vibes.cores import cores
from listing_vibes.progress import Counted, Report
from listing_vibes.serving.batch.job import tidy
from listing_vibes.serving.batch.work import Work, one_thread


def score_here(work: Work, workers: int | None = None, report: Report | None = None) -> int:
    """Score what is left of a job; returns how many lists were made.

    Args:
        workers: threads; None: one a core.
    """
    todo, made = work.job.todo(work.folder), 0
    pool = ThreadPoolExecutor(workers or cores(), initializer=one_thread)
    try:
        futures = [pool.submit(work.finish, number) for number in todo]
        for future in as_completed(futures):
            made += future.result()
            if report is not None:
                done = work.job.chunks - len(todo) + sum(f.done() for f in futures)
                report(Counted("chunks", done, work.job.chunks))
    finally:
        pool.shutdown(cancel_futures=True)
    tidy(work.job, work.folder)
    return made
