"""Answers scored behind a shared cache: the same numbers as one plain pass over each prompt and answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers

from fathom.errors import SettingsError
from fathom.inference.in_context import Question, score_answers, shared_length, spell_question
from fathom.model import Cache, LanguageModel
from fathom.text import Tokenizer, train_bpe, train_wordpiece
from tests import tiny

KINDS: dict[str, dict[str, Any]] = {
    "learned positions": {},
    "rotary, grouped queries": {"positions": "rotary", "key_heads": 1, "norm": "rms", "gated": True},
    "near and far blocks": {"pattern": "gl", "window": 3},
    "near blocks alone": {"pattern": "l", "window": 2, "positions": "rotary"},
    "shared blocks": {"groups": 1},
}


def language_model(**changes: Any) -> LanguageModel:
    torch.manual_seed(0)
    fields = {"causal": True, "segments": 0, "max_length": 64, "vocab_size": 50, "norm_position": "before"}
    return LanguageModel(tiny.config(**{**fields, "initializer_range": 0.3, **changes})).eval()


def plainly(model: LanguageModel, questions: list[Question]) -> np.ndarray:
    """One pass for each prompt and answer: no cache, no padding."""
    scores = np.zeros((len(questions), len(questions[0].answers)))
    for place, question in enumerate(questions):
        for number, answer in enumerate(question.answers):
            whole = torch.tensor([question.prompt + answer])
            with torch.inference_mode():
                logs = torch.log_softmax(model(whole)[0].double(), dim=-1)
            start = len(question.prompt)
            scores[place, number] = sum(float(logs[start + step - 1, token]) for step, token in enumerate(answer))
    return scores


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_score_answers_equals_a_plain_pass_over_each_prompt_and_answer(kind: str, data: st.DataObject) -> None:
    model = language_model(**KINDS[kind])
    tokens = st.integers(0, 49)
    answers = data.draw(st.integers(2, 3))
    start = data.draw(st.lists(tokens, max_size=12))
    rows = data.draw(st.lists(st.lists(tokens, min_size=1, max_size=20), min_size=1, max_size=6))
    questions = [
        Question(start + row, data.draw(st.lists(st.lists(tokens, min_size=1, max_size=4), min_size=answers, max_size=answers)))
        for row in rows
    ]
    expected = plainly(model, questions)
    np.testing.assert_allclose(score_answers(model, questions), expected, atol=1e-4)
    np.testing.assert_allclose(score_answers(model, questions, batch_tokens=1), expected, atol=1e-4)


def test_score_answers_tells_of_each_batch_and_leaves_the_model_as_it_was() -> None:
    model = language_model()
    before = [weight.clone() for weight in model.parameters()]
    questions = [Question([1, 2, 3, number], [[4], [5, 6]]) for number in range(9)]
    told: list[int] = []
    score_answers(model, questions, batch_tokens=8, on_batch=told.append)
    assert sum(told) == 9
    assert len(told) > 1
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert score_answers(model, []).shape == (0, 0)


def test_forgetting_reads_another_continuation_as_if_the_first_had_never_been() -> None:
    model = language_model()
    cache, prompt = Cache(model.config), torch.tensor([[3, 1, 4, 1, 5]])
    with torch.inference_mode():
        model(prompt, cache=cache)
        model(torch.tensor([[9, 2, 6]]), cache=cache)
        cache.forget(5)
        assert cache.length == 5
        found = model(torch.tensor([[8, 7]]), cache=cache)
        expected = model(torch.tensor([[3, 1, 4, 1, 5, 8, 7]]))[:, 5:]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@given(st.lists(st.lists(st.integers(0, 2), max_size=6), min_size=1, max_size=5))
def test_shared_length_is_what_all_rows_begin_with(rows: list[list[int]]) -> None:
    length = shared_length(rows)
    assert all(row[:length] == rows[0][:length] for row in rows)
    assert len({tuple(row[: length + 1]) for row in rows}) > 1 or length == min(map(len, rows))


def byte_level() -> Tokenizer:
    return train_bpe([f"Text: {example.text}\nLabel: {example.label}" for example in tiny.examples()], vocab_size=400)


@pytest.mark.parametrize("prompt", ["Text: dull\nLabel:", "Text: dull\nLabel: ", "Text: dull\n", "Text: a go"])
@pytest.mark.parametrize("answers", [["good", "bad"], [" good", " bad"], ["good", "good acting", "天"]])
def test_spell_question_spells_prompt_and_answer_as_one_text(prompt: str, answers: list[str]) -> None:
    tokenizer = byte_level()
    found = spell_question(tokenizer, prompt, answers)
    before, _ = tokenizer.frame_ids
    for answer, spelled in zip(answers, found.answers, strict=True):
        assert found.prompt + spelled == before + tokenizer.prompt_ids(prompt + answer)
    assert found.length == len(found.prompt) + max(map(len, found.answers)) - 1


def test_spell_question_gives_the_blank_to_the_answer_where_the_vocabulary_does() -> None:
    tokenizer = byte_level()
    with_blank, without = (spell_question(tokenizer, prompt, answers).answers for prompt, answers in BOUNDARIES)
    assert with_blank == without
    assert [[tokenizer.id_to_token(token) for token in answer] for answer in with_blank] == [["Ġgood"], ["Ġbad"]]


BOUNDARIES = (("a film. Label: ", ["good", "bad"]), ("a film. Label:", [" good", " bad"]))


def test_spell_question_gives_a_token_across_the_border_to_the_answer() -> None:
    """ "ab" is one token: after the prompt "a", the answer "b" is not the token "b" but what the two become together."""
    backend = tokenizers.Tokenizer(models.BPE({"a": 0, "b": 1, "c": 2, "x": 3, "ab": 4}, [("a", "b")]))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    found = spell_question(Tokenizer(backend, {}), "xa", ["b", "c"])
    assert (found.prompt, found.answers) == ([3], [[4], [0, 2]])


def test_spell_question_refuses_answers_that_the_vocabulary_cannot_tell_apart() -> None:
    tokenizer = train_wordpiece(["Text: a film Label: good bad"], vocab_size=100, min_frequency=1)
    with pytest.raises(SettingsError, match="'Good' is the same as 'good'"):
        spell_question(tokenizer, "Text: a film\nLabel: ", ["good", "Good"])
    with pytest.raises(SettingsError, match="no token at all"):
        spell_question(tokenizer, "Text: a film\nLabel: ", ["", "good"])


def test_spell_question_refuses_a_prompt_without_a_token() -> None:
    backend = tokenizers.Tokenizer(models.BPE({"b": 0, "c": 1}, []))
    with pytest.raises(SettingsError, match="holds no token before the answer"):
        spell_question(Tokenizer(backend, {}), "", ["b", "c"])
