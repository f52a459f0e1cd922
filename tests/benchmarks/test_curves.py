"""That every model is asked the same, and that what it says is a probability of the whole document."""

from __future__ import annotations

import itertools
import lzma
from typing import Any

import numpy as np
import pytest
import torch
from curves import InOrder, document_nats, draw, windows, xz_bytes

from fathom.model import LanguageModel
from fathom.objectives import CausalLanguage
from fathom.text import Tokenizer, train_wordpiece
from tests.tiny import config

RELATIVE: dict[str, Any] = {"positions": "relative", "segments": 3, "embedding_norm": False, "attention_bias": False}
LENGTH = 8  # [CLS], six tokens, [SEP]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_wordpiece(["a b c d e f"], vocab_size=30, min_frequency=1)


def model(tokenizer: Tokenizer, *, causal: bool) -> LanguageModel:
    torch.manual_seed(0)
    fields = {"causal": True, "positions": "rotary", "segments": 0} if causal else RELATIVE
    return LanguageModel(config(vocab_size=tokenizer.vocab_size, initializer_range=0.4, **fields)).eval().double()


@pytest.mark.parametrize("tokens", [1, 5, 6, 7, 9, 10, 40])
def test_each_token_is_predicted_once_with_what_is_before_it(tokens: int) -> None:
    document, predicted = np.arange(100, 100 + tokens), []
    for number, window in enumerate(windows(document, LENGTH, [2], [3])):
        assert len(window.token_ids) <= LENGTH
        assert window.token_ids[0] == 2
        assert window.token_ids[-1] == 3
        predicted += window.token_ids[window.start : window.stop].tolist()
        assert number == 0 or window.start - 1 == 3  # half of the room was read before
        inner = window.token_ids[1:-1]
        assert inner.tolist() == list(range(inner[0], inner[0] + len(inner)))
    assert predicted == document.tolist()


class RightToLeft(InOrder):
    """One of the orders that may be drawn, the same for all rows, so that documents can be summed over."""

    def keys(self, rows: int, length: int, generator: torch.Generator | None) -> torch.Tensor:
        return -torch.arange(length, dtype=torch.double).repeat(rows, 1)


@pytest.fixture(params=["causal", "left to right", "right to left"])
def asked(request: pytest.FixtureRequest, tokenizer: Tokenizer) -> tuple[LanguageModel, CausalLanguage | InOrder]:
    kinds = {"left to right": InOrder(tokenizer.special_ids), "right to left": RightToLeft(tokenizer.special_ids)}
    return model(tokenizer, causal=request.param == "causal"), kinds.get(request.param, CausalLanguage())


def test_probabilities_of_all_documents_add_up_to_one(
    asked: tuple[LanguageModel, CausalLanguage | InOrder], tokenizer: Tokenizer
) -> None:
    documents = [np.array(tokens) for tokens in itertools.product(range(tokenizer.vocab_size), repeat=3)]
    nats = document_nats(*asked, documents, tokenizer, LENGTH)
    assert np.exp(-nats).sum() == pytest.approx(1, abs=1e-5)
    assert nats.std() > 0.1  # it is not the uniform distribution, which would add up, too


def test_a_window_goes_on_with_the_document(
    asked: tuple[LanguageModel, CausalLanguage | InOrder], tokenizer: Tokenizer
) -> None:
    begun = np.array([7, 9, 7, 10])  # a whole window; all documents of two tokens more that begin so have the same probability
    ends = [np.append(begun, pair) for pair in itertools.product(range(tokenizer.vocab_size), repeat=2)]
    before, after = (document_nats(*asked, documents, tokenizer, 6) for documents in ([begun], ends))
    assert np.exp(-after).sum() == pytest.approx(float(np.exp(-before[0])), rel=1e-5, abs=0)
    other = document_nats(*asked, [np.append([5], end[1:]) for end in ends[:4]], tokenizer, 6)
    assert np.abs(other - after[:4]).min() > 1e-6


def test_drawn_orders_differ_and_leave_the_context_alone(tokenizer: Tokenizer) -> None:
    objective = InOrder(tokenizer.special_ids, left_to_right=False)
    objective.asked = torch.arange(10).expand(4, 10) >= 4
    drawn = objective.factorise(None, torch.Generator().manual_seed(0))  # type: ignore[arg-type]  # nothing of the batch is read
    assert (drawn.ranks[:, :4] == 0).all()
    assert [sorted(row) for row in drawn.ranks[:, 4:].tolist()] == [[1, 2, 3, 4, 5, 6]] * 4
    assert len({tuple(row) for row in drawn.ranks.tolist()}) == 4
    assert (drawn.ranks.gather(1, drawn.targets) == torch.arange(1, 7)).all()


def test_order_does_not_depend_on_batches(tokenizer: Tokenizer) -> None:
    """Padding of shorter documents beside it changes nothing about a document."""
    net, objective = model(tokenizer, causal=False), InOrder(tokenizer.special_ids)
    documents = [np.array([7, 9, 7]), np.array([8]), np.array([5, 6, 7, 8, 9, 10, 9, 8, 7])]
    together = document_nats(net, objective, documents, tokenizer, LENGTH)
    alone = [float(document_nats(net, objective, [one], tokenizer, LENGTH)[0]) for one in documents]
    assert together == pytest.approx(alone, abs=1e-5)


def test_xz_finds_what_a_small_dictionary_forgets() -> None:
    block = np.random.default_rng(0).bytes(100_000)
    text = block + bytes(900_000) + block
    assert xz_bytes(text) < 1.01 * len(block)
    assert len(lzma.decompress(lzma.compress(text, preset=0))) == len(text)
    assert len(lzma.compress(text, preset=0)) > 1.9 * len(block)


def test_the_picture_is_the_same_each_time() -> None:
    curve = [{"tokens": 10.0**n, "bits_per_byte": 4.0 - n / 3} for n in range(3, 6)]
    counted = [{"tokens": 1000, "bits_per_byte": 3.0}, {"tokens": 9000, "bits_per_byte": 2.5}]
    record = {
        "models": {name: {"curve": curve, "parameters": {"all": 1_500_000}} for name in ("causal", "permutation")},
        "kneser_ney": {"by_size": counted, "best": {"order": 4}},
        "xz": {"after_training_text": {"bits_per_byte": 2.2}},
    }
    drawn = draw(record)
    assert drawn == draw(record)
    assert all(word in drawn for word in ("causal, 1.5 M parameters", "n = 4 on all", "xz -9e"))
