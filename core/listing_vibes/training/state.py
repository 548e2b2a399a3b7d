"""Where a training stands: what every checkpoint holds beside the weights, and the lines of `train.jsonl`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from listing_vibes.market.documents import write_text


@dataclass
class TrainingState:
    """Where a training stands; part of every checkpoint."""

    step: int = 0
    epoch: int = 0
    batch: int = 0  # of the epoch, the next to come
    best: float = -1.0  # recall@30 of the best validation; -1 = there was none
    best_smooth: float = -1.0  # what the best one is chosen by
    best_step: int = 0
    worse: int = 0  # steps from the best validation of the stage to the last one
    bank_step: int = -1  # step at which the bank was last encoded
    photo_step: int = -1  # step at which trained photo vectors were last encoded
    finished: bool = False
    stage: int = 1  # of a two-stage training
    stage_step: int = 0  # step at which the stage began
    stage_epoch: int = 0
    above: int = 0  # steps in a row with a loss above that of a model that knows nothing


class Lines:
    """`train.jsonl`, one line a step; on resuming, lines after the checkpoint are dropped."""

    def __init__(self, path: Path, step: int, main: bool) -> None:
        self.path, self.main, kept = path, main, []
        if not main:
            return
        if step and path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    if json.loads(line)["step"] <= step:
                        kept.append(line)
                except (ValueError, KeyError):  # the line that was being written when the process was killed
                    break
        write_text(path, "".join(line + "\n" for line in kept))

    def write(self, entry: dict[str, Any]) -> None:
        """Append one line."""
        if self.main:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")
