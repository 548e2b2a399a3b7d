"""The encoder alone: the attention against a per-token twin, the two paths against each other, the window."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.utils._python_dispatch import TorchDispatchMode

from listing_vibes.errors import VibesError
from listing_vibes.model import attention
from listing_vibes.model.config import PRESETS, EncoderConfig
from listing_vibes.model.longformer import Attention, Longformer

SHAPE = {"layers": 3, "width": 32, "heads": 2, "ffn": 64, "window": 8, "max_tokens": 512, "max_items": 6}


def model(seed: int = 0, **change) -> Longformer:
    """A small encoder in evaluation mode whose attention is far from flat."""
    torch.manual_seed(seed)
    made = Longformer(EncoderConfig(**(SHAPE | change))).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight += 0.2 * torch.randn_like(weight)
        made.item_position.weight[0] = 0
    return made


def batch(length: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Four rows (B, S, ...) of different lengths, the last with no real token at all."""
    random = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([length, max(1, length // 2), max(1, length - 3), 0])
    return {
        "tokens": torch.randn(4, length, SHAPE["width"], generator=random),
        "mask": torch.arange(length) < lengths[:, None],
        "token_type": torch.randint(0, 4, (4, length), generator=random),
        "item_position": torch.randint(0, SHAPE["max_items"], (4, length), generator=random),
        "positions": torch.randint(0, SHAPE["max_tokens"], (4, length), generator=random),
    }


def some_allowed(length: int) -> torch.Tensor:
    """A mask (4, S, S) that forbids half of the pairs, whole rows of some queries included."""
    random = torch.Generator().manual_seed(9)
    allowed = torch.rand(4, length, length, generator=random) < 0.5
    allowed[:, length // 2] = False
    return allowed


def twin_visible(i: int, j: int, half: int, mask, allowed) -> bool:
    """The rule, said once more: mask (S,), allowed (S, S) or None."""
    if i == j:
        return True
    near = abs(i - j) <= half or j == 0
    return bool(near and mask[j] and (allowed is None or allowed[i, j]))


def softmax_sum(scores: list[float], values: list[list[float]]) -> list[float]:
    top = max(scores)
    weights = [math.exp(s - top) for s in scores]
    return [
        sum(w * v[d] for w, v in zip(weights, values, strict=True)) / sum(weights)
        for d in range(len(values[0]))
    ]


def twin_attention(q, k, v, keys: list[int]) -> list[float]:
    """One query q (dh,) over keys k, v (S, dh) at the places `keys`, in plain Python numbers."""
    scores = [sum(a * b for a, b in zip(q, k[j], strict=True)) / math.sqrt(len(q)) for j in keys]
    return softmax_sum(scores, [v[j] for j in keys])


@pytest.mark.parametrize("forbid", [False, True], ids=["free", "allowed"])
@pytest.mark.parametrize(("length", "window"), [(11, 4), (8, 8), (3, 6), (13, 2), (1, 4)])
@pytest.mark.parametrize("path", ["dense", "banded"])
def test_attention_equals_a_per_token_twin(path, length, window, forbid):
    random = torch.Generator().manual_seed(length)
    q, k, v = (2 * torch.randn(4, 2, length, 5, generator=random) for _ in range(3))
    mask = batch(length)["mask"]
    allowed = some_allowed(length) if forbid else None
    visible = getattr(attention, f"{path}_visible")(mask, window, allowed)
    out = getattr(attention, f"{path}_attention")(q, k, v, visible)
    assert out.shape == q.shape
    for b in range(4):
        for h in range(2):
            queries, key_rows, value_rows = (x[b, h].tolist() for x in (q, k, v))
            for i in range(length):
                rule = None if allowed is None else allowed[b]
                keys = [j for j in range(length) if twin_visible(i, j, window // 2, mask[b], rule)]
                expected = twin_attention(queries[i], key_rows, value_rows, keys)
                assert out[b, h, i].tolist() == pytest.approx(expected, abs=1e-5), (b, h, i)


def test_cls_equals_a_per_token_twin_that_makes_every_key_and_value():
    config = EncoderConfig(**SHAPE)
    torch.manual_seed(1)
    module = Attention(config)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(0.4 * torch.randn_like(weight))
    length, dh = 9, config.width // config.heads
    x, mask = torch.randn(4, length, config.width), batch(length)["mask"]
    mask[3, 0] = True
    with torch.no_grad():
        out = module(x, attention.dense_visible(mask, 8), mask, False)[:, 0]  # (B, d)
        q, k, v = module.query_global(x), module.key_global(x), module.value_global(x)
        for b in range(4):
            keys = [j for j in range(length) if mask[b, j]]
            heads = [slice(h * dh, h * dh + dh) for h in range(config.heads)]
            gathered = [
                value
                for h in heads
                for value in twin_attention(
                    q[b, 0, h].tolist(), k[b, :, h].tolist(), v[b, :, h].tolist(), keys
                )
            ]
            expected = module.out(torch.tensor(gathered))
            assert torch.allclose(out[b], expected, atol=1e-5)


@pytest.mark.parametrize("forbid", [False, True], ids=["free", "allowed"])
@pytest.mark.parametrize("length", [1, 3, 4, 5, 37, 64])
def test_both_paths_give_the_same_output_and_gradient(length, forbid):
    inputs = batch(length) | ({"allowed": some_allowed(length)} if forbid else {})
    target = torch.randn(4, length, SHAPE["width"], generator=torch.Generator().manual_seed(5))
    outputs, gradients = [], []
    for path in ("dense", "banded"):
        encoder = model()
        encoder.path = path
        tokens = inputs["tokens"].clone().requires_grad_()
        out = encoder(**(inputs | {"tokens": tokens}))
        assert out.isfinite().all()  # padding and the empty row included
        (out * target)[inputs["mask"]].sum().backward()
        outputs.append(out[inputs["mask"]].detach())
        weights = {name: weight.grad for name, weight in encoder.named_parameters() if weight.requires_grad}
        gradients.append({"tokens": tokens.grad} | weights)
    assert torch.allclose(outputs[0], outputs[1], atol=1e-5)
    for name, gradient in gradients[0].items():
        assert gradient is not None and gradient.isfinite().all(), name
        assert torch.allclose(gradient, gradients[1][name], atol=1e-4, rtol=1e-3), name
    if length > 1 and not forbid:
        idle = {n for n, g in gradients[0].items() if not g.any()}
        assert idle <= {"item_position.weight"}, "every weight takes part"


@pytest.mark.parametrize("path", ["dense", "banded"])
def test_the_window_is_a_window(path):
    """In one layer, token i hears exactly [CLS] and the tokens within half a window; [CLS] hears all."""
    encoder, length, real = model(layers=1), 29, 25
    encoder.path = path
    tokens = torch.randn(1, length, SHAPE["width"], requires_grad=True)
    mask = (torch.arange(length) < real)[None]
    out = encoder(tokens, mask)
    for i in range(real):
        (gradient,) = torch.autograd.grad(out[0, i].square().sum(), tokens, retain_graph=True)
        heard = gradient[0].abs().amax(-1).nonzero().flatten().tolist()
        near = {j for j in range(real) if abs(i - j) <= 4}
        assert heard == (list(range(real)) if i == 0 else sorted(near | {0})), i


@pytest.mark.parametrize("path", ["dense", "banded"])
def test_allowed_takes_keys_away_from_every_query(path):
    encoder, length, real = model(layers=1), 29, 25
    encoder.path = path
    tokens = torch.randn(1, length, SHAPE["width"], requires_grad=True)
    mask, allowed = torch.arange(length) < real, some_allowed(length)[0]
    out = encoder(tokens, mask[None], allowed=allowed[None])
    for i in range(real):
        (gradient,) = torch.autograd.grad(out[0, i].square().sum(), tokens, retain_graph=True)
        heard = gradient[0].abs().amax(-1).nonzero().flatten().tolist()
        half = length if i == 0 else 4
        assert heard == [j for j in range(length) if twin_visible(i, j, half, mask, allowed)], i


@pytest.mark.parametrize("path", ["dense", "banded"])
def test_layers_may_have_windows_of_their_own(path):
    encoder = model(layers=2, window=(2, 6))
    encoder.path = path
    tokens = torch.randn(1, 20, SHAPE["width"], requires_grad=True)
    mask = torch.ones(1, 20, dtype=torch.bool)
    # cutting [CLS] off from everything leaves the windows alone: 1 + 3 tokens to either side
    allowed = torch.ones(1, 20, 20, dtype=torch.bool)
    allowed[:, 0, 1:] = allowed[:, 1:, 0] = False
    out = encoder(tokens, mask, allowed=allowed)
    (gradient,) = torch.autograd.grad(out[0, 10].square().sum(), tokens)
    assert gradient[0].abs().amax(-1).nonzero().flatten().tolist() == list(range(6, 15))


@pytest.mark.parametrize("path", ["dense", "banded"])
def test_padding_has_no_say(path):
    encoder, inputs = model(), batch(30)
    encoder.path = path
    with torch.no_grad():
        out = encoder(**inputs)
        noise = torch.where(
            inputs["mask"][..., None], inputs["tokens"], torch.full_like(inputs["tokens"], 50.0)
        )
        assert torch.equal(encoder(**(inputs | {"tokens": noise}))[inputs["mask"]], out[inputs["mask"]])
        for b, size in enumerate(inputs["mask"].sum(1).tolist()[:3]):
            alone = encoder(**{name: x[b : b + 1, :size] for name, x in inputs.items()})
            assert torch.allclose(alone[0], out[b, :size], atol=1e-5)


@pytest.mark.parametrize("forbid", [False, True], ids=["free", "allowed"])
@pytest.mark.parametrize("layers", [1, 3])
def test_encode_is_the_unit_cls_row(layers, forbid):
    encoder, inputs = model(layers=layers), batch(37)
    if forbid:
        inputs["allowed"] = some_allowed(37)
    with torch.no_grad():
        vectors, rows = encoder.encode(**inputs), encoder(**inputs)[:, 0]
    assert vectors.shape == (4, SHAPE["width"])
    assert torch.allclose(vectors.norm(dim=1), torch.ones(4), atol=1e-6)
    assert torch.allclose(vectors, torch.nn.functional.normalize(rows, dim=1), atol=1e-5)


@pytest.mark.parametrize("path", ["dense", "banded"])
def test_bfloat16_trains_and_stays_close(path):
    encoder, inputs = model(), batch(37)
    encoder.path = path
    exact = encoder.encode(**inputs)
    with torch.autocast("cpu", torch.bfloat16):
        rough = encoder.encode(**inputs)
    assert rough.dtype == torch.float32
    assert torch.cosine_similarity(exact, rough).min() > 0.999
    rough[0, 0].backward()
    idle = {
        name for name, weight in encoder.named_parameters() if weight.requires_grad and weight.grad is None
    }
    # the last layer computes [CLS] alone
    assert idle == {
        f"layers.2.attention.{part}.{kind}"
        for part in ("query", "key", "value")
        for kind in ("weight", "bias")
    }
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.grad is not None)


class Largest(TorchDispatchMode):
    """Notes the number of elements of the largest tensor that any operation makes."""

    size = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple) else [out]:
            if isinstance(tensor, torch.Tensor) and not func.is_view:
                self.size = max(self.size, tensor.numel())
        return out


@pytest.mark.slow
def test_banded_memory_grows_with_the_row_not_its_square():
    def largest(length: int, path: str) -> int:
        encoder = model(layers=1, width=8, heads=1, ffn=8, max_tokens=4096)
        encoder.path = path
        with Largest() as seen:
            encoder(
                torch.randn(1, length, 8, requires_grad=True), torch.ones(1, length, dtype=torch.bool)
            ).sum().backward()
        return seen.size

    assert largest(4096, "banded") <= 4.1 * largest(1024, "banded")
    assert largest(4096, "dense") >= 4096**2  # the meter sees what it should


def test_auto_takes_the_band_for_long_rows_only():
    assert not attention.band_is_faster(119, 64)
    assert attention.band_is_faster(300, 64)
    assert not attention.band_is_faster(96, 16)
    assert not attention.band_is_faster(1024, 512)
    assert attention.band_is_faster(1536, 512)
    assert attention.band_is_faster(4096, 512)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_attention_dropout_acts_in_training_only(share):
    encoder, inputs = model(dropout=0.0, attention_dropout=share), batch(20)
    calm = encoder(**inputs)[inputs["mask"]]
    assert torch.equal(calm, encoder(**inputs)[inputs["mask"]])
    torch.manual_seed(2)
    assert torch.allclose(encoder.train()(**inputs)[inputs["mask"]], calm, atol=1e-5) == (share == 0)


def test_hidden_dropout_acts_in_training_only():
    encoder, inputs = model(dropout=0.5), batch(20)
    torch.manual_seed(2)
    assert not torch.allclose(encoder(**inputs), encoder.train()(**inputs), atol=1e-3)


def test_item_position_zero_is_no_item_and_stays_so():
    encoder = Longformer(EncoderConfig(**SHAPE)).eval()
    inputs = batch(12)
    without = {k: v for k, v in inputs.items() if k != "item_position"}
    nowhere = encoder(**without, item_position=torch.zeros_like(inputs["item_position"]))
    assert torch.equal(nowhere, encoder(**without))
    assert not torch.equal(nowhere[:3], encoder(**inputs)[:3])
    encoder(**inputs).square().sum().backward()
    assert not encoder.item_position.weight.grad[0].any()


def test_defaults_are_type_zero_and_counted_positions():
    encoder, inputs = model(), batch(12)
    plain = encoder(inputs["tokens"], inputs["mask"])
    zeros, counted = torch.zeros(4, 12, dtype=torch.long), torch.arange(12).expand(4, 12)
    assert torch.equal(plain, encoder(inputs["tokens"], inputs["mask"], zeros, positions=counted))


def test_a_row_that_is_too_long_is_named():
    with pytest.raises(VibesError, match="a row of 513 tokens is longer than the encoder's max_tokens 512"):
        model()(torch.zeros(1, 513, 32), torch.ones(1, 513, dtype=torch.bool))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"heads": 5}, "width 32 is not a multiple of heads 5"),
        ({"window": 7}, "window 7 is not an even number"),
        ({"window": 0}, "window 0 is not an even number"),
        ({"window": (8, 8)}, "window names 2 layers, layers is 3"),
        ({"depth": 3}, "depth"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_sizes_that_do_not_fit_are_named(change, says):
    with pytest.raises(ValidationError, match=says):
        EncoderConfig(**(SHAPE | change))


def test_presets_have_the_sizes_of_the_design():
    sizes = {name: (c.layers, c.width, c.heads, c.ffn, c.window, c.max_tokens) for name, c in PRESETS.items()}
    assert sizes == {
        "tiny": (2, 128, 2, 512, 64, 1024),
        "mini": (2, 256, 4, 512, 64, 1024),
        "small": (4, 256, 4, 1024, 64, 1024),
        "base": (12, 768, 12, 3072, 512, 4096),
        "large": (24, 1024, 16, 4096, 512, 4096),
    }
    assert EncoderConfig.model_validate_json(PRESETS["base"].model_dump_json()) == PRESETS["base"]
    per_layer = EncoderConfig(**(SHAPE | {"window": (8, 16, 8)}))
    assert EncoderConfig.model_validate_json(per_layer.model_dump_json()) == per_layer
