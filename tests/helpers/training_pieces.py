"""What a training reads, without a run folder."""

import numpy as np

from listing_vibes.features.featurizer import Featurizer
from listing_vibes.market.log import EventLog
from listing_vibes.market.splits import Catalogue, make_split
from listing_vibes.model.settings import Resolved
from listing_vibes.model.variants import build_model
from listing_vibes.run.engine import make_inputs
from listing_vibes.training.examples import make_examples
from listing_vibes.training.step import StepData


def changed(settings: Resolved, **training) -> Resolved:
    """The settings with other ones of training."""
    training = settings.training.model_dump(exclude_unset=True) | training
    return Resolved.model_validate({**settings.model_dump(exclude_unset=True), "training": training})


def pieces(market, settings):
    """An untrained model and the data of its steps."""
    log, catalogue = EventLog.from_market(market), Catalogue.of(market)
    split = make_split(log, catalogue)
    warm = np.flatnonzero(log.counts(split.train) > 0)
    featurizer = Featurizer.fit(market, settings.features, 32, warm, log.duration, None)
    inputs = make_inputs(featurizer, featurizer.transform(market, None), log, settings)
    model = build_model(featurizer.vocabulary, settings)
    return model, StepData(make_examples(log, split, 3), log, catalogue, inputs, warm, True, 0)
