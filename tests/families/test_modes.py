"""Every family and task in every mode: trained with dropout, padded on either side, all padding, in bfloat16.

No reference is needed: what is held together is the same model in two situations.
"""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from fathom.model import EncoderDecoder, Model, Task, TransformerConfig, make_model
from tests.families.reference import batch, cases, family_of_row, on_the_left, raw_config, segments_of

every_case = pytest.mark.parametrize(("row", "task"), cases())
DROPOUT = dict.fromkeys(("dropout", "embedding_dropout", "attention_dropout", "activation_dropout", "classifier_dropout"), 0.1)


@cache
def config_of(row: str) -> TransformerConfig:
    return family_of_row(row).read_config(raw_config(row))


def made(row: str, task: Task, **changes: Any) -> Model:
    model = make_model(task, replace(config_of(row), **changes), classes=3).eval()
    for parameter in model.parameters():  # norms and biases, too
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    return model


def scores(model: Model, token_ids: Tensor, padding: Tensor | None, segments: Tensor | None, target: Tensor) -> list[Tensor]:
    if isinstance(model, EncoderDecoder):
        found = model(token_ids, target[: len(token_ids)], padding)
    else:
        found = model(token_ids, padding, segments)
    return list(found) if isinstance(found, tuple) else [found]


def inputs(row: str, model: Model, lengths: tuple[int, ...] = (20, 13, 7, 1)) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    token_ids, padding = batch(model.config.pad_id, lengths)
    return token_ids, padding, segments_of(row, token_ids, padding), torch.randint(5, 200, (len(lengths), 6))


@every_case
def test_every_parameter_gets_a_gradient_in_training(row: str, task: Task) -> None:
    model = made(row, task, **DROPOUT).train()
    loss = sum((found * torch.randn_like(found)).sum() for found in scores(model, *inputs(row, model)))
    loss.backward()
    for name, parameter in model.named_parameters():
        if name != "transformer.query_start":  # of the query stream, in tests/families/test_xlnet.py
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            # softmax cancels what a key's bias adds to all scores of a query
            assert parameter.grad.abs().sum() > 0 or name.endswith("attention.key.bias"), name


@every_case
def test_dropout_acts_in_training_and_nowhere_else(row: str, task: Task) -> None:
    model = made(row, task, **DROPOUT)
    given = inputs(row, model)
    with torch.no_grad():
        once, twice = (scores(model, *given) for _ in range(2))
        assert all(torch.equal(one, other) for one, other in zip(once, twice, strict=True))
        model.train()
        once, twice = (scores(model, *given) for _ in range(2))
        assert not any(torch.equal(one, other) for one, other in zip(once, twice, strict=True))


@every_case
def test_padding_changes_no_answer(row: str, task: Task) -> None:
    model = made(row, task)
    config = model.config
    lengths = (20, 13, 7, 1)
    token_ids, padding, segments, target = inputs(row, model, lengths)
    by_distance = config.causal or config.positions in ("relative", "rotary") or config.padding_position is not None
    needs_start = config.pooling == "first" and task in ("sequence", "pretraining")
    sides = [(token_ids, padding, segments)]
    if by_distance and not needs_start:
        moved = None if segments is None else on_the_left(segments, padding)[0]
        sides.append((*on_the_left(token_ids, padding), moved))
    with torch.no_grad():
        alone = [
            scores(
                model,
                token_ids[place : place + 1, :length],
                None,
                None if segments is None else segments[place : place + 1, :length],
                target[place : place + 1],
            )
            for place, length in enumerate(lengths)
        ]
        for ids, hidden, kinds in sides:
            junk = torch.where(hidden, torch.randint_like(ids, 5, 200), ids)  # what stands there does not matter
            together = scores(model, junk, hidden, kinds, target)
            for place in range(len(lengths)):
                for found, expected in zip(together, alone[place], strict=True):
                    real = found[place][~hidden[place]] if found.shape[:2] == ids.shape else found[place]
                    torch.testing.assert_close(real, expected[0], atol=1e-4, rtol=0)


@every_case
def test_a_row_of_padding_alone_is_finite_and_so_are_its_gradients(row: str, task: Task) -> None:
    model = made(row, task)
    token_ids, padding, segments, target = inputs(row, model, (20, 5))
    padding[1] = True
    found = scores(model, token_ids, padding, segments, target)
    assert all(torch.isfinite(part).all() for part in found)
    sum(part.square().sum() for part in found).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.grad is not None)


@every_case
def test_bfloat16_runs_in_both_modes_and_is_close(row: str, task: Task) -> None:
    model = made(row, task, initializer_range=0.1)
    given = inputs(row, model)
    with torch.no_grad():
        expected = scores(model, *given)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = scores(model, *given)
    for mine, exact in zip(found, expected, strict=True):
        assert mine.dtype == torch.bfloat16
        error = (mine.float() - exact).abs().mean() / exact.abs().mean()
        assert error < 0.05, error
    model = made(row, task, initializer_range=0.1, **DROPOUT).train()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = scores(model, *given)
    sum((part.float() * torch.randn(part.shape)).sum() for part in found).backward()
    for name, parameter in model.named_parameters():
        if name != "transformer.query_start":
            assert parameter.grad is not None, name
            assert parameter.grad.dtype == torch.float32, name
            assert torch.isfinite(parameter.grad).all(), name
