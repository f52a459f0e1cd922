"""Whether it picks the right answer of several, and whether its probabilities mean what they say.

The probability of a choice is that of its words behind "Question: … Answer:", among the choices of the question. Where a door
gives no log-probabilities, the model is asked for a letter: that measures whether it is right, and nothing of how sure it is.
"""

from __future__ import annotations

import re

import numpy as np
from scipy.special import softmax

from fathom.limits.classifier import DOORS
from fathom.limits.context import WORST, Measuring
from fathom.limits.record import CurveDetail, Floor, Line, Measure, Point
from fathom.limits.statistics import calibration_error, calibration_floor, mean_interval, reliability_curve, wilson
from fathom.limits.writing.context import CausalContext
from fathom.limits.writing.model import Choice, as_text
from fathom.limits.writing.questions import LETTERS, OWN, Question

FAMILY = "multiple-choice"
QUESTIONS, QUESTIONS_QUICK = 500, 40  # of a file
BINS = 5  # of the confidence: there are few questions
INDEPENDENT = "the questions are independent draws"
TOKENS = 8  # of a letter
_ASKED = {"en": "{question}\nAnswer with the letter only.", "zh": "{question}\n只回答字母。"}
_LETTER = re.compile(rf"(?:^|[^A-Za-z])([{LETTERS}])(?:$|[^A-Za-z])")
_TITLES = {
    "choice-calibration-error": "Calibration error of its choices (5 bins of equal size)",
    "choice-overconfidence": "Mean confidence of its choices minus accuracy",
    "choice-brier": "Brier score of its choices, 0 to 2",
}


def measure_multiple_choice(context: CausalContext) -> list[Measure]:
    """Accuracy, and where probabilities are given, three figures of them."""
    questions = _questions(context)
    if "log-probabilities" not in context.asked.model.capabilities:
        return _by_letter(context, questions)
    blank = "" if context.language == "zh" else " "
    choices = [
        Choice(as_text(question.text), tuple(f"{blank}{choice}" for choice in question.choices)) for question in questions
    ]
    probabilities = [softmax(row) for row in context.asked.score(choices)]
    answers = np.array([int(row.argmax()) for row in probabilities])
    confidence = np.array([float(row.max()) for row in probabilities])
    squares = np.array(
        [float(((row - np.eye(len(row))[q.answer]) ** 2).sum()) for row, q in zip(probabilities, questions, strict=True)]
    )
    how = "a choice is as likely as its words behind the question, among the choices; not divided by their number"
    accuracy = _accuracy(context, questions, answers, how, confidence)
    return [accuracy, *_calibration(context, questions, confidence, answers, squares, how)]


def _questions(context: CausalContext) -> list[Question]:
    """Our own, or those of the user; with the choices in a drawn order."""
    generator = context.generator("order of the choices")
    if context.questions is None:
        given = [Question(text, tuple(choices), 0) for text, *choices in OWN[context.language]]
    else:
        given, most = context.questions, QUESTIONS_QUICK if context.quick else QUESTIONS
        if len(given) > most:
            context.sampled.append(f"{FAMILY}: {most:,} of {len(given):,} questions")
            rows = np.sort(context.generator(FAMILY).choice(len(given), size=most, replace=False))
            given = [given[row] for row in rows]
    found = []
    for question in given:
        order = [int(place) for place in generator.permutation(len(question.choices))]
        choices = tuple(question.choices[place] for place in order)
        found.append(Question(question.text, choices, order.index(question.answer)))
    return found


def _by_letter(context: CausalContext, questions: list[Question]) -> list[Measure]:
    asked = [_ASKED[context.language].format(question=question.with_letters) for question in questions]
    said = context.asked.say(asked, max_tokens=TOKENS)
    answers = np.array([_letter(answer, question) for answer, question in zip(said, questions, strict=True)])
    how = "asked for a letter; an answer without one is wrong"
    without = int((answers < 0).sum())
    note = [f"{without} of {len(answers)} answers named no letter"] if without else []
    missing = f"{DOORS[context.asked.model.door]} gives no log-probabilities of texts that it is given"
    return [
        _accuracy(context, questions, answers, how, None, said, note),
        *(
            Measure(name=name, family=FAMILY, title=title, status="not measurable", reason=missing)
            for name, title in _TITLES.items()
        ),
    ]


