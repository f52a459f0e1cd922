"""Models that write by a rule: each has one fault, or none."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from fathom.limits.writing.facts import KINDS
from fathom.limits.writing.model import CausalModel, Choice, Request
from fathom.limits.writing.questions import OWN

TRUTH = {kind.question.format(name): right[0] for kinds in KINDS.values() for kind in kinds for name, right in kind.facts}
RIGHT = {text: right for questions in OWN.values() for text, right, *_ in questions}
_NUMBERS = (
    (re.compile(r"The number of (\w+) is (\d+)\."), re.compile(r"What is the number of (\w+)\?")),
    (re.compile(r"(.{3})的号码是(\d+)。"), re.compile(r"\n(.{3})的号码是多少")),
)


class Scribe(CausalModel):
    """Knows every fact, admits what it does not know, and finds every number; parts of it can be replaced.

    Args:
        on_fact: (question, its right answer or None, which sample) -> what it says.
        reads: characters of a prompt, from its end, that it can use.
        sure: of the right choice: its log-probability above that of the others.
        right_choices: whether it picks the right one of a question.
        continues: what it writes behind a text.
    """

    door, name = "folder", "scribe"
    capabilities = frozenset({"messages", "continuations", "log-probabilities"})

    def __init__(
        self,
        *,
        on_fact: Callable[[str, str | None, int], str] = lambda question, right, sample: right or "I don't know.",
        reads: int = 10**9,
        confuses: bool = False,
        sure: float = 3.0,
        right_choices: Callable[[int], bool] = lambda number: True,
        continues: Callable[[str], str] = lambda text: "and so on",
    ) -> None:
        self.on_fact, self.reads, self.confuses, self.sure = on_fact, reads, confuses, sure
        self.right_choices, self.continues = right_choices, continues
        self.asked: list[Request | Choice] = []

    def write(self, requests: Sequence[Request]) -> list[list[str]]:
        self.asked += requests
        return [[self._one(request, sample) for sample in range(request.samples)] for request in requests]

    def score(self, choices: Sequence[Choice]) -> list[np.ndarray]:
        self.asked += choices
        return [self._scores(choice) for choice in choices]

    def _scores(self, choice: Choice) -> np.ndarray:
        question = next(text for text in RIGHT if text in choice.text)
        right = next(place for place, answer in enumerate(choice.answers) if answer.strip() == RIGHT[question])
        picked = right if self.right_choices(list(RIGHT).index(question)) else (right + 1) % len(choice.answers)
        scores = np.full(len(choice.answers), -5.0 - self.sure)
        scores[picked] = -5.0
        return scores

    def _one(self, request: Request, sample: int) -> str:
        if not request.message:
            return self.continues(request.text)
        for needle, asked in _NUMBERS:
            if found := asked.search(request.text):
                seen = {name: number for name, number in needle.findall(request.text[-self.reads :])}
                if self.confuses and seen:
                    return next(iter(seen.values()))
                return seen.get(found[1], "I cannot find it.")
        if "letter only" in request.text or "只回答字母" in request.text:
            question, *listed = request.text.splitlines()
            right = next(line for line in listed if line[3:] == RIGHT[question])
            return f"{right[0]})"
        question = next((text for text in TRUTH if request.text.startswith(text)), None)
        return self.on_fact(request.text, None if question is None else TRUTH[question], sample)
