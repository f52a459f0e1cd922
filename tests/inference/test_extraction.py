"""Entities and answers are stretches of the text as it was handed in; known answers, and Hugging Face's own pipelines."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import pipeline

from fathom.checkpoint import load_model
from fathom.errors import DataError
from fathom.inference.extraction import Extractor, Tagger
from fathom.inference.filling import Filler
from fathom.model import SpanExtractor, TokenClassifier
from tests.families.reference import reference, saved
from tests.tiny import config, tokenizer

LABELS = ["O", "B-good", "I-good", "B-bad", "I-bad"]
VOCABULARY = tokenizer()


class ByToken(TokenClassifier):
    """Gives each token the class that a table says, whatever is around it."""

    def __init__(self, table: dict[str, int], window: int = 32) -> None:
        super().__init__(config(max_length=window), len(LABELS))
        self.table = {VOCABULARY.token_to_id(token): number for token, number in table.items()}

    def forward(self, token_ids: Tensor, padding_mask: Tensor | None = None, segment_ids: Tensor | None = None) -> Tensor:
        numbers = torch.tensor([[self.table.get(token_id, 0) for token_id in row] for row in token_ids.tolist()])
        return 5 * torch.nn.functional.one_hot(numbers, len(LABELS)).float()


class ByWord(SpanExtractor):
    """Finds the stretch from one word to another, or on the first token if they are not there."""

    def __init__(self, first: str, last: str) -> None:
        super().__init__(config(max_length=32))
        self.ends = (VOCABULARY.token_to_id(first), VOCABULARY.token_to_id(last))

    def forward(self, token_ids: Tensor, padding_mask: Tensor | None = None, segment_ids: Tensor | None = None) -> Tensor:
        logits = torch.zeros(*token_ids.shape, 2)
        for side, wanted in enumerate(self.ends):
            logits[..., side] = torch.where(token_ids == wanted, 9.0, 0.0)
        logits[:, 0] = 3.0
        return logits


def entities(text: str, table: dict[str, int], window: int = 32) -> list[tuple[str, str]]:
    found = Tagger(ByToken(table, window), VOCABULARY, LABELS, window).tag([text])[0]
    assert all(text[entity.start : entity.end] == entity.text for entity in found)
    assert all(0.9 < entity.confidence <= 1 for entity in found)
    return [(entity.label, entity.text) for entity in found]


def test_tagger_joins_what_belongs_together() -> None:
    table = {"warm": 1, "funny": 2, "and": 2, "dull": 3, "bad": 3}
    assert entities("Warm and  funny, dull", table) == [("good", "Warm and  funny"), ("bad", "dull")]
    assert entities("bad dull warm", table) == [("bad", "bad"), ("bad", "dull"), ("good", "warm")]  # each B starts anew
    assert entities("funny", table) == [("good", "funny")]  # an I without a B is a thing all the same
    assert entities("a good story", table) == []
    assert entities("", table) == []


def test_tagger_lets_a_words_first_token_decide_for_all_of_it() -> None:
    word = "funnydull"
    pieces = [VOCABULARY.id_to_token(number) for number in VOCABULARY.encode([word], max_length=32)[0][0].token_ids[1:-1]]
    assert len(pieces) > 1
    assert pieces[0] == "funny"
    assert entities(f"a {word} film", {"funny": 1, **dict.fromkeys(pieces[1:], 3)}) == [("good", word)]
    assert entities(f"a {word} film", dict.fromkeys(pieces[1:], 3)) == []


def test_tagger_reads_a_long_text_in_windows_as_it_reads_a_short_one() -> None:
    text = " ".join(["a warm and funny film", "dull acting"] * 9)
    table = {"warm": 1, "and": 2, "funny": 2, "dull": 3}
    assert entities(text, table, window=16) == [("good", "warm and funny"), ("bad", "dull")] * 9


def test_tagger_equals_hugging_faces_pipeline(tmp_path: Path) -> None:
    folder = saved(reference("bert", "token"), tmp_path)
    loaded = load_model(folder)
    assert isinstance(loaded.model, TokenClassifier)
    text = "i loved every minute of a warm story"
    theirs = pipeline("token-classification", str(folder), aggregation_strategy="none", ignore_labels=[])(text)
    found = Tagger(loaded.model, loaded.tokenizer, loaded.labels, 40).tag([text])[0]
    assert sum(len(entity.text.split()) for entity in found) == len(text.split())
    for entity in found:  # a run of tokens of one label, with the mean of their probabilities
        parts = [part for part in theirs if entity.start <= part["start"] and part["end"] <= entity.end]
        firsts = [part for part in parts if not part["word"].startswith("##")]
        assert {part["entity"] for part in firsts} == {entity.label}
        assert entity.confidence == pytest.approx(sum(part["score"] for part in parts) / len(parts), abs=1e-5)


def test_extractor_finds_the_span_or_says_that_there_is_none() -> None:
    extractor = Extractor(ByWord("warm", "funny"), VOCABULARY, 32)
    found = extractor.answer(["what", "what"], ["It is a Warm and funny film.", "dull and endless"])
    assert found[0].text == "Warm and funny"
    assert (found[0].start, found[0].end) == (8, 22)
    assert found[0].confidence > 0.9
    assert found[1].text is None
    assert found[1].no_answer == found[1].confidence
    long = "dull and endless bad acting " * 12 + "a warm and funny film"
    answer = extractor.answer(["what"], [long])[0]
    assert answer.text == "warm and funny"
    assert long[answer.start : answer.end] == answer.text
    assert extractor.answer(["what"], [""])[0].text is None
    with pytest.raises(DataError, match="1 questions came with 2 texts"):
        extractor.answer(["what"], ["a", "b"])


def test_extractor_never_answers_with_words_of_the_question() -> None:
    found = Extractor(ByWord("warm", "funny"), VOCABULARY, 32).answer(["warm and funny"], ["a good story"])[0]
    assert found.text is None


def test_filler_equals_hugging_faces_pipeline(tmp_path: Path) -> None:
    folder = saved(reference("bert", "masked"), tmp_path)
    loaded = load_model(folder)
    filler = Filler(loaded.model, loaded.tokenizer, 40)
    theirs = pipeline("fill-mask", str(folder), top_k=5)("i loved [MASK] minute")
    found = filler.fill(["i loved [MASK] minute"])[0][0]
    assert [fill.probability for fill in found] == pytest.approx([fill["score"] for fill in theirs], abs=1e-5)
    assert [fill.text for fill in found] == [fill["sequence"] for fill in theirs]
    assert [len(fills) for fills in filler.fill(["[MASK] loved [MASK] minute"], top=3)[0]] == [3, 3]
    with pytest.raises(DataError, match=r"hides nothing\n  expected: \[MASK\]"):
        filler.fill(["i loved every minute"])
    with pytest.raises(DataError, match="tokens too long"):
        filler.fill(["[MASK]" + " film" * 50])
