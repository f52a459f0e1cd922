"""An audit of a model that writes: questions of our own, and the texts and questions that a user names.

--data FILE.jsonl of questions   choices to pick from, instead of our own questions
--data of texts                  texts that it has surely not read, beside those of --train
--train                          texts that it may have memorised
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fathom.checkpoint import source_commit
from fathom.data import Columns, Example, open_data, splits_of, text_digest
from fathom.data.description import hash_of
from fathom.errors import DataError
from fathom.limits.context import Language, Measuring
from fathom.limits.record import DataFacts, Limits, Measure, PredictorFacts, SplitFacts
from fathom.limits.writing.asked import AskedCausal
from fathom.limits.writing.context import CausalContext
from fathom.limits.writing.model import CausalModel
from fathom.limits.writing.questions import Question, holds_questions, read_questions
from fathom.pipeline.auditing import LimitsSettings, command_of, costs_of, left_out, making_of, measured
from fathom.text.splitting import mostly_chinese

OWN = "questions of our own"


@dataclass(frozen=True)
class CausalSources:
    """What a user named."""

    name: str
    questions: list[Question] | None
    held_out: list[str] | None
    training: list[str] | None
    training_facts: SplitFacts | None
    sampled: list[str]

    @classmethod
    def of(
        cls,
        data: str | Sequence[Example] | None,
        split: str | None,
        train: str | Sequence[Example] | None,
        train_split: str | None,
        columns: Columns,
    ) -> CausalSources:
        """Reads it.

        Raises:
            DataError: nothing there that can be used.
        """
        questions, held, sampled = None, None, []
        if isinstance(data, str) and holds_questions(data):
            questions = read_questions(Path(data))
        elif data is not None:
            held = _texts(data, split, columns)
        learned = None if train is None else _texts(train, train_split or "train", columns)
        if learned is not None and held is not None:
            known = {text_digest(example) for example in learned}
            new = [example for example in held if text_digest(example) not in known]
            if not new:
                raise DataError(
                    "all held-out texts (--data) are also in --train", expected="texts that it has not learned from"
                )
            if len(new) < len(held):
                sampled.append(f"{len(held) - len(new):,} held-out texts that are also in --train were left out")
            held = new
        return cls(
            name=OWN if data is None else f"{OWN} and {data if isinstance(data, str) else 'the examples'}",
            questions=questions,
            held_out=None if held is None else [example.text for example in held],
            training=None if learned is None else [example.text for example in learned],
            training_facts=None if learned is None else SplitFacts(n=len(learned), sha256=hash_of(learned), labels={}),
            sampled=sampled,
        )


class CausalRun:
    """What an audit of a model that writes has found so far."""

    def __init__(
        self,
        model: CausalModel,
        asked: AskedCausal,
        sources: CausalSources,
        settings: LimitsSettings,
        started: float,
        command: str | None,
    ) -> None:
        self._model, self._asked, self._sources, self._settings = model, asked, sources, settings
        self._started, self._command, self._commit = started, command_of(command), source_commit()
        self._measures: list[Measure] = []
        self._prompts: dict[str, int] = {}
        self._sampled = sources.sampled
        known = [question.text for question in sources.questions or []] or sources.training or sources.held_out or []
        self._language: Language = settings.language or ("zh" if mostly_chinese(known) else "en")

    def measure(
        self,
        measurings: Sequence[Measuring[CausalContext]],
        on_message: Callable[[str], None],
        on_answers: Callable[[int, int], None],
    ) -> None:
        """One family after the other."""
        context = CausalContext(
            asked=self._asked,
            language=self._language,
            quick=self._settings.quick,
            seed=self._settings.seed,
            sampled=self._sampled,
            training=self._sources.training,
            held_out=self._sources.held_out,
            questions=self._sources.questions,
        )
        total = sum(measuring.calls(context) for measuring in measurings)
        self._asked.on_answers = lambda more: on_answers(more, total)
        for measuring in measurings:
            on_message(f"{measuring.name}: {measuring.what}")
            before = self._asked.prompts
            self._measures += measured(measuring, context, examples=self._settings.examples)
            self._prompts[measuring.name] = self._asked.prompts - before

    def record(self, ended: str | None) -> Limits:
        """Everything so far; `ended`: why it is not all."""
        return Limits(
            predictor=PredictorFacts(
                name=self._model.name,
                door=self._model.door,
                task="causal",
                labels=[],
                capabilities=sorted(self._model.capabilities),
                fingerprint=self._model.fingerprint(),
                asked_twice=None,
            ),
            data=DataFacts(
                name=self._sources.name,
                rows=self._asked.prompts,
                seen=None,
                duplicates=0,
                language=self._language,
                calibrate=None,
                report=SplitFacts(n=self._asked.prompts, sha256=self._asked.digest(), labels=self._prompts),
                training=self._sources.training_facts,
            ),
            measures=self._measures,
            policy=None,
            complete=ended is None,
            ended=ended,
            sampled=left_out(self._sampled, self._settings),
            answers=None,
            cost=costs_of(self._asked, self._started),
            making=making_of(self._settings, self._command, self._commit),
        )


def _texts(data: str | Sequence[Example], split: str | None, columns: Columns) -> list[Example]:
    if not isinstance(data, str):
        return list(data)
    known = splits_of(data)
    chosen = None if split == "train" and "train" not in known else split
    if chosen is None and split is None and "test" in known:
        chosen = "test"
    return list(open_data(data, split=chosen, columns=Columns(text=columns.text), labelled=False))
