"""Explanations: sums that hold, words that are put together again, and figures that tell a true one from a false one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import fathom
from fathom.checkpoint import About
from fathom.errors import DataError, SettingsError
from fathom.inference import Predictor
from fathom.inference.attribution import LARGEST_ERROR, METHODS, _AttentionWeights, _Path, _Reading
from fathom.inference.erasure import erasure_scores, kept, log_odds, occlusion
from fathom.text.splitting import readable_words
from tests import tiny

TEXT = "a joy from start to finish, warm and funny"


def predictor(max_length: int = 32, long_text: Any = "head", **changes: Any) -> Predictor:
    vocabulary = tiny.tokenizer()
    model = tiny.classifier(vocab_size=vocabulary.vocab_size, pad_id=vocabulary.pad_id, **changes)
    about = About(labels=["bad", "good"], max_length=max_length, long_text=long_text, stride=4, temperature=1.3)
    return Predictor(model, vocabulary, about)


@pytest.mark.parametrize(
    "changes",
    [
        {"pooling": "first"},
        {"pooling": "mean"},
        {"pooling": "last", "causal": True, "positions": "rotary", "segments": 0, "norm_position": "before", "key_heads": 1},
        {"positions": "relative", "pooling": "last"},
        {"embedding_width": 8, "groups": 1},
        {"pattern": "gl", "window": 2, "positions": "rotary", "pooling": "mean"},
    ],
)
@pytest.mark.parametrize(("length", "long_text"), [(32, "head"), (10, "windows"), (10, "head+tail")])
def test_integrated_gradients_sum_to_the_log_odds(changes: dict[str, Any], length: int, long_text: str) -> None:
    model = predictor(length, long_text, **changes)
    found = model.explain([TEXT])[0]
    assert found.hidden is not None
    assert found.error is not None
    assert found.error < LARGEST_ERROR
    label = model.labels.index(found.label)
    read = [word.score for word in found.words if word.score is not None]
    whole = log_odds(model.predict_proba([TEXT]), label)[0]
    assert found.hidden + sum(read) == pytest.approx(whole, abs=1.01 * LARGEST_ERROR * abs(whole - found.hidden))
    assert whole == pytest.approx(np.log(found.confidence / (1 - found.confidence)))
    assert (found.unread > 0) == (length == 10 and long_text != "windows")


def test_integrated_gradients_are_the_integral_of_the_gradient() -> None:
    model = predictor(pooling="mean")
    reading = _Reading(TEXT, model.classifier, model.tokenizer, model.about)
    path = _Path(model.classifier, reading, 1, model.about.temperature, model.tokenizer)
    fine = path.integral(200)
    np.testing.assert_allclose(path.integral(32), fine, atol=1e-4)
    # by hand: finite differences of one token's vector along the way, a plain sum for the integral
    place, width, steps = 3, 1e-2, 64
    total = 0.0
    for number in range(steps):
        share = (number + 0.5) / steps
        vectors = (path._hidden + share * (path._text - path._hidden)).detach()
        way = torch.zeros_like(vectors)
        way[0, place] = (path._text - path._hidden)[0, place]
        with torch.no_grad():
            up, down = (float(path._log_odds(vectors + sign * width * way)) for sign in (1, -1))
        total += (up - down) / (2 * width) / steps
    assert fine[0, place] == pytest.approx(total, abs=2e-3)
    assert fine[0, 0] == fine[0, -1] == 0  # special tokens stay where they are


def test_a_sum_that_does_not_hold_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from fathom.inference import attribution
    from fathom.limits.explanation import belief

    monkeypatch.setattr(attribution, "MOST_STEPS", 1)
    monkeypatch.setattr(attribution, "FEWEST_STEPS", 1)
    model = predictor()
    with torch.no_grad():
        for parameter in model.model.parameters():
            parameter *= 2
    found = model.explain([TEXT])[0]
    assert found.error is not None
    assert found.error > LARGEST_ERROR
    assert any("do not sum up" in sentence for sentence in belief(found))


def test_rollout_is_abnars_product_of_matrices() -> None:
    model = predictor(pooling="first")
    reading = _Reading(TEXT, model.classifier, model.tokenizer, model.about)
    length = reading.batch.token_ids.shape[1]
    with torch.no_grad(), _AttentionWeights() as weights:
        states = model.classifier.transformer.hidden_states(reading.batch.token_ids)
    assert len(weights.seen) == 2
    product = np.eye(length)
    for block, attention in zip(range(2), weights.seen, strict=True):
        part = model.classifier.transformer.blocks[block].attention
        query, key = (side(states[block]).view(1, length, 2, 8).transpose(1, 2) for side in (part.query, part.key))
        by_hand = (query @ key.mT / 8**0.5).softmax(dim=-1)
        torch.testing.assert_close(attention, by_hand)
        product = (by_hand.mean(dim=1)[0].detach().numpy() + np.eye(length)) / 2 @ product
    found = model.explainer.attribute(TEXT, "rollout", 0)
    by_word = reading.by_word(product[:1])
    np.testing.assert_allclose(found.scores, by_word, atol=1e-5)
    assert np.nansum(found.scores) < 1  # the rest stayed with the special tokens


def test_rollout_through_local_layers_of_a_long_text_is_that_of_all_pairs() -> None:
    vocabulary, text = tiny.tokenizer(), f"{TEXT} " * 60
    shape = {"pattern": "gl", "window": 6, "global_tokens": 1, "max_length": 700, "pad_id": vocabulary.pad_id}
    model = tiny.classifier(vocab_size=vocabulary.vocab_size, **shape)
    asked = Predictor(model, vocabulary, About(labels=["bad", "good"], max_length=700))
    found = asked.explainer.attribute(text, "rollout", 0)
    assert sum(found.read) > 512
    assert model.transformer.way_of_local_steps == "faster"
    model.transformer.way_of_local_steps = "dense"
    np.testing.assert_array_equal(found.scores, asked.explainer.attribute(text, "rollout", 0).scores)
    assert np.nansum(found.scores) > 0


def test_attention_of_another_thread_is_not_written_down() -> None:
    from threading import Thread

    model = predictor()
    with _AttentionWeights() as weights:
        other = Thread(target=model.predict, args=([TEXT],))
        other.start()
        other.join()
    assert weights.seen == []


def counting(texts: Sequence[str]) -> np.ndarray:
    """Sure of label 1 where "joy" stands, less sure with "warm"; knows nothing else."""
    rows = [0.5 + 0.4 * ("joy" in text.split()) + 0.05 * ("warm" in text.split()) for text in texts]
    return np.stack([1 - np.array(rows), rows], axis=1)


def test_erasure_tells_a_true_order_from_a_false_one() -> None:
    words = readable_words(TEXT)
    names = [TEXT[start:end] for start, end in words]
    true = sorted(range(len(words)), key=lambda n: (names[n] != "joy", names[n] != "warm"))
    found = erasure_scores(counting, TEXT, words, [true, true[::-1]], 1)
    assert found.comprehensiveness.shape == (2, 5)
    assert found.comprehensiveness[0, 0] == pytest.approx(0.4)  # joy alone is gone
    assert found.comprehensiveness[0, 3] == pytest.approx(0.45)  # and warm with it
    assert found.sufficiency[0, 0] == pytest.approx(0.05)
    assert found.sufficiency[0, 3] == pytest.approx(0.0)
    assert found.comprehensiveness[1].max() == pytest.approx(0)
    assert found.sufficiency[1].min() == pytest.approx(0.45)
    scores = occlusion(counting, TEXT, words, 1, range(len(words)))
    assert [names[n] for n in np.flatnonzero(scores > 1e-9)] == ["joy", "warm"]


def test_a_constant_classifier_has_nothing_to_explain() -> None:
    model = predictor()
    with torch.no_grad():
        model.classifier.classifier.weight.zero_()
        model.classifier.classifier.bias.copy_(torch.tensor([0.0, 1.0]))
    for method in METHODS:
        found = model.explain([TEXT], method=method)[0]
        assert found.faithfulness is not None
        assert set(dataclasses.astuple(found.faithfulness)) == {0.0}
        if method != "rollout":
            assert {word.score for word in found.words} == {0.0}
    assert found.error is None


def test_words_are_put_together_and_what_is_not_read_has_no_score() -> None:
    model = predictor(24)
    text = "unbelievably" + " good acting and a wonderful story that nobody should miss" * 4
    found = model.explain([text])[0]
    assert [word.text for word in found.words][:4] == ["unbelievably", "good", "acting", "and"]
    assert all(text[word.start : word.end] == word.text for word in found.words)
    scores = [word.score for word in found.words]
    assert scores[0] is not None
    assert scores[-1] is None
    assert found.unread > 0
    read = model.explainer.attribute(text, "rollout", 0).read
    assert read == list(range(len(read)))
    without = kept(text, [(word.start, word.end) for word in found.words], read[:-1])
    assert model.predict([without])[0].unread == 0  # so that nothing moves into the room of an erased word


@given(st.text(max_size=40), st.sets(st.integers(0, 20)))
def test_kept_words_are_words_of_the_text(text: str, chosen: set[int]) -> None:
    words = readable_words(text)
    found = kept(text, words, chosen)
    assert "".join(found.split()) == "".join(text[a:b] for n, (a, b) in enumerate(words) if n in chosen)
    assert "".join(kept(text, words, range(len(words))).split()) == "".join(text.split())


def test_words_as_a_reader_sees_them() -> None:
    def words(text: str) -> list[str]:
        return [text[start:end] for start, end in readable_words(text)]

    assert words("It's well-made.") == ["It's", "well", "-", "made", "."]
    assert words("电影abc2 fine") == ["电影", "abc2", "fine"] or words("电影abc2 fine") == ["电", "影", "abc2", "fine"]
    assert words("这部电影不好看。")[-1] == "。"
    text = "not good.Bad"
    assert kept(text, readable_words(text), {1, 3}) == "good Bad"
    assert kept(text, readable_words(text), {0, 1, 2}) == "not good."


@pytest.mark.parametrize("text", ["", "   ", "\n", "joy", "\ud800", "😀 a joy", "<br /> fine"])
@pytest.mark.parametrize("method", METHODS)
def test_any_text_is_explained(text: str, method: Any) -> None:
    found = predictor().explain([text], method=method)[0]
    assert found.text == text
    assert all(np.isfinite(word.score) for word in found.words if word.score is not None)


def test_what_cannot_be_explained_is_said(tmp_path: Path) -> None:
    model = predictor()
    assert model.explain([]) == []
    with pytest.raises(DataError, match="got one string"):
        model.explain("a joy")
    with pytest.raises(DataError, match="text 1 is 3"):
        model.explain(["a joy", 3])  # type: ignore[list-item]
    with pytest.raises(SettingsError, match="no method 'lime'"):
        model.explain(["a joy"], method="lime")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="gives each text a class"):
        fathom.load(tiny.writer_folder(tmp_path / "writer")).explain(["a joy"])
