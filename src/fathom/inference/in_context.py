"""How likely a language model finds each possible answer to a prompt: in-context learning is measured with it.

    tokens that all prompts share  →  read once, kept in a cache
        the rest of each prompt    →  read in batches behind a copy of the cache, short rows filled up at the left
            each answer            →  read behind its prompt, then forgotten, so that the next one can be

No weight changes: what a model learns from examples in its prompt, it learns by reading (Brown et al. 2020, 2005.14165).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import log_softmax, pad

from fathom.data import plan_batches
from fathom.data.batches import padded_length
from fathom.errors import SettingsError
from fathom.model import Cache, LanguageModel
from fathom.text import Tokenizer

BATCH_TOKENS = 4096  # in the prompts of a batch, those of the copied cache included; on CPUs more cost memory and gain little


@dataclass(frozen=True)
class Question:
    """A prompt and the answers to choose from, as token ids."""

    prompt: list[int]  # at least one
    answers: list[list[int]]  # at least one each

    @property
    def length(self) -> int:
        """Tokens that a model has to read: the prompt and the longest answer, but for its last token."""
        return len(self.prompt) + max(map(len, self.answers)) - 1


def spell_question(tokenizer: Tokenizer, prompt: str, answers: Sequence[str]) -> Question:
    """A prompt and its answers as the tokenizer spells the two together, behind what it puts before a text.

    A blank between them belongs to the answer where the vocabulary says so, and a token that holds the prompt's end and the
    answer's start counts as the answer's: the prompt is what stands before the first token that depends on the answer.

    Raises:
        SettingsError: two answers that are spelled alike, or an answer or a prompt without a token.
    """
    before, _ = tokenizer.frame_ids
    wholes = [before + tokenizer.prompt_ids(prompt + answer) for answer in answers]
    start = shared_length([before + tokenizer.prompt_ids(prompt), *wholes])
    spelled = [whole[start:] for whole in wholes]
    for place, answer in enumerate(answers):
        alike = next((other for other in range(place) if spelled[other] == spelled[place]), None)
        if alike is not None or not spelled[place]:
            raise SettingsError(
                f"to this model the answer {answer!r} is "
                + ("no token at all" if alike is None else f"the same as {answers[alike]!r}"),
                expected="answers that its vocabulary can tell apart",
                do="choose other words for the labels (--label-words)",
            )
    if not start:
        raise SettingsError(
            f"the prompt {prompt[:60]!r} holds no token before the answer", expected="a prompt with words before the label"
        )
    return Question(wholes[0][:start], spelled)


def shared_length(rows: Sequence[list[int]]) -> int:
    """How many tokens all rows begin with."""
    first, last = min(rows), max(rows)  # what these two share, all between them share
    length = min(len(first), len(last))
    return next((place for place in range(length) if first[place] != last[place]), length)


def score_answers(
    model: LanguageModel,
    questions: Sequence[Question],
    *,
    batch_tokens: int = BATCH_TOKENS,
    on_batch: Callable[[int], None] | None = None,
) -> np.ndarray:
    """(questions, answers) float64: log p(answer | prompt) in nats, summed over the answer's tokens.

    Args:
        model: causal, in evaluation mode.
        questions: all with the same number of answers, none longer than the model reads.
        batch_tokens: in the prompts of a batch at most, those of the copied cache and padding included.
        on_batch: told how many questions each batch answered.
    """
    if not questions:
        return np.zeros((0, 0))
    device = next(model.parameters()).device
    prompts = [question.prompt for question in questions]
    shared = min(shared_length(prompts), min(map(len, prompts)) - 1)  # each prompt keeps a token to be read behind it
    read = Cache(model.config)
    scores = np.zeros((len(questions), len(questions[0].answers)))
    with torch.inference_mode():
        if shared:
            model(torch.tensor([prompts[0][:shared]], device=device), cache=read, only_last=True)
        for rows in _plan(model, [len(prompt) for prompt in prompts], batch_tokens):
            cache = copy.deepcopy(read)
            cache.select(torch.zeros(len(rows), dtype=torch.long, device=device))
            scores[rows] = _score_batch(model, cache, [questions[row] for row in rows], shared).cpu().numpy()
            if on_batch is not None:
                on_batch(len(rows))
    return scores


def _plan(model: LanguageModel, lengths: list[int], batch_tokens: int) -> list[np.ndarray]:
    """Similar lengths together; equal ones where blocks look a number of places back, which padding would move."""
    found = np.array(lengths)
    if "l" not in model.config.pattern:
        return plan_batches(found, max_tokens=batch_tokens, shuffle=False)
    alike = [np.flatnonzero(found == length) for length in np.unique(found)]
    return [rows[part] for rows in alike for part in plan_batches(found[rows], max_tokens=batch_tokens, shuffle=False)]


def _score_batch(model: LanguageModel, cache: Cache, questions: list[Question], shared: int) -> Tensor:
    """(rows, answers) float64. `cache`: of the first `shared` tokens of each prompt."""
    config, device = model.config, next(model.parameters()).device
    prompts = [question.prompt[shared:] for question in questions]
    longest = max(map(len, prompts))
    longest = longest if "l" in config.pattern else padded_length(longest, config.max_length - shared)
    padding, token_ids = _rows(prompts, longest, config.pad_id, device, left=True)
    padding = pad(padding, (shared, 0), value=False)
    first = log_softmax(model(token_ids, _if_any(padding), cache=cache, only_last=True)[:, -1].float(), dim=-1)
    read, scores = cache.length, []
    for number in range(len(questions[0].answers)):
        answers = [question.answers[number] for question in questions]
        found = first.gather(1, torch.tensor([answer[:1] for answer in answers], device=device))[:, 0].double()
        if (more := max(map(len, answers)) - 1) > 0:
            fill, inputs = _rows([answer[:-1] for answer in answers], more, config.pad_id, device, left=False)
            _, targets = _rows([answer[1:] for answer in answers], more, config.pad_id, device, left=False)
            logits = model(inputs, _if_any(torch.cat([padding, fill], dim=1)), cache=cache)
            rest = log_softmax(logits.float(), dim=-1).gather(2, targets[..., None])[..., 0]
            found = found + rest.double().masked_fill(fill, 0).sum(dim=1)
            cache.forget(read)
        scores.append(found)
    return torch.stack(scores, dim=1)


def _rows(rows: list[list[int]], length: int, pad_id: int, device: torch.device, *, left: bool) -> tuple[Tensor, Tensor]:
    """(B, length) booleans, True where padding, and (B, length) ids, filled up at one side."""
    token_ids = torch.full((len(rows), length), pad_id)
    padding = torch.ones(len(rows), length, dtype=torch.bool)
    for place, row in enumerate(rows):
        span = slice(length - len(row), length) if left else slice(len(row))
        token_ids[place, span] = torch.tensor(row, dtype=torch.long)
        padding[place, span] = False
    return padding.to(device), token_ids.to(device)


def _if_any(padding: Tensor) -> Tensor | None:
    return padding if bool(padding.any()) else None
