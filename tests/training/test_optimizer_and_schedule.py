from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fathom.model.precision import autocast, fast_bfloat16
from fathom.training import TrainingSettings
from fathom.training.optimizer import make_optimizer
from fathom.training.schedule import rate_factor
from tests.tiny import classifier


@given(
    st.sampled_from(["linear", "wsd", "constant"]),
    st.integers(1, 300),
    st.floats(0, 0.9),
    st.floats(0.05, 1),
)
def test_schedule_stays_above_zero_and_reaches_but_never_passes_one(
    schedule: str, total: int, warmup: float, decay: float
) -> None:
    settings = TrainingSettings(schedule=schedule, warmup=warmup, decay=decay)
    factors = [rate_factor(step, total, settings) for step in range(total)]
    assert all(0 < factor <= 1 for factor in factors)
    peak = factors.index(max(factors))
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)


def test_schedule_shapes() -> None:
    linear = TrainingSettings(schedule="linear", warmup=0.2)
    assert [round(rate_factor(step, 10, linear), 3) for step in range(10)] == [
        0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125,
    ]  # fmt: skip
    wsd = TrainingSettings(schedule="wsd", warmup=0.2, decay=0.4)
    assert [rate_factor(step, 10, wsd) for step in range(10)] == [0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25]


def test_optimizer_decays_matrices_and_nothing_else() -> None:
    model = classifier()
    optimizer = make_optimizer(model, TrainingSettings(weight_decay=0.1))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert len(decay) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        plain = "norm" in name or name.endswith("bias")
        assert decay[id(parameter)] == (0.0 if plain else 0.1), name


def test_optimizer_layer_decay_lowers_the_rate_with_depth() -> None:
    model = classifier()
    optimizer = make_optimizer(model, TrainingSettings(learning_rate=1.0, layer_decay=0.5))
    rate = {id(p): group["peak"] for group in optimizer.param_groups for p in group["params"]}
    expected = {"embeddings": 0.125, "blocks.0": 0.25, "blocks.1": 0.5, "classifier": 1.0, "pooler": 1.0}
    for name, parameter in model.named_parameters():
        assert rate[id(parameter)] == next(value for part, value in expected.items() if part in name), name


def test_optimizer_freezes_embeddings_if_asked() -> None:
    model = classifier()
    make_optimizer(model, TrainingSettings(freeze_embeddings=True))
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen == {name for name, _ in model.named_parameters() if ".embeddings." in name}


def test_precision_auto_follows_the_processor() -> None:
    device = torch.device("cpu")
    with autocast("auto", device):
        assert torch.is_autocast_enabled("cpu") == fast_bfloat16(device)
    with autocast("float32", device):
        assert not torch.is_autocast_enabled("cpu")
    with autocast("bfloat16", device):
        assert torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("field", ["epochs", "batch_tokens", "learning_rate", "clip", "accumulate", "layer_decay"])
def test_settings_refuse_zero(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        TrainingSettings(**{field: 0})


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize(("beta2", "moved"), [(0.999, 31.66), (0.9, 6.16)])
def test_a_gradient_that_comes_once_moves_a_rare_vector_as_the_settings_say(
    optimizer: Literal["adamw", "muon"], beta2: float, moved: float
) -> None:
    model = nn.Linear(1, 1, bias=False)
    weight = model.weight
    nn.init.zeros_(weight)
    mover = make_optimizer(model, TrainingSettings(optimizer=optimizer, learning_rate=1.0, weight_decay=0.0, beta2=beta2))
    for step in range(5_400):  # long after the start, where averages still count what was not yet seen
        weight.grad = torch.full_like(weight, float(step == 5_000))
        mover.step()
    assert -weight.item() == pytest.approx(moved, abs=0.01)
