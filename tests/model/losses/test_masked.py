"""The masked sum is torch's own over what is chosen, forward and backward."""

import torch

from listing_vibes.model.losses._masked import logsumexp_where


def test_forward_and_backward_are_those_of_the_chosen_alone():
    torch.manual_seed(0)
    scores = (40 * torch.randn(20, 30)).requires_grad_()  # wider apart than any loss has them
    chosen = torch.rand(20, 30) < 0.3
    chosen[:, 0] = True
    weight = torch.randn(20)
    (logsumexp_where(scores, chosen) * weight).sum().backward()
    found, scores.grad = scores.grad, None
    for row in range(20):
        own = scores[row][chosen[row]].logsumexp(0)
        assert torch.isclose(logsumexp_where(scores, chosen)[row], own)
        (own * weight[row]).backward()
    torch.testing.assert_close(found, scores.grad, atol=1e-6, rtol=1e-5)


def test_nothing_chosen_is_very_low_and_has_no_gradient():
    scores = torch.randn(2, 5, requires_grad=True)
    found = logsumexp_where(scores, torch.zeros(2, 5, dtype=torch.bool))
    found.sum().backward()
    assert (found < -1e37).all() and not scores.grad.any()
