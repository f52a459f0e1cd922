"""An audit of a classifier: ask twice, fit the policy on one half of the texts, measure on the other, one family at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fathom.checkpoint import source_commit
from fathom.data import CANARIES, Canary, read_canaries
from fathom.errors import SettingsError
from fathom.limits.asked import Asked
from fathom.limits.asking import BudgetSpentError
from fathom.limits.classifier import Classifier
from fathom.limits.context import Context, Language, Measuring, stops
from fathom.limits.doors.folder import FolderClassifier
from fathom.limits.policy import Policy, fit_gates, fit_policy
from fathom.limits.record import Limits, Measure, PredictorFacts, ReportAnswers
from fathom.limits.regression import pack_answers
from fathom.pipeline.audited_texts import AuditedTexts
from fathom.pipeline.auditing import LimitsSettings, command_of, costs_of, left_out, making_of, measured
from fathom.text.splitting import mostly_chinese


class ClassifierRun:
    """What an audit of a classifier has found so far."""

    def __init__(
        self,
        classifier: Classifier,
        asked: Asked,
        parts: AuditedTexts,
        settings: LimitsSettings,
        started: float,
        command: str | None,
    ) -> None:
        self._classifier, self._asked, self._parts, self._settings = classifier, asked, parts, settings
        self._started = started
        self._language: Language = settings.language or ("zh" if mostly_chinese(parts.report.texts) else "en")
        self._command = command_of(command)
        self._commit = source_commit()
        self._twice: float | None = None
        self._policy: Policy | None = None
        self._answers: ReportAnswers | None = None
        self._measures: list[Measure] = []
        self._sampled = parts.sampled

    def measure(
        self,
        measurings: Sequence[Measuring[Context]],
        on_message: Callable[[str], None],
        on_answers: Callable[[int, int], None],
    ) -> None:
        """Asks twice, fits the policy, then one family after the other."""
        asked, parts, settings = self._asked, self._parts, self._settings
        total = len(parts.calibrate) + len(parts.report)
        asked.on_answers = lambda more: on_answers(more, total)
        try:
            self._twice = asked.check_twice(parts.report.texts)
            on_message(f"asking for {len(parts.calibrate):,} texts to calibrate on and {len(parts.report):,} to report on")
            unread, embeddings = None, None
            if "embeddings" in self._classifier.capabilities:
                asked.states(parts.calibrate.texts)  # in one pass with the answers
                states = asked.states(parts.report.texts)
                unread, embeddings = states.lengths.unread, states.embeddings
            elif "lengths" in self._classifier.capabilities:
                unread = self._classifier.lengths(parts.report.texts).unread
            calibrate = asked.probabilities(parts.calibrate.texts)
            report = asked.probabilities(parts.report.texts)
            gates = fit_gates(parts.report.texts, report, unread=unread, embeddings=embeddings, seed=settings.seed)
            stopped = np.array([bool(why) for why in stops(asked, gates, parts.calibrate.texts)])
        except BudgetSpentError as error:
            raise SettingsError(f"the budget is too small: {error}", do="raise --budget") from error
        self._answers = pack_answers(parts.facts.report.sha256, report, parts.report.truth, parts.report.groups)
        self._policy = fit_policy(
            calibrate,
            parts.calibrate.truth,
            report,
            target=settings.target,
            confidence=settings.confidence,
            alpha=settings.alpha,
            gates=gates,
            stopped=stopped,
        )
        context = Context(
            asked=asked,
            report=parts.report,
            calibrate=parts.calibrate,
            training=parts.training,
            policy=self._policy,
            language=self._language,
            quick=settings.quick,
            seed=settings.seed,
            sampled=self._sampled,
            watts=settings.watts,
            rows=parts.rows,
            training_rows=parts.training_rows,
            seen=parts.seen,
            near=parts.beside.get("near"),
            far=parts.beside.get("far"),
            compared=parts.beside.get("compared"),
            members=parts.members,
            members_known=parts.members_known,
            canaries=_canaries_in(self._classifier),
            positive=settings.positive,
            suite=parts.suite,
            pairs=parts.pairs,
        )
        total += sum(measuring.calls(context) for measuring in measurings)
        for measuring in measurings:
            on_message(f"{measuring.name}: {measuring.what}")
            self._measures += self._one(measuring, context)

    def _one(self, measuring: Measuring[Context], context: Context) -> list[Measure]:
        found = measured(measuring, context, examples=self._settings.examples)
        if self._parts.contaminated is None or not measuring.needs_unseen:
            return found
        changed = {"status": "contaminated", "reason": self._parts.contaminated}
        return [measure.model_copy(update=changed) if measure.status == "measured" else measure for measure in found]

    def record(self, ended: str | None) -> Limits:
        """Everything so far; `ended`: why it is not all."""
        return Limits(
            predictor=PredictorFacts(
                name=self._classifier.name,
                door=self._classifier.door,
                labels=self._classifier.labels,
                capabilities=sorted(self._classifier.capabilities),
                fingerprint=self._classifier.fingerprint(),
                asked_twice=self._twice,
            ),
            data=self._parts.facts.model_copy(update={"language": self._language}),
            measures=self._measures,
            policy=self._policy,
            complete=ended is None,
            ended=ended,
            sampled=left_out(self._sampled, self._settings),
            answers=self._answers,
            cost=costs_of(self._asked, self._started),
            making=making_of(self._settings, self._command, self._commit),
        )


def _canaries_in(classifier: Classifier) -> list[Canary] | None:
    if not isinstance(classifier, FolderClassifier) or classifier.folder is None:
        return None
    path = classifier.folder / CANARIES
    return read_canaries(path) if path.is_file() else None
