"""When a classifier may answer: fitted on texts that measured nothing else, written into limits.json, obeyed by `predict`.

    gates = fit_gates(…)                        # what stops a text whatever its answer: length, language, unlikeness
    policy = fit_policy(…, gates=gates)         # temperature, threshold with its bound, conformal sets
    decide(policy, labels, probabilities, […])  # answer, warn or abstain, and which limit said so

The threshold is on the confidence as the classifier gives it. The temperature only changes what is shown: it is fitted on
the same labels, and a threshold behind it would no longer have the bound that it claims. The gates are fitted on texts of the
report split, without their labels: so they are fixed before a calibration label is looked at, the threshold is tested on the
calibration texts that they let through, and its promise is of the answers that are really given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import bdtrik

from fathom.errors import SettingsError
from fathom.limits.likeness import FALSE_ALARMS, Likeness, Writing, fit_likeness, fit_writing
from fathom.limits.statistics import exact_lower_bound, exact_tail, fit_temperature

STEPS = 50  # thresholds that are tested, at most, one after the other
POWER = 0.8  # with so many labels as are said to be needed, the threshold is found this often
MOST_LABELS = 1_000_000  # more are not asked for

Action = Literal["answer", "warn", "abstain"]
Reason = Literal["too long", "wrong language", "unlike training", "uncertain", "several labels", "no guarantee"]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Threshold(_Closed):
    """Answer where the confidence is at least `value`; the target holds for those answers."""

    value: float = Field(ge=0, le=1)
    target: float = Field(gt=0, lt=1)  # share of the answers that are right
    confidence: float = Field(gt=0, lt=1)  # that the target holds, over calibration splits
    n: int  # labels that it was fitted on
    kept: int  # of them, texts that it answers
    right: int  # of them, right answers
    lower_bound: float  # exact, one-sided
    guarantee: str


class NoThreshold(_Closed):
    """Why no threshold could be promised, and how many labels it would take."""

    target: float = Field(gt=0, lt=1)
    confidence: float = Field(gt=0, lt=1)
    n: int
    reason: str
    labels_needed: int | None  # None: no number of labels would do


class Conformal(_Closed):
    """A set of labels instead of one: all whose probability is at least 1 − `quantile`."""

    alpha: float = Field(gt=0, lt=1)  # share of the sets that may miss the true label
    quantile: float = Field(ge=0, le=1)  # 1: every label is in every set
    n: int
    guarantee: str


class Gates(_Closed):
    """What stops a text whatever its answer. None: cannot be told through this door, or with so few texts."""

    most_unread: int | None = Field(default=None, ge=0)  # tokens; a text of which more is unread is too long
    writing: Writing | None = None
    likeness: Likeness | None = None

    def stops(
        self, texts: Sequence[str], *, unread: np.ndarray | None = None, embeddings: np.ndarray | None = None
    ) -> list[list[Reason]]:
        """Which gates stop each text.

        Args:
            unread: (n,) tokens of each text that the classifier did not read.
            embeddings: (n, width) what its head reads.

        Raises:
            SettingsError: a gate needs what was not given; a check that is left out would be a promise that is broken.
        """
        found: list[list[Reason]] = [[] for _ in texts]

        def close(reason: Reason, stopped: np.ndarray) -> None:
            for row in np.flatnonzero(stopped):
                found[row].append(reason)

        for gate, given, what in (
            (self.most_unread, unread, "how much of each text was not read"),
            (self.likeness, embeddings, "the embeddings of the texts"),
        ):
            if gate is not None and given is None:
                raise SettingsError(f"the policy cannot be obeyed without {what}", expected="what it was fitted with")
        if self.most_unread is not None and unread is not None:
            close("too long", np.asarray(unread) > self.most_unread)
        if self.writing is not None:
            close("wrong language", self.writing.strangeness(texts) > self.writing.threshold)
        if self.likeness is not None and embeddings is not None:
            close("unlike training", self.likeness.distances(embeddings) > self.likeness.threshold)
        return found


class Policy(_Closed):
    """What `decide` obeys."""

    temperature: float = Field(gt=0)  # of the confidence that is shown: p^(1/T), scaled to sum to 1
    threshold: Threshold | NoThreshold
    conformal: Conformal
    gates: Gates = Gates()


@dataclass(frozen=True)
class Decision:
    """What is done with one text."""

    action: Action
    label: str | None  # None where it abstains
    confidence: float  # in its likeliest label, after the temperature
    labels: list[str]  # the conformal set, the likeliest first; may be empty
    because: list[Reason]  # the limits that fired


def fit_gates(
    texts: Sequence[str],
    probabilities: np.ndarray,
    *,
    unread: np.ndarray | None = None,
    embeddings: np.ndarray | None = None,
    false_alarms: float = FALSE_ALARMS,
    seed: int = 0,
) -> Gates:
    """Fits what stops a text on texts of the known kind, without their labels and not on the calibration split.

    Args:
        texts: n.
        probabilities: (n, K) of their answers.
        unread: (n,) tokens of each that were not read; None: the door cannot tell.
        embeddings: (n, width) what the head reads; None: the door cannot tell.
        false_alarms: share of such texts that each of the two checks may stop.
        seed: of the draw of the halves that fit and that set the thresholds.
    """
    order = np.random.default_rng(seed).permutation(len(texts))
    likeness = None
    if embeddings is not None:
        likeness = fit_likeness(embeddings[order], probabilities.argmax(axis=1)[order], false_alarms=false_alarms)
    return Gates(
        most_unread=None if unread is None else int(unread.max()),
        writing=fit_writing([texts[row] for row in order], false_alarms=false_alarms),
        likeness=likeness,
    )


def fit_policy(
    probabilities: np.ndarray,
    truth: np.ndarray,
    unlabelled: np.ndarray,
    *,
    target: float = 0.95,
    confidence: float = 0.95,
    alpha: float = 0.1,
    gates: Gates | None = None,
    stopped: np.ndarray | None = None,
) -> Policy:
    """Fits everything on the calibration split.

    Args:
        probabilities: (n, K), n ≥ 1.
        truth: (n,) class numbers.
        unlabelled: (m, K) of other texts of the same kind; their labels are not used. They decide which thresholds are
            tried, so that those are fixed before the first label is looked at.
        target: share of right answers to promise.
        confidence: with which.
        alpha: share of the conformal sets that may miss.
        gates: fitted on other texts; None: none.
        stopped: (n,) booleans, which of the texts they stop: the threshold promises nothing of those.
    """
    top = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    steps = threshold_steps(unlabelled.max(axis=1), len(truth), target=target, confidence=confidence)
    return Policy(
        temperature=fit_temperature(_logits(probabilities), truth),
        threshold=fit_threshold(top, right, steps, target=target, confidence=confidence, stopped=stopped),
        conformal=fit_conformal(probabilities, truth, alpha=alpha),
        gates=gates or Gates(),
    )


def threshold_steps(confidences: np.ndarray, n: int, *, target: float, confidence: float) -> list[float]:
    """The thresholds to test on n labels, the strictest first, from the confidences of unlabelled texts.

    The strictest keeps, as far as these texts tell, three times as many as could prove the target without a single error.
    With fewer, one unlucky error ends the sequence; with more, little is left to gain.
    """
    fewest = math.ceil(math.log(1 - confidence) / math.log(target))
    first = min(1.0, 3 * fewest / n)
    shares = np.linspace(first, 1.0, STEPS)
    found = np.quantile(confidences, 1 - shares, method="higher")
    return sorted({float(value) for value in found[:-1]} | {0.0}, reverse=True)


def fit_threshold(
    confidences: np.ndarray,
    right: np.ndarray,
    steps: Sequence[float],
    *,
    target: float,
    confidence: float,
    stopped: np.ndarray | None = None,
) -> Threshold | NoThreshold:
    """The lowest threshold for which the target is proved, by testing `steps` in order and stopping at the first failure.

    Of the answers kept at a fixed threshold, errors are binomial, and "at most `target` are right" is rejected where so few
    errors would come with probability 1 − `confidence` or less. A sequence that is fixed beforehand and ends at the first
    test that does not reject has that error for all its tests together (fixed-sequence testing: Bauer 1991; for risks
    Angelopoulos et al. 2021, 2110.01052; selective classification: Geifman and El-Yaniv 2017, 1705.08500).

    Args:
        confidences: (n,) as the classifier gives them.
        right: (n,) booleans.
        steps: falling thresholds that no label has decided.
        stopped: (n,) booleans: texts that get no answer, however confident; decided by no label either. None: none.
    """
    n, found = len(right), None
    if stopped is not None:
        confidences = np.where(stopped, -1.0, confidences)
    for step in steps:
        kept = confidences >= step
        count, correct = int(kept.sum()), int(right[kept].sum())
        if exact_tail(count - correct, count, 1 - target) > 1 - confidence:
            break
        found = (step, count, correct)
    if found is None:
        return _no_threshold(confidences, right, steps, target=target, confidence=confidence)
    value, count, correct = found
    return Threshold(
        value=value,
        target=target,
        confidence=confidence,
        n=n,
        kept=count,
        right=correct,
        lower_bound=exact_lower_bound(correct, count, confidence),
        guarantee=(
            f"of the answers it gives, at least {_percent(target)} are right, with {_percent(confidence)} confidence, on text "
            f"like the calibration split, if its texts are independent; n = {n:,}, of which it answers {_percent(count / n)}"
        ),
    )


def _no_threshold(
    confidences: np.ndarray, right: np.ndarray, steps: Sequence[float], *, target: float, confidence: float
) -> NoThreshold:
    """How many labels it would take, if the rates found here are the true ones: the fewest over ten thresholds."""
    n, best = len(right), None
    for step in steps[:: max(1, len(steps) // 10)]:
        kept = confidences >= step
        if not kept.any():
            continue
        needed = labels_needed(float(right[kept].mean()), float(kept.mean()), target=target, confidence=confidence)
        if needed is not None and (best is None or needed < best):
            best = needed
    if best is None:
        reason = f"at no threshold that was tried are more than {_percent(target)} of its answers right"
    elif best <= n:
        reason = f"the strictest threshold that was tried did not prove the target on these {n:,} labels"
    else:
        reason = f"{n:,} labels are too few to prove {_percent(target)}"
    return NoThreshold(target=target, confidence=confidence, n=n, reason=reason, labels_needed=best)


def labels_needed(accuracy: float, coverage: float, *, target: float, confidence: float) -> int | None:
    """Labels with which the target is proved with probability `POWER`, for a threshold of this accuracy and coverage.

    None: the accuracy is not above the target, or it would take more than a million.
    """
    if accuracy <= target:
        return None

    def proved(kept: int) -> bool:
        # the most errors that still prove it, and how often there are no more
        if exact_tail(0, kept, 1 - target) > 1 - confidence:
            return False
        allowed = int(bdtrik(1 - confidence, kept, 1 - target))
        return exact_tail(allowed, kept, 1 - accuracy) >= POWER

    low, high = 0, 16
    while not proved(high):
        low, high = high, high * 2
        if high > MOST_LABELS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if proved(middle) else (middle, high)
    return math.ceil(high / coverage) if high / coverage <= MOST_LABELS else None


def fit_conformal(probabilities: np.ndarray, truth: np.ndarray, *, alpha: float) -> Conformal:
    """Split conformal sets with the score 1 − p (Sadinle 2019; Angelopoulos and Bates 2021, 2107.07511).

    The quantile is the ⌈(n + 1)(1 − α)⌉-th smallest score of the true labels, or 1 where n is too small for that.
    """
    scores = np.sort(1 - probabilities[np.arange(len(truth)), truth])
    place = math.ceil((len(scores) + 1) * (1 - alpha))
    quantile = float(scores[place - 1]) if place <= len(scores) else 1.0
    return Conformal(
        alpha=alpha,
        quantile=min(1.0, max(0.0, quantile)),
        n=len(scores),
        guarantee=(
            f"on average over calibration splits, at least {_percent(1 - alpha)} of the sets hold the true label, on text like "
            f"the calibration split; not for each label or kind of text alone; n = {len(scores):,}"
        ),
    )


def conformal_sets(conformal: Conformal, probabilities: np.ndarray) -> np.ndarray:
    """(n, K) booleans: which labels are in the set of each text."""
    found: np.ndarray = 1 - probabilities <= conformal.quantile
    return found


def at_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """(n, K): p^(1/T), scaled to sum to 1; what dividing the logits by T gives."""
    scores = _logits(probabilities) / temperature
    found = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: np.ndarray = found / found.sum(axis=1, keepdims=True)
    return result


def decide(policy: Policy, labels: Sequence[str], probabilities: np.ndarray, stops: Sequence[Reason]) -> Decision:
    """What to do with one text.

    It abstains where a gate stops the text, or where the confidence is under the threshold. It warns where nothing could be
    promised, and where several labels remain possible.

    Args:
        policy: of this classifier.
        labels: by column.
        probabilities: (K,) as the classifier gives them.
        stops: what `policy.gates.stops` says of the text.
    """
    row = np.asarray(probabilities, dtype=np.float64)
    order = np.argsort(-row, kind="stable")
    inside = conformal_sets(policy.conformal, row[None])[0]
    because: list[Reason] = list(stops)
    if isinstance(policy.threshold, Threshold) and row.max() < policy.threshold.value:
        because.append("uncertain")
    abstains = bool(because)
    if isinstance(policy.threshold, NoThreshold):
        because.append("no guarantee")
    if inside.sum() > 1:
        because.append("several labels")
    return Decision(
        action="abstain" if abstains else "warn" if because else "answer",
        label=None if abstains else labels[order[0]],
        confidence=float(at_temperature(row[None], policy.temperature).max()),
        labels=[labels[column] for column in order if inside[column]],
        because=because,
    )


def _logits(probabilities: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.log(np.clip(probabilities, 1e-12, None))
    return found


def _percent(share: float) -> str:
    return f"{100 * share:.10g} %" if share in (0.0, 1.0) or round(100 * share, 1) == 100 * share else f"{100 * share:.1f} %"
