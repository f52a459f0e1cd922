from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import fathom
from fathom.data import Example
from fathom.errors import DataError, ModelFolderError, SettingsError
from fathom.inference import Predictor, text_probabilities
from tests.tiny import examples, model_folder


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return fathom.load(model_folder(tmp_path_factory.mktemp("models") / "tiny"))


TEXTS = ["a joy", "", "dull " * 100, "ünïcode 你好 🎉", "\x00\ud800", "a wonderful film"]


def test_predictor_answers_each_text_alone_as_it_does_among_others(predictor: Predictor) -> None:
    together = predictor.predict_proba(TEXTS)
    for text, row in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(predictor.predict_proba([text])[0], row, atol=1e-5)
    np.testing.assert_allclose(together.sum(axis=1), 1)


@given(st.lists(st.text(max_size=60), max_size=6))
def test_predictor_takes_any_text(predictor: Predictor, texts: list[str]) -> None:
    answers = predictor.predict(texts)
    assert [answer.text for answer in answers] == texts
    for answer in answers:
        assert answer.confidence == max(answer.scores.values()) == answer.scores[answer.label]
        assert abs(sum(answer.scores.values()) - 1) < 1e-9


def test_predictor_says_how_much_it_did_not_read(predictor: Predictor) -> None:
    short, long = predictor.predict(["a joy", "joy " * 100])
    assert short.unread == 0
    assert long.unread == 100 * len(predictor.tokenizer.encode(["joy"], max_length=32)[0][0].token_ids[1:-1]) - 30


def test_predictor_reads_long_texts_whole_in_windows(predictor: Predictor) -> None:
    windowed = Predictor(
        predictor.model,
        predictor.tokenizer,
        predictor.about.model_copy(update={"long_text": "windows", "stride": 4}),
    )
    text = "a joy from start to finish " * 20 + "dull and endless " * 20
    assert windowed.predict([text])[0].unread == 0
    windows = [
        encoded.token_ids for encoded in windowed.tokenizer.encode([text], max_length=32, long_text="windows", stride=4)[0]
    ]
    expected = np.mean([torch.softmax(predictor.logits(torch.tensor([ids]))[0].double(), 0).numpy() for ids in windows], axis=0)
    np.testing.assert_allclose(windowed.predict_proba([text])[0], expected, atol=1e-6)


def test_logits_of_ids_are_the_models_and_padding_does_not_matter(predictor: Predictor) -> None:
    ids = torch.randint(5, 60, (3, 9))
    padded = torch.cat([ids, torch.zeros(3, 4, dtype=torch.long)], 1)
    plain = predictor.logits(ids)
    assert plain.shape == (3, 2)
    assert plain.dtype == torch.float32
    torch.testing.assert_close(predictor.logits(padded), plain, atol=1e-5, rtol=0)
    mask = torch.arange(13).expand(3, 13) >= 9
    noise = padded.masked_fill(mask, 7)
    torch.testing.assert_close(predictor.logits(noise, mask), plain, atol=1e-5, rtol=0)
    torch.testing.assert_close(predictor.logits(ids.to(torch.int32)), plain, atol=0, rtol=0)


@pytest.mark.parametrize(
    ("ids", "mask", "reason"),
    [
        (torch.zeros(3, dtype=torch.long), None, "integers"),
        (torch.zeros(1, 3), None, "integers"),
        (torch.zeros(1, 33, dtype=torch.long), None, "at most 32 tokens"),
        (torch.tensor([[10**6]]), None, "0 to"),
        (torch.zeros(1, 3, dtype=torch.long), torch.zeros(1, 3, dtype=torch.long), "attention_mask == 0"),
        (torch.zeros(1, 3, dtype=torch.long), torch.zeros(1, 2, dtype=torch.bool), "booleans of shape"),
    ],
)
def test_logits_refuse_what_is_no_batch(predictor: Predictor, ids: torch.Tensor, mask: object, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        predictor.logits(ids, mask)


def test_predictor_streams_in_order_and_in_pieces(predictor: Predictor) -> None:
    rows = examples()
    asked = 0

    def counted() -> object:
        nonlocal asked
        for row in rows:
            asked += 1
            yield row

    answers = predictor.stream(counted(), chunk=10)
    first = next(answers)
    assert asked == 10
    assert [first.text, *(answer.text for answer in answers)] == [row.text for row in rows]


def test_predictor_refuses_what_is_no_list_of_texts(predictor: Predictor) -> None:
    with pytest.raises(DataError, match="one string"):
        predictor.predict("a joy")
    with pytest.raises(DataError, match="text 1 is None"):
        predictor.predict(["a", None])
    with pytest.raises(DataError, match="second texts"):
        predictor.predict(["a", "b"], ["c"])
    assert predictor.predict([]) == []


def test_predictor_of_pairs_reads_both(predictor: Predictor) -> None:
    a = predictor.predict_proba(["a joy", "a joy"], ["dull", "warm"])
    assert not np.allclose(a[0], a[1])
    streamed = list(predictor.stream([Example("a joy", pair="dull")]))
    assert streamed[0].scores["good"] == pytest.approx(a[0][1], abs=1e-6)


def test_load_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="no model at"):
        fathom.load(tmp_path / "none")
    with pytest.raises(SettingsError, match="abacus"):
        fathom.load(model_folder(tmp_path / "m"), device="abacus")
    with pytest.raises(ModelFolderError, match="without a head for any task"):
        fathom.load("minilm")


def test_text_probabilities_average_windows_after_the_temperature() -> None:
    logits = np.array([[0.0, 2.0], [2.0, 0.0], [4.0, 0.0]], dtype=np.float32)
    found = text_probabilities(logits, np.array([0, 0, 1]), 2.0)
    np.testing.assert_allclose(found[0], [0.5, 0.5])
    np.testing.assert_allclose(found[1], [1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2))])
