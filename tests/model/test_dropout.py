"""Dropout by counters: the share that was asked for, independent draws, and masks that no batch changes."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from listing_vibes.model.dropout import Draw, Dropout, hash32


def plain(number: int) -> int:
    """The hash, on Python's whole numbers."""
    number &= 0xFFFFFFFF
    number ^= number >> 16
    number = number * 0x7FEB352D & 0xFFFFFFFF
    number ^= number >> 15
    number = number * 0x846CA68B & 0xFFFFFFFF
    return number ^ number >> 16


def test_the_hash_is_the_published_one():
    numbers = [0, 1, -1, 12345, -(2**31), 2**31 - 1, -7]
    found = hash32(torch.tensor(numbers, dtype=torch.int32)).numpy().view(np.uint32)
    assert found.tolist() == [plain(number) for number in numbers]


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_the_share_goes_and_the_rest_is_louder(kind):
    drop, x = Dropout(0.1).train(), torch.ones(300, 20, 33, dtype=kind)
    with Draw(torch.arange(300, dtype=torch.int32), 5).active():
        found = drop(x)
    assert found.dtype == kind
    assert (found == 0).float().mean() == pytest.approx(0.1, abs=0.003)
    assert found[found != 0].float().mean() == pytest.approx(1 / 0.9, rel=5e-3)
    gone = (found == 0).float()
    for dim in range(3):  # rows, tokens and columns one like the other
        others = [d for d in range(3) if d != dim]
        spread = (0.09 * gone.shape[dim] / gone.numel()) ** 0.5
        assert gone.mean(others).std() == pytest.approx(spread, rel=0.5)


def test_layers_rows_tokens_and_columns_draw_apart():
    draw, x = Draw(torch.arange(200, dtype=torch.int32), 5), torch.ones(200, 20, 64)
    with draw.active():
        one, other = (draw.keep_mask(x, 0.5) - 0.5 for _ in range(2))
    pairs = ((one, other), (one[1:], one[:-1]), (one[:, 1:], one[:, :-1]), (one[..., 1:], one[..., :-1]))
    for left, right in pairs:
        assert abs((left * right).mean() / 0.25) < 5 / left.numel() ** 0.5
    with Draw(draw.rows, 6).active() as _:
        assert abs(((Draw.current.keep_mask(x, 0.5) - 0.5) * one).mean() / 0.25) < 5 / x.numel() ** 0.5


def test_a_mask_belongs_to_its_row_whoever_is_beside_it():
    drop, rows = Dropout(0.3).train(), torch.tensor([4, 9, 700], dtype=torch.int32)
    with Draw(rows, 1).active():
        whole = [drop(torch.ones(3, 12, 32)) for _ in range(2)]
    with Draw(rows[[2, 0]], 1).active():
        part = [drop(torch.ones(2, 7, 32)) for _ in range(2)]  # shorter rows, too
    for few, all_of_them in zip(part, whole, strict=True):
        assert torch.equal(few, all_of_them[[2, 0], :7])
    assert not torch.equal(whole[0], whole[1])


def test_without_a_draw_or_without_training_it_is_the_usual_one():
    drop, x = Dropout(0.2), torch.ones(4, 5, 6)
    torch.manual_seed(3)
    found = drop.train()(x)
    torch.manual_seed(3)
    assert torch.equal(found, F.dropout(x, 0.2))
    with Draw(torch.arange(4, dtype=torch.int32), 0).active():
        assert drop.eval()(x) is x
    assert Draw.current is None
