"""Layers that see only what is near: GPT-3's band, as GPT-Neo has it, and ModernBERT's, to both sides."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fathom.checkpoint import load_model
from fathom.model import Cache, LanguageModel, Task, transformer
from fathom.model.local_attention import make_blocks
from tests.families.reference import on_the_left, reference, saved, scores
from tests.tiny import config

ONE_LAYER: dict[str, tuple[Task, dict[str, Any]]] = {
    "gpt_neo": ("causal", {"num_layers": 1, "attention_types": [[["local"], 1]], "window_size": 4}),
    "modernbert": ("masked", {"num_hidden_layers": 1, "layer_types": ["sliding_attention"], "local_attention": 8}),
}


def reach(vectors: Tensor, logits: Tensor) -> Tensor:
    """(L, L) the size of the gradient of each place's logits with respect to each place's token vector."""
    rows = [torch.autograd.grad(logits[0, place].sum(), vectors, retain_graph=True)[0] for place in range(logits.shape[1])]
    return torch.stack([row[0].abs().amax(1) for row in rows])


@pytest.mark.parametrize("padded", [0, 3])
@pytest.mark.parametrize(("row", "before", "after"), [("gpt_neo", 3, 0), ("modernbert", 4, 4)])
def test_one_local_layer_sees_its_band_and_nothing_else(row: str, before: int, after: int, padded: int, tmp_path: Path) -> None:
    task, changes = ONE_LAYER[row]
    theirs = reference(row, task, **changes)
    ours = load_model(saved(theirs, tmp_path)).model
    assert isinstance(ours, LanguageModel)
    length = 14
    vectors = torch.randn(1, length, 24, requires_grad=True)
    padding = (torch.arange(length) < padded)[None]
    ids = torch.full((1, length), 7)
    found = reach(vectors, ours.logits(ours.transformer(ids, padding if padded else None, token_vectors=vectors)))
    places = torch.arange(length)
    distance = places[:, None] - places
    band = (distance <= before) & (distance >= -after) & ~padding
    real = ~padding[0]
    assert (found[real][band[real]] > 0).all()
    assert (found[real][~band[real]] == 0).all()
    expected = reach(vectors, theirs(inputs_embeds=vectors, attention_mask=(~padding).long()).logits)
    assert torch.equal(expected[real] > 0, found[real] > 0)


def test_layers_in_turn_reach_farther_than_one() -> None:
    """Dense and banded layers in turn, as in GPT-3: two banded ones see twice as far, a dense one everything."""
    for pattern, reached in (("l", 6), ("gl", 11), ("lg", 11)):
        model = LanguageModel(config(causal=True, pattern=pattern, window=3, norm_position="before", dropout=0.0)).eval()
        vectors = torch.randn(1, 12, 16, requires_grad=True)
        found = reach(vectors, model.logits(model.transformer(torch.ones(1, 12, dtype=torch.long), token_vectors=vectors)))
        places = torch.arange(12)
        distance = places[:, None] - places
        assert torch.equal(found > 0, (distance >= 0) & (distance <= reached)), pattern


SHAPES = [
    {"positions": "learned"},
    {"positions": "rotary", "key_heads": 1, "rotary_local_base": 50.0},
    {"positions": "relative", "pattern": "g", "window": None, "segments": 0},
    {"positions": "sinusoidal", "pattern": "llg", "window": 2, "depth": 3},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_cache_beyond_the_window_equals_one_pass(shape: dict[str, Any]) -> None:
    torch.manual_seed(0)
    fields = {
        "causal": True,
        "pattern": "lg",
        "window": 5,
        "norm_position": "before",
        "max_length": 160,
        "initializer_range": 0.3,
    }
    model = LanguageModel(config(**{**fields, **shape})).eval()
    token_ids = torch.randint(5, 200, (3, 150))
    lengths = torch.tensor([150, 90, 11])
    token_ids, padding = on_the_left(token_ids, torch.arange(150) >= lengths[:, None])
    with torch.no_grad():
        everything = model(token_ids, padding)
        cache, parts, start = Cache(model.config), [], 0
        for size in (1, 3, 20, *[1] * 50, 30, *[1] * 40, 6):
            end = start + size
            parts.append(model(token_ids[:, start:end], padding[:, :end], cache=cache))
            start = end
    assert start == cache.length == 150
    torch.testing.assert_close(torch.cat(parts, 1)[~padding], everything[~padding], atol=1e-4, rtol=0)


def test_local_cache_equals_the_references_full_pass_on_long_text(tmp_path: Path) -> None:
    theirs = reference("gpt_neo", "causal", max_position_embeddings=120)
    ours = load_model(saved(theirs, tmp_path)).model
    assert isinstance(ours, LanguageModel)
    token_ids = torch.randint(5, 200, (2, 110))
    token_ids, padding = on_the_left(token_ids, torch.arange(110) >= torch.tensor([110, 70])[:, None])
    positions = ((~padding).cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        expected = theirs(token_ids, attention_mask=(~padding).long(), position_ids=positions).logits
        cache = Cache(ours.config)
        steps = [ours(token_ids[:, :30], padding[:, :30], cache=cache)]
        steps += [ours(token_ids[:, at : at + 1], padding[:, : at + 1], cache=cache) for at in range(30, 110)]
    torch.testing.assert_close(torch.cat(steps, 1)[~padding], expected[~padding], atol=1e-4, rtol=0)


@pytest.mark.parametrize(("row", "task"), [("modernbert", "masked"), ("modernbert", "sequence"), ("gpt_neo", "causal")])
def test_local_layers_in_blocks_equal_the_reference_on_long_texts(row: str, task: Task, tmp_path: Path) -> None:
    """Beyond the length from which blocks are used, with padding, and with the gradients."""
    length = 700
    theirs = reference(row, task, max_position_embeddings=length, initializer_range=0.15)
    ours = load_model(saved(theirs, tmp_path)).model
    token_ids = torch.randint(5, 200, (2, length))
    padding = torch.arange(length) >= torch.tensor([length, 413])[:, None]
    with prepared() as calls:
        found = ours(token_ids, padding)
    assert calls, "the local layers were computed in blocks"
    (expected,) = scores(theirs(token_ids, attention_mask=(~padding).long()), task)
    real = slice(None) if task == "sequence" else ~padding
    torch.testing.assert_close(found[real], expected[real], atol=1e-4, rtol=0)
    for logits in (found, expected):
        logits[real].square().mean().backward()
    mine = ours.transformer.token_table.grad
    torch.testing.assert_close(mine, theirs.get_input_embeddings().weight.grad, atol=1e-5, rtol=1e-3)


@contextmanager
def prepared() -> Iterator[list[int]]:
    """The number of rows of each pass that is prepared for blocks."""
    rows: list[int] = []

    def noted(rule: Any, count: int, *others: Any) -> Any:
        rows.append(count)
        return make_blocks(rule, count, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transformer, "make_blocks", noted)
        yield rows
