"""Packed linear maps answer as ordinary ones do, and come back from it bit by bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from fathom.checkpoint import About, save_model
from fathom.inference import Predictor
from fathom.inference.packed import PackedLinear, pack, unpacked
from fathom.model import TokenClassifier
from tests import tiny

CPU = torch.device("cpu")
needs_avx512 = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX512", reason="this processor has no AVX-512, and nothing is packed"
)
TEXTS = ["a joy from start to finish", "dull and endless", "it", "i loved it " * 12]


@needs_avx512
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("gelu", [True, False])
@pytest.mark.parametrize("rows", [1, 15, 70])
def test_a_packed_map_equals_the_ordinary_one(bias: bool, gelu: bool, rows: int) -> None:
    torch.manual_seed(0)
    linear, states = nn.Linear(24, 40, bias), torch.randn(2, rows, 24)
    packed = PackedLinear(linear, torch.float32, gelu=gelu)
    expected = linear(states)
    torch.testing.assert_close(packed(states), nn.functional.gelu(expected) if gelu else expected, atol=1e-5, rtol=0)
    again = packed.unpacked()
    assert torch.equal(again.weight, linear.weight)
    assert (again.bias is None) if linear.bias is None else torch.equal(again.bias, linear.bias)


@needs_avx512
@pytest.mark.parametrize("changes", [{}, {"gated": True, "activation": "silu"}, {"activation": "relu"}])
def test_a_packed_model_answers_as_before_and_can_be_unpacked(changes: dict[str, object]) -> None:
    model, ids = tiny.classifier(**changes), torch.randint(5, 200, (3, 9))
    expected, weights = model(ids), {name: value.clone() for name, value in model.state_dict().items()}
    pack(model, "float32", CPU)
    assert sum(isinstance(part, PackedLinear) for part in model.modules()) == 2 * (7 if "gated" in changes else 6)
    with torch.inference_mode():
        torch.testing.assert_close(model(ids), expected, atol=1e-5, rtol=0)
    back = unpacked(model)
    assert {name: value.tolist() for name, value in back.state_dict().items()} == {
        name: value.tolist() for name, value in weights.items()
    }
    back(ids).sum().backward()
    assert all(parameter.grad is not None for name, parameter in back.named_parameters() if "blocks" in name)
    assert unpacked(back) is back


@pytest.mark.parametrize("precision", ["float32", "auto", "bfloat16"])
def test_a_predictor_answers_alike_in_every_precision_and_explains_itself(tmp_path: Path, precision: str) -> None:
    folder = tiny.model_folder(tmp_path / "model")
    plain = Predictor.load(folder)
    plain.model = unpacked(plain.model)
    found = Predictor.load(folder, precision=precision)  # type: ignore[arg-type]
    within = 1e-5 if precision == "float32" else 0.05
    assert abs(found.predict_proba(TEXTS) - plain.predict_proba(TEXTS)).max() < within
    (explained,) = found.explain(TEXTS[:1])
    (expected,) = plain.explain(TEXTS[:1])
    assert [word.text for word in explained.words] == [word.text for word in expected.words]


def test_what_is_not_answered_in_bfloat16_is_not_packed_in_it(tmp_path: Path) -> None:
    """Tags are computed in float32, whatever is asked: some operations between linear maps take one type only."""
    vocabulary = tiny.tokenizer()
    torch.manual_seed(0)
    model = TokenClassifier(tiny.config(vocab_size=vocabulary.vocab_size, initializer_range=0.2), 3).eval()
    about = About(task="token", labels=["O", "B-x", "I-x"], max_length=32)
    save_model(tmp_path / "m", model=model, tokenizer=vocabulary, about=about, made_by=tiny.made_by(), card="# tiny\n")
    assert Predictor.load(tmp_path / "m", precision="bfloat16").tag(TEXTS) == Predictor.load(tmp_path / "m").tag(TEXTS)
