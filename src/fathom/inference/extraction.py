"""What a text says, by its places: named things (a class for each token), and the answer to a question (a span).

Both give characters of the text as it was handed in, so that what is shown can be found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fathom.errors import DataError
from fathom.model import SpanExtractor, TokenClassifier
from fathom.text import Encoded, Tokenizer

OUTSIDE = "O"  # the label of tokens that belong to nothing
LONGEST_ANSWER = 30  # tokens; longer spans are hardly ever answers, and there are many of them
_STRIDE = 64  # tokens that neighbouring windows of a long text share


@dataclass(frozen=True, slots=True)
class Entity:
    """A stretch of a text and what it is."""

    label: str
    text: str
    start: int  # characters
    end: int
    confidence: float  # the mean probability of its tokens


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question, out of a text."""

    text: str | None  # None: more likely than any span is that the text does not say
    start: int
    end: int
    confidence: float  # probability among all spans of at most 30 tokens, and that there is no answer
    no_answer: float  # probability that the text does not say


class Tagger:
    """Finds and names things.

    Args:
        labels: by class number; B-… starts a thing, I-… goes on with it, O is nothing; others name a stretch of tokens.
        max_length: tokens that the model reads at once; longer texts are read in windows.
    """

    def __init__(self, model: TokenClassifier, tokenizer: Tokenizer, labels: Sequence[str], max_length: int) -> None:
        self.model, self.tokenizer, self.labels, self.max_length = model.eval(), tokenizer, list(labels), max_length

    def tag(self, texts: Sequence[str]) -> list[list[Entity]]:
        """The things in each text, in their order."""
        stride = min(_STRIDE, self.max_length // 4)
        encoded = self.tokenizer.encode(texts, max_length=self.max_length, long_text="windows", stride=stride, offsets=True)
        return [self._entities(text, windows) for text, windows in zip(texts, encoded, strict=True)]

    def _entities(self, text: str, windows: list[Encoded]) -> list[Entity]:
        """Where windows overlap, a token counts in the one in which it is farther from the edge."""
        probabilities = _scores(self.model, self.tokenizer, windows)
        chosen: dict[tuple[int, int], tuple[int, np.ndarray, int]] = {}  # characters: distance from the edge, classes, token
        for window, logits in zip(windows, probabilities, strict=True):
            assert window.offsets is not None
            for place, (start, end) in enumerate(window.offsets):
                distance = min(place, len(window.offsets) - 1 - place)
                if end > start and distance >= chosen.get((start, end), (-1,))[0]:
                    chosen[start, end] = (distance, torch.from_numpy(logits[place]).softmax(0).numpy(), window.token_ids[place])
        things: list[_Thing] = []
        inside, last = False, -1
        for (start, end), (_, row, token_id) in sorted(chosen.items(), key=lambda entry: entry[0]):
            label, confidence = self.labels[int(row.argmax())], float(row.max())
            prefix, name = label.split("-", 1) if label[:2] in ("B-", "I-", "E-", "S-") else ("", label)
            rest_of_word = start == last and self.tokenizer.id_to_token(token_id).startswith("##")
            same = inside and name == things[-1].label and prefix not in ("B", "S") and not text[last:start].strip()
            if inside and (rest_of_word or same):
                things[-1].end = end
                things[-1].confidences.append(confidence)
            elif rest_of_word or label == OUTSIDE:  # a word's first token decides for all of it
                inside = False
            else:
                things.append(_Thing(name, start, end, [confidence]))
                inside = True
            last = end
        return [
            Entity(thing.label, text[thing.start : thing.end], thing.start, thing.end, float(np.mean(thing.confidences)))
            for thing in things
        ]


@dataclass(slots=True)
class _Thing:
    """An entity that may still grow."""

    label: str
    start: int
    end: int
    confidences: list[float]


class Extractor:
    """Answers questions with words of a text."""

    def __init__(self, model: SpanExtractor, tokenizer: Tokenizer, max_length: int) -> None:
        self.model, self.tokenizer, self.max_length = model.eval(), tokenizer, max_length

    def answer(self, questions: Sequence[str], texts: Sequence[str]) -> list[Answer]:
        """One answer a question, each out of its text. A long text is read in windows.

        Raises:
            DataError: not as many texts as questions.
        """
        if len(questions) != len(texts):
            raise DataError(f"{len(questions)} questions came with {len(texts)} texts", expected="one text each")
        return [self._answer(question, text) for question, text in zip(questions, texts, strict=True)]

    def _answer(self, question: str, text: str) -> Answer:
        starts, parts = self._parts(question, text)
        windows = [self.tokenizer.encode([question], [part], max_length=self.max_length, offsets=True)[0][0] for part in parts]
        spans: list[tuple[float, int, int]] = []  # score, and characters
        nothing: list[float] = []
        for begin, window, logits in zip(starts, windows, _scores(self.model, self.tokenizer, windows), strict=True):
            assert window.second is not None
            assert window.offsets is not None
            first, last = window.second
            nothing.append(float(logits[0].sum()))  # both ends on the first token: the text does not say
            scores = logits[first:last, 0][:, None] + logits[first:last, 1][None]
            possible = np.triu(np.ones_like(scores, dtype=bool)) & ~np.triu(np.ones_like(scores, dtype=bool), LONGEST_ANSWER)
            for i, j in zip(*np.nonzero(possible), strict=True):
                start, end = begin + window.offsets[first + i][0], begin + window.offsets[first + j][1]
                spans.append((float(scores[i, j]), start, end))
        if not spans:
            return Answer(None, 0, 0, 1.0, 1.0)
        probabilities = torch.tensor([score for score, _, _ in spans] + [min(nothing)], dtype=torch.float64).softmax(0).numpy()
        best = int(probabilities[:-1].argmax())
        _, start, end = spans[best]
        silent = bool(probabilities[-1] > probabilities[best])
        return Answer(
            None if silent else text[start:end],
            0 if silent else start,
            0 if silent else end,
            float(probabilities[-1] if silent else probabilities[best]),
            float(probabilities[-1]),
        )

    def _parts(self, question: str, text: str) -> tuple[list[int], list[str]]:
        """The text, or overlapping stretches of it that fit beside the question; and where each starts."""
        asked = len(self.tokenizer.encode([question], max_length=self.max_length)[0][0].token_ids)
        room = max(self.max_length - asked - 8, self.max_length // 4)
        windows = self.tokenizer.encode([text], max_length=room, long_text="windows", stride=room // 4, offsets=True)[0]
        if len(windows) == 1:
            return [0], [text]
        places = [[place for place in window.offsets or () if place[1] > place[0]] for window in windows]
        starts = [inside[0][0] for inside in places]
        return starts, [text[start : inside[-1][1]] for start, inside in zip(starts, places, strict=True)]


def _scores(model: TokenClassifier | SpanExtractor, tokenizer: Tokenizer, windows: Sequence[Encoded]) -> list[np.ndarray]:
    """The logits of each window's tokens, (tokens, classes) float32."""
    device = next(model.parameters()).device
    found = []
    for window in windows:
        token_ids = torch.tensor([window.token_ids], device=device)
        segments = None if window.segment_ids is None else torch.tensor([window.segment_ids], device=device)
        with torch.inference_mode():
            found.append(model(token_ids, None, segments)[0].float().cpu().numpy())
    return found
