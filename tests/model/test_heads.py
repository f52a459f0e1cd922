"""What stands on a stack: pooling, the map to the vocabulary, and one model a task."""

from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom.model import LanguageModel, SequenceClassifier, Task, TokenClassifier, make_model
from fathom.model.heads import Pooler
from tests.tiny import config


@pytest.mark.parametrize("pooling", ["first", "mean", "last"])
@given(st.lists(st.integers(1, 6), min_size=1, max_size=4), st.integers(0, 3), st.sampled_from(["left", "right", "none"]))
def test_pooler_reads_real_tokens_with_padding_on_either_side(pooling: str, lengths: list[int], more: int, side: str) -> None:
    longest = max(lengths) + more
    if side == "none":
        lengths = [longest] * len(lengths)
    hidden = torch.randn(len(lengths), longest, 16)
    places, sizes = torch.arange(longest), torch.tensor(lengths)[:, None]
    padding = places < longest - sizes if side == "left" else places >= sizes
    found = Pooler(config(pooling=pooling, pooler=False))(hidden, None if side == "none" else padding)
    for row in range(len(lengths)):
        real = hidden[row][~padding[row]]
        expected = {"first": hidden[row, 0], "mean": real.mean(0), "last": real[-1]}[pooling]
        torch.testing.assert_close(found[row], expected, atol=1e-6, rtol=0)


def test_pooler_layer_is_dense_activation_norm() -> None:
    pooler = Pooler(config(pooler_activation="relu", pooler_norm=True, norm="rms", norm_eps=1e-5))
    hidden = torch.randn(2, 3, 16)
    dense = pooler.layer.dense(hidden[:, 0]).relu()
    expected = dense / (dense.square().mean(1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(pooler(hidden), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("changes", [{}, {"tied": False}, {"embedding_width": 8}, {"output_bias": False, "head_bias": False}])
def test_vocabulary_scores_are_products_with_the_token_table(changes: dict[str, Any]) -> None:
    model = LanguageModel(config(**changes, initializer_range=0.3)).eval()
    token_ids = torch.randint(5, 200, (2, 4))
    hidden = model.transformer(token_ids)
    layer = model.output.layer
    states = torch.nn.functional.gelu(layer.dense(hidden))
    states = layer.norm(states)
    table = model.transformer.token_table if model.config.tied else model.output.weight
    if model.output.bias is not None:
        torch.nn.init.normal_(model.output.bias)
    bias = 0 if model.output.bias is None else model.output.bias
    torch.testing.assert_close(model(token_ids), states @ table.T + bias, atol=1e-4, rtol=0)
    assert (layer.dense.bias is None) == (not model.config.head_bias)
    torch.testing.assert_close(model(token_ids, only_last=True), model(token_ids)[:, -1:], atol=1e-5, rtol=0)
    assert sum(p is model.transformer.token_table for p in model.parameters()) == 1


def test_pretraining_scores_tokens_as_the_masked_model_does_and_the_pair_from_the_first_state() -> None:
    model = make_model("pretraining", config(initializer_range=0.3)).eval()
    token_ids, padding = torch.randint(5, 200, (2, 6)), torch.arange(6) >= torch.tensor([6, 4])[:, None]
    logits, relation = model(token_ids, padding)
    hidden = model.transformer(token_ids, padding)
    expected = model.relation(model.pooler.layer.dense(hidden[:, 0]).tanh())
    torch.testing.assert_close(relation, expected, atol=1e-5, rtol=0)
    masked = make_model("masked", model.config).eval()
    masked.load_state_dict({name: tensor for name, tensor in model.state_dict().items() if name in masked.state_dict()})
    torch.testing.assert_close(masked(token_ids, padding), logits, atol=1e-6, rtol=0)


@pytest.mark.parametrize("task", get_args(Task))
def test_every_task_has_a_model_with_scores_of_its_shape(task: Task) -> None:
    decodes = {"causal": {"causal": True}, "translation": {"decoder_depth": 1, "segments": 0}}
    model = make_model(task, config(**decodes.get(task, {})), classes=3).eval()
    token_ids = torch.randint(5, 200, (2, 7))
    found = model(token_ids, token_ids[:, :4]) if task == "translation" else model(token_ids)
    shapes = [tuple(part.shape) for part in (found if isinstance(found, tuple) else (found,))]
    assert (
        shapes
        == {
            "sequence": [(2, 3)],
            "token": [(2, 7, 3)],
            "span": [(2, 7, 2)],
            "masked": [(2, 7, 200)],
            "causal": [(2, 7, 200)],
            "pretraining": [(2, 7, 200), (2, 2)],
            "replaced": [(2, 7)],
            "translation": [(2, 4, 200)],
        }[task]
    )


def test_dropout_before_the_classifier_is_its_own_or_the_same_as_the_others() -> None:
    for kind in (SequenceClassifier, TokenClassifier):
        assert kind(config(dropout=0.3), 2).dropout.p == 0.3
        assert kind(config(dropout=0.3, classifier_dropout=0.0), 2).dropout.p == 0.0


def test_tokens_go_through_the_poolers_layer_where_the_configuration_says() -> None:
    shape = config(pooler_activation="relu", initializer_range=0.3)
    token_ids = torch.randint(5, 200, (2, 4))
    for task in ("token", "span"):
        model = make_model(task, replace(shape, pool_tokens=True), classes=2).eval()
        last = model.classifier if task == "token" else model.span
        expected = last(model.pooler.layer.dense(model.transformer(token_ids)).relu())
        torch.testing.assert_close(model(token_ids), expected, atol=1e-5, rtol=0)
        assert "pooler.layer.dense.weight" not in make_model(task, shape, classes=2).state_dict()


def test_language_model_reads_texts_in_one_row_as_if_each_stood_alone() -> None:
    torch.manual_seed(0)
    model = LanguageModel(config(segments=0)).eval()
    texts = [torch.randint(5, 200, (1, length)) for length in (7, 4)]
    documents = torch.tensor([[0] * 7 + [1] * 4])
    positions = torch.tensor([[*range(7), *range(4)]])
    packed = model(torch.cat(texts, dim=1), documents=documents, position_ids=positions)
    torch.testing.assert_close(packed, torch.cat([model(text) for text in texts], dim=1), atol=1e-5, rtol=0)