def _letter(answer: str, question: Question) -> int:
    """The number of the choice that an answer names; −1: none."""
    found = _LETTER.search(answer)
    place = -1 if found is None else LETTERS.index(found[1])
    return place if place < len(question.choices) else -1


def _accuracy(
    context: CausalContext,
    questions: list[Question],
    answers: np.ndarray,
    how: str,
    confidence: np.ndarray | None,
    said: list[str] | None = None,
    more: list[str] | None = None,
) -> Measure:
    truth = np.array([question.answer for question in questions])
    right = answers == truth
    order = np.flatnonzero(~right)
    if confidence is not None:
        order = order[np.argsort(-confidence[order], kind="stable")]
    worst = [
        context.example(
            questions[row].with_letters,
            questions[row].choices[int(answers[row])] if said is None else said[row],
            questions[row].choices[questions[row].answer],
        ).model_copy(update={"confidence": None if confidence is None else float(confidence[row])})
        for row in order[:WORST]
    ]
    return Measure(
        name="choice-accuracy",
        family=FAMILY,
        title="Right answers to questions with choices",
        status="measured",
        value=float(right.mean()),
        interval=wilson(int(right.sum()), len(right)),
        n=len(right),
        floor=Floor(value=float(np.mean([1 / len(question.choices) for question in questions])), what="choosing at random"),
        assumptions=[INDEPENDENT, "the choices stand in a drawn order", how, *(more or [])],
        worst=worst,
    )


def _calibration(
    context: CausalContext,
    questions: list[Question],
    confidence: np.ndarray,
    answers: np.ndarray,
    squares: np.ndarray,
    how: str,
) -> list[Measure]:
    right, n = answers == np.array([question.answer for question in questions]), len(questions)
    floor, floor_95 = calibration_floor(confidence, bins=BINS, seed=context.seed)
    value = calibration_error(confidence, right, bins=BINS)
    low, high = context.bootstrap(n, lambda rows: calibration_error(confidence[rows], right[rows], bins=BINS), pivotal=True)
    gaps = 100 * (confidence - right)
    uniform = np.array([1 - 1 / len(question.choices) for question in questions])
    return [
        Measure(
            name="choice-calibration-error",
            family=FAMILY,
            title=_TITLES["choice-calibration-error"],
            status="measured",
            value=value,
            interval=(min(max(0.0, low), value), max(high, value)),
            n=n,
            floor=Floor(
                value=floor,
                what=f"median of a perfectly calibrated model with these confidences; 95 % read under {floor_95:.4f}",
                faultless=True,
            ),
            better="lower",
            assumptions=[
                INDEPENDENT,
                how,
                "the interval mirrors the bootstrap's percentiles, since noise moves this measure upward; it is cut at 0",
            ],
            detail=CurveDetail(
                x="confidence",
                y="share of right answers",
                diagonal=True,
                lines=[
                    Line(
                        name="the model",
                        points=[
                            Point(x=part.confidence, y=part.accuracy, interval=part.interval, n=part.n)
                            for part in reliability_curve(confidence, right, bins=BINS)
                        ],
                    )
                ],
            ),
        ),
        Measure(
            name="choice-overconfidence",
            family=FAMILY,
            title=_TITLES["choice-overconfidence"],
            status="measured",
            value=float(gaps.mean()),
            interval=mean_interval(gaps),
            n=n,
            floor=Floor(value=0.0, what="a calibrated model", faultless=True),
            unit="points",
            better="neither",
            assumptions=[INDEPENDENT, how],
        ),
        Measure(
            name="choice-brier",
            family=FAMILY,
            title=_TITLES["choice-brier"],
            status="measured",
            value=float(squares.mean()),
            interval=mean_interval(squares),
            n=n,
            floor=Floor(value=float(uniform.mean()), what="finding all choices equally likely", faultless=False),
            unit="score",
            better="lower",
            assumptions=[INDEPENDENT, how],
        ),
    ]


def _calls(context: CausalContext) -> int:
    if context.questions is None:
        return 4 * len(OWN[context.language])
    most = QUESTIONS_QUICK if context.quick else QUESTIONS
    return sum(len(question.choices) for question in context.questions[:most])


MEASURING = Measuring(FAMILY, "whether it picks the right answer, and how sure of it it is", measure_multiple_choice, _calls)
