"""The scores of a step where a history's listings are compared as well, see `listing_vibes.scoring.late_interaction`.

Worked example. One window shows the listings 3, 7, 5, and its examples end after 3, 7 (e = 0) and after 3, 7, 5 (e = 1).
Of a candidate whose cosines to 3, 7 and 5 are .2, .6 and .4, the greatest so far are .2, .6, .6 by event; `place` = [1, 2]
picks .6 for both examples, and the gradient of both goes to the listing 7.
"""

import numpy as np
import torch
from torch import Tensor

from listing_vibes.scoring.late_interaction import LEAST
from listing_vibes.training.batches import Batch


def late_scores(
    user: Tensor,
    item: Tensor,
    history: Tensor,
    batch: Batch,
    weight: float,
    unwanted: np.ndarray | None = None,
    itself: np.ndarray | None = None,
) -> Tensor:
    """(E, C): cosine to the user's vector + `weight` x greatest cosine to a listing of the history.

    Args:
        user: (E, d) the examples' histories.
        item: (C, d) the candidates.
        history: (R, d) the listings of the windows' events.
        unwanted: (R,) bool, those that are near to nothing; None: none of them.
        itself: (R, C) bool, where a listing would be compared with itself and is not; None: nowhere.
    """
    like = history @ item.T  # (R, C)
    if unwanted is not None:
        like = like.masked_fill(torch.from_numpy(unwanted)[:, None].to(like.device), LEAST)
    if itself is not None:
        like = like.masked_fill(torch.from_numpy(itself).to(like.device), LEAST)
    event = greatest_so_far(like.detach(), batch.end - batch.first)  # (R, C)
    return user @ item.T + weight * like.gather(0, event[torch.from_numpy(batch.place).to(event.device)])


@torch.no_grad()
def greatest_so_far(values: Tensor, count: np.ndarray) -> Tensor:
    """(R, C) int64: for each event and column the row of the greatest of `values` (R, C) in its window up to it.

    `count` (B,) are the windows' events. Not `cummax`, which would need every window padded to the longest.
    """
    best, row = (
        values.clone(),
        torch.arange(len(values), device=values.device)[:, None].repeat(1, values.shape[1]),
    )
    begin = np.cumsum(count) - count  # (B,)
    for place in range(1, int(count.max(initial=0))):
        now = torch.from_numpy(begin[count > place] + place).to(values.device)
        better = best[now - 1] > best[now]
        best[now] = torch.where(better, best[now - 1], best[now])
        row[now] = torch.where(better, row[now - 1], row[now])
    return row
