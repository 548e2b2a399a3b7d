"""The fit of a conditional logit with a Gaussian prior: P(target | candidates) = softmax(weights . features)."""

import numpy as np

#: Queries per batch of the curvature, which limits the memory.
QUERIES = 128
#: The smallest overall scale of weights: a prior of weight zero would rank nothing.
LEAST = 0.1


def user_shares(user: np.ndarray) -> np.ndarray:
    """Return the weight (Q,) of each query of the users (Q,), so that each user counts once."""
    _, number, count = np.unique(user, return_inverse=True, return_counts=True)
    return np.asarray(1 / count[number])


def overall_scale(features: np.ndarray, valid: np.ndarray, share: np.ndarray, mean: np.ndarray) -> float:
    """Return the factor of the weights `mean` (F,) that fits best, at least `LEAST`; the others are as in `fit_logit`."""
    scale, _ = fit_logit((features @ mean)[..., None], valid, share, np.ones(1), np.full(1, LEAST))
    return max(float(scale[0]), LEAST)


def fit_logit(
    features: np.ndarray,
    valid: np.ndarray,
    share: np.ndarray,
    mean: np.ndarray,
    precision: np.ndarray,
    least: np.ndarray | float = -np.inf,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights (F,) of the highest posterior and their standard errors (F,), by Laplace's approximation.

    Args:
        features: (Q, C, F), of the target first.
        valid: (Q, C) bool, the candidates.
        share: (Q,) the weight of each query.
        mean: (F,) of the prior, with `precision` (F,).
        least: (F,) the least weights.
    """

    def choice(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores = np.where(valid, features @ weights, -np.inf)
        scores -= scores.max(axis=1, keepdims=True)
        odds = np.exp(scores)
        total = odds.sum(axis=1, keepdims=True)
        return odds / total, np.log(total[:, 0]) - scores[:, 0]  # (Q, C) probabilities, (Q,) losses

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        chance, losses = choice(weights)
        expected = np.einsum("qc,qcf->qf", chance, features)
        gap = weights - mean
        gradient = share @ (expected - features[:, 0]) + precision * gap
        return float(share @ losses + 0.5 * precision @ gap**2), gradient

    from scipy.optimize import minimize  # slow to import, and needed for a fit only

    bounds = [(bound, None) for bound in np.broadcast_to(least, mean.shape)]
    weights = minimize(loss, mean, jac=True, method="L-BFGS-B", bounds=bounds).x
    chance, _ = choice(weights)
    curvature = np.diag(precision)
    for part in range(0, len(features), QUERIES):
        rows = slice(part, part + QUERIES)
        centered = features[rows] - np.einsum("qc,qcf->qf", chance[rows], features[rows])[:, None]
        weighted = centered * (chance[rows] * share[rows, None])[..., None]
        curvature = curvature + np.einsum("qcf,qcg->fg", weighted, centered)
    return weights, np.sqrt(np.diag(np.linalg.inv(curvature)))
