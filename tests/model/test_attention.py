"""The two ways to attend give the same vectors and gradients."""

import pytest
import torch
from torch.nn import functional as F

from listing_vibes.model import attention


@pytest.mark.parametrize("size, scale", [(9, None), (40, 0.3)])
def test_training_in_bfloat16_keeps_the_weights_and_gives_what_the_fused_kernel_gives(size, scale):
    torch.manual_seed(0)
    whole = [torch.randn(6, 2, n, 16) for n in (5, size, size)]
    visible = torch.rand(6, 1, 5, size) < 0.5
    visible[..., 0] = True
    found = {}
    for kind in (torch.float32, torch.bfloat16):
        q, k, v = (x.to(kind, copy=True).requires_grad_() for x in whole)
        out = attention.attend(q, k, v, visible, scale=scale)
        out.float().square().sum().backward()
        found[kind] = [out.detach(), q.grad, k.grad, v.grad]
    for exact, near in zip(found[torch.float32], found[torch.bfloat16], strict=True):
        assert near.dtype == torch.bfloat16
        assert ((near.float() - exact).norm() / exact.norm()) < 0.02


def test_only_training_in_bfloat16_and_only_short_rows_keep_the_weights(monkeypatch):
    fused = []
    real = F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda *a, **k: fused.append(a[1].shape[2]) or real(*a, **k)
    )

    def attend(kind, size, training=True, dropout=0.0):
        q, k = torch.ones(1, 1, 2, 8, dtype=kind), torch.ones(1, 1, size, 8, dtype=kind)
        with torch.set_grad_enabled(training):
            attention.attend(q.requires_grad_(), k, k, torch.ones(1, 1, 2, size, dtype=torch.bool), dropout)

    attend(torch.bfloat16, 11)
    assert not fused
    attend(torch.bfloat16, attention.KEPT_WEIGHTS + 1)
    attend(torch.float32, 12)
    attend(torch.bfloat16, 13, training=False)
    attend(torch.bfloat16, 14, dropout=0.1)
    assert fused == [attention.KEPT_WEIGHTS + 1, 12, 13, 14]
