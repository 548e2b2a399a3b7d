"""Notices a training that collapsed: embeddings that are all alike, or a loss that stays above knowing nothing."""

import math

from listing_vibes.errors import VibesError
from listing_vibes.model.settings import ResolvedTraining
from listing_vibes.training.bank import ItemBank
from listing_vibes.training.state import TrainingState

#: Mean cosine of two listings from which on embeddings no longer tell listings apart.
ALIKE = 0.995
#: Steps in a row with a loss above knowing nothing until the training stops.
COLLAPSE_AFTER = 300


def check_loss(state: TrainingState, loss: float, candidates: float, config: ResolvedTraining) -> None:
    """Count steps whose loss is above ln(candidates), after the warm-up; call after `state.step` has grown.

    Raises:
        VibesError: the loss is not a number, or has been above for `COLLAPSE_AFTER` steps in a row.
    """
    check_finite("loss", loss, state.step, config)
    knowing_nothing = math.log(max(candidates, 1.0))
    late = state.step - state.stage_step > config.warmup
    state.above = state.above + 1 if late and loss > knowing_nothing else 0
    if state.above >= COLLAPSE_AFTER:
        raise VibesError(
            f"The training collapsed: for {state.above} steps the loss ({loss:.2f} at step {state.step}) has been "
            f"above that of a model that knows nothing (ln of {candidates:.0f} candidates = {knowing_nothing:.2f}); "
            f"lower training.learning_rate ({config.learning_rate}) or raise training.fresh ({config.fresh}) and train "
            "again in another folder."
        )


def check_finite(what: str, value: float, step: int, config: ResolvedTraining) -> None:
    """Raises:
    VibesError: the `value` of `what`, found after so many steps, is not a number, so that no later one will be.
    """
    if not math.isfinite(value):
        raise VibesError(
            f"The {what} became {value} at step {step}; lower training.learning_rate ({config.learning_rate}) and train again."
        )


def check_bank(state: TrainingState, bank: ItemBank, config: ResolvedTraining) -> None:
    """Look at a freshly encoded bank, after the warm-up.

    Raises:
        VibesError: its embeddings are all alike.
    """
    if state.step - state.stage_step > config.warmup and bank.mean_cosine > ALIKE:
        raise VibesError(
            f"The training collapsed: at step {state.step} two listings' embeddings have a mean cosine of "
            f"{bank.mean_cosine:.4f}, so that nothing tells them apart; where the listings' attributes, texts and photos are "
            f"(nearly) all the same, add columns that differ, else lower training.learning_rate ({config.learning_rate}) or raise "
            f"training.fresh ({config.fresh}) and train again in another folder."
        )
