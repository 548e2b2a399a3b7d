"""Initialize embedding rows of new words near those of words with a similar meaning.

A linear map (ridge regression, its strength chosen by leave-one-out) predicts N trained rows from the sentence vectors of their
names. A new row is the prediction for its name, plus noise with the size of the leave-one-out error: where
sentences do not predict the rows, as for names of sellers, it is a random row of the usual size, so that two of
them still differ.
"""

import numpy as np

#: Ridge strengths that leave-one-out chooses from, as shares of the vectors' mean square.
STRENGTHS = np.logspace(-3, 3, 13)
#: The minimum number of trained rows for a map; with fewer, new rows are noise around their mean.
FEWEST = 8


def likely_rows(
    trained: np.ndarray, rows: np.ndarray, new: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return (M, d) float32 rows for names with the sentence vectors `new` (M, w).

    Args:
        trained: (N, w) sentence vectors of the names of trained rows, N >= 2.
        rows: (N, d) these rows.
    """
    from sklearn.linear_model import RidgeCV

    middle = rows.mean(axis=0)
    around = rows - middle
    spread = float(np.square(around).mean())
    noise = rng.standard_normal((len(new), rows.shape[1]))
    if len(trained) < FEWEST or not spread:
        return (middle + noise * spread**0.5).astype(np.float32)
    center = trained.mean(axis=0)
    scale = max(float(np.square(trained - center).sum(axis=1).mean()), 1e-12)
    fitted = RidgeCV(alphas=STRENGTHS * scale, fit_intercept=False).fit(trained - center, around)
    missed = min(1.0, max(0.0, -float(fitted.best_score_) / spread))
    return (middle + fitted.predict(new - center) + noise * (missed * spread) ** 0.5).astype(np.float32)
