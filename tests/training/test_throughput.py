"""FLOPs as the formula counts them, and a peak that is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fathom.model import LanguageModel, Transformer
from fathom.objectives import CausalLanguage
from fathom.training import Work, measure_work
from fathom.training.throughput import peak_flops, training_flops
from tests.tiny import config
from tests.training.test_pretraining import KINDS, VOCABULARY, model, objective, pairs, same, windows


def test_flops_of_a_causal_model_are_those_of_the_formula() -> None:
    """2 for each weight of a matrix and each token, 4 L² D for attention in each block; three times that with the gradient."""
    shape = config(causal=True, segments=0, vocab_size=VOCABULARY.vocab_size)
    causal = LanguageModel(shape)
    batch = pairs().batch(np.arange(4))
    rows, length = batch.token_ids.shape
    matrices = sum(p.numel() for name, p in causal.named_parameters() if p.dim() == 2 and ".blocks." in name)
    asked = CausalLanguage().ask(batch).right.numel()
    head = shape.vocab_size * shape.width + (shape.width**2 if shape.output_transform else 0)
    forward = rows * length * 2 * matrices + rows * shape.depth * 4 * length**2 * shape.width + asked * 2 * head
    assert training_flops(causal, CausalLanguage(), batch) == pytest.approx(3 * forward, rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_counting_changes_nothing(kind: str, tmp_path: Path) -> None:
    trained, twin, asked = model(kind), model(kind), objective(kind)
    batch = (windows() if kind == "permutation" else pairs()).batch(np.arange(3))
    random = torch.get_rng_state()
    work = measure_work(trained, asked, batch, "float32")
    assert work.flops_per_token > 0
    assert torch.equal(random, torch.get_rng_state())
    assert same(trained, twin)
    assert all(parameter.grad is None for parameter in trained.parameters())
    if kind == "permutation":
        assert asked.state() == {}


def test_activations_are_kept_for_counting_so_that_what_is_computed_again_does_not_count() -> None:
    trained, batch = model("masked"), pairs().batch(np.arange(3))
    kept = training_flops(trained, objective("masked"), batch)
    for part in trained.modules():
        if isinstance(part, Transformer):
            part.checkpoint_activations = True
    torch.manual_seed(0)
    assert training_flops(trained, objective("masked"), batch) >= kept


def test_utilisation_is_work_over_what_the_machine_could_do() -> None:
    assert Work(flops_per_token=1e6, peak=1e9).utilisation(tokens=500, seconds=2.0) == pytest.approx(0.25)
    assert peak_flops(torch.device("cpu"), "float32") > 1e8
