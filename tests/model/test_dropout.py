from __future__ import annotations

import pytest
import torch

from fathom.model.dropout import Dropout


def test_dropout_drops_its_share_keeps_the_mean_and_passes_the_gradient_of_what_it_kept() -> None:
    torch.manual_seed(0)
    states = torch.ones(301, 1001, requires_grad=True)
    found = Dropout(0.1)(states)
    dropped = found == 0
    assert abs(float(dropped.float().mean()) - 0.1) < 5 * (0.09 / states.numel()) ** 0.5
    assert found[~dropped].unique().tolist() == [pytest.approx(1 / 0.9, abs=2e-5)]
    assert dropped.float().mean(dim=0).std() < 2 * (0.09 / 301) ** 0.5  # columns alike
    assert abs(torch.corrcoef(torch.stack([dropped[:, 1:].flatten(), dropped[:, :-1].flatten()]).float())[0, 1]) < 0.01
    found.sum().backward()
    assert torch.equal(states.grad, found.detach())  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("shape", [(3,), (2, 5), (0, 4)])
def test_dropout_keeps_shape_and_type_and_repeats_with_its_seed(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    layer, states = Dropout(0.5), torch.ones(shape, dtype=dtype)
    torch.manual_seed(1)
    found = layer(states)
    torch.manual_seed(1)
    assert torch.equal(layer(states), found)
    assert found.shape == states.shape
    assert found.dtype == dtype


def test_dropout_does_nothing_in_evaluation_or_with_0_and_everything_with_1() -> None:
    states = torch.randn(50)
    assert Dropout(0.5).eval()(states) is states
    assert Dropout(0.0)(states) is states
    assert not Dropout(1.0)(states).any()
