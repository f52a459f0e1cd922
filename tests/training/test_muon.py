import math
from pathlib import Path

import pytest
import torch
from torch import nn

from fathom.errors import InterruptedRunError
from fathom.model import LanguageModel
from fathom.training import TrainingSettings
from fathom.training.muon import Muon, orthogonal
from fathom.training.optimizer import make_optimizer
from tests.tiny import classifier, config
from tests.training.test_loop import StopAt, same
from tests.training.test_pretraining import SETTINGS, run
from tests.training.test_pretraining import model as pretrained

MUON = TrainingSettings(optimizer="muon", learning_rate=0.02, weight_decay=0.1)


@pytest.mark.parametrize("shape", [(32, 32), (64, 16), (16, 64), (1, 8), (48, 47)])
def test_orthogonal_keeps_directions_and_evens_out_their_lengths(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonal(matrix * 1e3)
    inner = left.T @ found @ right.T
    large = values > 0.05 * values.norm()  # the steps are too few for directions that hardly exist
    assert large.sum() > 0.5 * len(values)
    assert ((inner.diagonal()[large] > 0.65) & (inner.diagonal()[large] < 1.25)).all()
    assert (inner - inner.diagonal().diag()).abs().max() < 1e-3
    torch.testing.assert_close(found, orthogonal(matrix * 1e-3), atol=1e-3, rtol=0)  # size does not matter


def test_orthogonal_of_nothing_is_nothing() -> None:
    assert torch.equal(orthogonal(torch.zeros(4, 6)), torch.zeros(4, 6))


def test_muon_moves_a_matrix_as_torchs_own_does() -> None:
    """Theirs rounds to bfloat16 in between, so that entries agree to a few percent."""
    ours, theirs = (nn.Parameter(torch.randn(24, 40, generator=torch.Generator().manual_seed(1))) for _ in range(2))
    optimizers = [
        Muon([{"params": [ours], "orthogonal": True, "lr": 0.02, "weight_decay": 0.1}]),
        torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    ]
    start = ours.detach().clone()
    for step in range(4):
        gradient = torch.randn(24, 40, generator=torch.Generator().manual_seed(10 + step))
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        for optimizer in optimizers:
            optimizer.step()
    moved, expected = ours - start, theirs - start
    assert (moved - expected).norm() < 0.02 * expected.norm()


def test_muon_moves_entries_as_far_as_adamw_does() -> None:
    for shape in [(64, 64), (256, 64), (64, 256)]:
        weight = nn.Parameter(torch.zeros(shape))
        optimizer = Muon([{"params": [weight], "orthogonal": True, "lr": 0.01, "weight_decay": 0.0}])
        weight.grad = torch.randn(shape)
        optimizer.step()
        # 0.2 to 0.4 of the rate is what AdamW's updates usually measure (2502.16982, section 2.2)
        assert 0.15 < weight.detach().square().mean().sqrt().item() / 0.01 < 0.25


def test_muon_without_matrices_is_adamw_bit_for_bit() -> None:
    models = [classifier(seed=1) for _ in range(2)]
    groups = [[{"params": list(model.parameters()), "lr": 1e-2, "weight_decay": 0.1}] for model in models]
    optimizers = [Muon(groups[0]), torch.optim.AdamW(groups[1], fused=True)]
    for step in range(3):
        for model, optimizer in zip(models, optimizers, strict=True):
            torch.manual_seed(step)
            model(torch.randint(5, 200, (4, 9))).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert same(*models)


@pytest.mark.parametrize("changes", [{}, {"positions": "relative"}, {"gated": True, "embedding_width": 8}])
def test_muon_has_the_matrices_inside_blocks_and_adamw_the_rest(changes: dict) -> None:
    model = LanguageModel(config(**changes))
    optimizer = make_optimizer(model, MUON)
    assert isinstance(optimizer, Muon)
    for_muon = {id(parameter) for group in optimizer.param_groups if group["orthogonal"] for parameter in group["params"]}
    linear = {id(part.weight) for part in model.transformer.blocks.modules() if isinstance(part, nn.Linear)}
    assert for_muon == linear
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))
    with pytest.raises(ValueError, match="expected a matrix"):
        Muon([{"params": [nn.Parameter(torch.zeros(3))], "orthogonal": True, "lr": 1.0, "weight_decay": 0.0}])


def test_matrices_may_have_a_rate_of_their_own() -> None:
    settings = TrainingSettings(optimizer="muon", learning_rate=1e-3, matrix_learning_rate=2e-2, layer_decay=0.5)
    groups = make_optimizer(pretrained("masked"), settings).param_groups
    assert {group["peak"] for group in groups if group["orthogonal"]} == {2e-2 * 0.5**2, 2e-2 * 0.5}
    assert max(group["peak"] for group in groups if not group["orthogonal"]) == 1e-3


def test_muon_minimises_a_quadratic() -> None:
    torch.manual_seed(0)
    inputs, wanted = torch.randn(200, 12), torch.randn(8, 12)
    layer = nn.Linear(12, 8)
    optimizer = Muon(
        [
            {"params": [layer.weight], "orthogonal": True, "lr": 0.05, "weight_decay": 0.0},
            {"params": [layer.bias], "lr": 0.05, "weight_decay": 0.0},
        ]
    )
    for step in range(400):
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (1 - step / 400)
        loss = (layer(inputs) - inputs @ wanted.T - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 1e-4
    torch.testing.assert_close(layer.weight.detach(), wanted, atol=0.02, rtol=0)
    torch.testing.assert_close(layer.bias.detach(), torch.ones(8), atol=0.02, rtol=0)


def test_muon_decays_weights_apart_from_the_gradient() -> None:
    weight = nn.Parameter(torch.ones(4, 4))
    optimizer = Muon([{"params": [weight], "orthogonal": True, "lr": 0.1, "weight_decay": 0.5}])
    weight.grad = torch.zeros(4, 4)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.full((4, 4), 1 - 0.1 * 0.5))
    weight.grad = None
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.full((4, 4), 0.95))


@pytest.mark.parametrize("kind", ["masked", "replaced"])
def test_muon_run_stopped_and_resumed_is_the_same_run_bit_for_bit(tmp_path: Path, kind: str) -> None:
    settings = SETTINGS.model_copy(update={"optimizer": "muon"})
    whole = run(kind, tmp_path / "whole", settings)
    assert not same(whole, run(kind, tmp_path / "adamw"))
    with pytest.raises(InterruptedRunError):
        run(kind, tmp_path / "parts", settings, listener=StopAt(7))
    torch.rand(7)
    assert same(whole, run(kind, tmp_path / "parts", settings, resume=True))
    assert math.isfinite(sum(parameter.sum().item() for parameter in whole.parameters()))
