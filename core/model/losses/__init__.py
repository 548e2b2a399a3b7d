"""InfoNCE over cosine / temperature, by how several positives enter (design: the model).

Every loss takes scores (B, C) (already divided by the temperature), positives (B, C) bool and negatives (B, C) bool,
which never overlap, and `first` (B,) the column of the very next listing; it returns one number, the mean over rows.
"""

from collections.abc import Callable

import torch

from core.model.losses.log_in import log_in
from core.model.losses.log_out import log_out
from core.model.losses.next_one import next_one

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
LOSSES: dict[str, Loss] = {"next": next_one, "log_in": log_in, "log_out": log_out}
