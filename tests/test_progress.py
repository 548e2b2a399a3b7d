"""What long work tells, and how a terminal shows it."""

from listing_vibes.progress import Counted, Notice, Stage, Trained, Validated
from listing_vibes.progress.bar import ProgressBar


def test_lines_are_printed_and_counts_stand_on_the_bar(capsys):
    with ProgressBar() as bar:
        for update in (
            Stage("features"),
            Counted("photos", 3, 10),
            Trained(4, 8, 1.23456, 30.0),
            Validated(4, 0.25, 0.24, 2, 0.3),
            Notice("'+ photos' is left out." + 30 * " It is said why."),
        ):
            bar(update)
        standing = [(task.description, task.completed, task.total) for task in bar.bar.tasks]
        left = [bar.bar.columns[-1].render(task).plain for task in bar.bar.tasks]
    assert standing == [("photos", 3, 10), ("training, loss 1.235", 4, 8)]
    assert left[1] == "0:00:30"  # the training's own estimate
    assert capsys.readouterr().err.splitlines() == [
        "features ...",
        "step 4: validation recall@30 0.2500, smooth 0.2400 (kept: step 2, smooth 0.3000)",
        "'+ photos' is left out." + 30 * " It is said why.",
    ]


def test_where_there_is_no_terminal_a_line_tells_now_and_then_how_far_it_is(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("listing_vibes.progress.bar.time.monotonic", lambda: now[0])
    with ProgressBar() as bar:
        for step in range(1, 8):
            now[0] += 12
            bar(Counted("texts", 1000 * step, 50_000, 600.0 - step))
    assert capsys.readouterr().err.splitlines() == [
        "texts: 2,000 of 50,000, about 10 min left",
        "texts: 5,000 of 50,000, about 10 min left",
    ]


def test_a_part_of_the_work_is_told_with_one_decimal(capsys, monkeypatch):
    monkeypatch.setattr("listing_vibes.progress.bar.FIRST_S", 0.0)
    with ProgressBar() as bar:
        bar(Counted("placing listings", 89.61458974, 100))
    assert capsys.readouterr().err.splitlines() == ["placing listings: 89.6 of 100"]
