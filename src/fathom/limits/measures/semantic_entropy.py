"""Whether what it says over and over is what it knows: several drawn answers to each question, grouped by what they say.

semantic-entropy-auroc  does −Σ p(c) log p(c) over groups of answers tell wrong answers from right ones? (Farquhar et al. 2024,
                        Nature 630, the discrete form)
self-consistency        the share of the samples that agree with the commonest answer
consistent-errors       where the commonest sample is wrong, how often nearly all are: no entropy finds these

The published measure groups answers by an entailment model. There is none here: two answers are the same where the words that
carry meaning in the one are all in the other (`clusters`), so the same said in other words counts as different.
"""

from __future__ import annotations

import numpy as np

from fathom.limits.context import WORST, Measuring
from fathom.limits.measures.closed_book import INDEPENDENT, READ, TOKENS, Asked, real_questions
from fathom.limits.record import CurveDetail, Floor, Line, Measure, Point
from fathom.limits.statistics import auroc, mean_interval, wilson
from fathom.limits.writing.answers import admits, clusters, entropy, holds
from fathom.limits.writing.context import CausalContext
from fathom.limits.writing.facts import KINDS
from fathom.limits.writing.model import Request

FAMILY = "semantic-entropy"
SAMPLES, SAMPLES_QUICK = 10, 5
EACH_QUICK = 3  # questions of each kind
TEMPERATURE = 0.7
SAME = 0.8  # of the samples: an answer that is repeated nearly always
FEWEST = 4  # right and wrong answers each, to tell them apart
BY_WORDS = "samples are grouped by their words, without an entailment model: the same in other words counts as different"


def measure_semantic_entropy(context: CausalContext) -> list[Measure]:
    """Three figures of the same samples."""
    questions = _questions(context)
    samples = SAMPLES_QUICK if context.quick else SAMPLES
    greedy = context.asked.say([one.prompt for one in questions], max_tokens=TOKENS)
    drawn = context.asked.write(
        [
            Request(one.prompt, samples=samples, temperature=TEMPERATURE, seed=context.seed, max_tokens=TOKENS)
            for one in questions
        ]
    )
    groups = [clusters(its, one.question) for one, its in zip(questions, drawn, strict=True)]
    right = np.array([holds(answer, one.accepted) for one, answer in zip(questions, greedy, strict=True)])
    entropies = np.array([entropy(numbers) for numbers in groups])
    agreeing = np.array([np.bincount(numbers).max() / samples for numbers in groups])
    drawing = f"{samples} samples of each answer, drawn at temperature {TEMPERATURE}; right or wrong is the likeliest answer"
    assumptions = [INDEPENDENT, READ, BY_WORDS, drawing]
    low, high = mean_interval(agreeing)
    if low == high:  # all alike, which says little of other questions
        low, high = wilson(round(float(agreeing.mean()) * len(agreeing)), len(agreeing))
    consistency = Measure(
        name="self-consistency",
        family=FAMILY,
        title="Samples of an answer that agree with the commonest one",
        status="measured",
        value=float(agreeing.mean()),
        interval=(max(0.0, low), min(1.0, high)),
        n=len(questions),
        floor=Floor(value=1 / samples, what="samples that all say something else"),
        assumptions=assumptions,
        detail=CurveDetail(
            x="share of the samples that agree",
            y="share of right answers",
            diagonal=True,
            lines=[Line(name="the model", points=_right_by_agreement(agreeing, right))],
        ),
    )
    return [_auroc(entropies, right, assumptions), consistency, _repeated(context, questions, drawn, groups, agreeing)]


def _questions(context: CausalContext) -> list[Asked]:
    """The real ones of the closed book; in a quick audit fewer."""
    if not context.quick:
        return real_questions(context)
    by_kind: dict[str, list[Asked]] = {}
    for one in real_questions(context):
        by_kind.setdefault(one.kind, []).append(one)
    return [one for its in by_kind.values() for one in its[:EACH_QUICK]]


def _auroc(entropies: np.ndarray, right: np.ndarray, assumptions: list[str]) -> Measure:
    name, title = "semantic-entropy-auroc", "AUROC of semantic entropy, wrong answers against right ones"
    wrongs, rights = int((~right).sum()), int(right.sum())
    if min(wrongs, rights) < FEWEST:
        reason = f"{rights} right and {wrongs} wrong answers; {FEWEST} of each are the fewest that can be told apart"
        return Measure(name=name, family=FAMILY, title=title, status="not measurable", reason=reason, unit="AUROC")
    value, interval = auroc(entropies[~right], entropies[right])
    return Measure(
        name=name,
        family=FAMILY,
        title=title,
        status="measured",
        value=value,
        interval=interval,
        n=len(right),
        floor=Floor(value=0.5, what="an entropy that says nothing"),
        unit="AUROC",
        assumptions=assumptions,
    )


def _right_by_agreement(agreeing: np.ndarray, right: np.ndarray) -> list[Point]:
    found = []
    for share in np.unique(agreeing):
        own = right[agreeing == share]
        found.append(Point(x=float(share), y=float(own.mean()), interval=wilson(int(own.sum()), len(own)), n=len(own)))
    return found


def _repeated(
    context: CausalContext,
    questions: list[Asked],
    drawn: list[list[str]],
    groups: list[list[int]],
    agreeing: np.ndarray,
) -> Measure:
    """Of the questions whose commonest sample is wrong; what the likeliest answer says is another matter."""
    name, title = "consistent-errors", "Wrong answers that it repeats nearly always"
    commonest = [its[numbers.index(int(np.bincount(numbers).argmax()))] for its, numbers in zip(drawn, groups, strict=True)]
    wrong = [
        row
        for row, (one, answer) in enumerate(zip(questions, commonest, strict=True))
        if not holds(answer, one.accepted) and not admits(answer)
    ]
    if len(wrong) < FEWEST:
        reason = f"{len(wrong)} wrong answers; {FEWEST} are the fewest to say how many are repeated"
        return Measure(name=name, family=FAMILY, title=title, status="not measurable", reason=reason)
    repeated = np.array([agreeing[row] >= SAME for row in wrong])
    return Measure(
        name=name,
        family=FAMILY,
        title=title,
        status="measured",
        value=float(repeated.mean()),
        interval=wilson(int(repeated.sum()), len(repeated)),
        n=len(repeated),
        floor=Floor(value=0.0, what="one whose errors vary"),
        better="lower",
        assumptions=[INDEPENDENT, READ, BY_WORDS, f"nearly always: {100 * SAME:.0f} % of the samples agree, on what is wrong"],
        worst=[
            context.example(
                questions[row].question, commonest[row], questions[row].accepted[0], note=" | ".join(drawn[row][:3])
            )
            for row, same in zip(wrong, repeated, strict=True)
            if same
        ][:WORST],
    )


def _calls(context: CausalContext) -> int:
    kinds = len(KINDS[context.language])
    return kinds * EACH_QUICK * SAMPLES_QUICK if context.quick else kinds * 10 * SAMPLES


MEASURING = Measuring(FAMILY, "whether disagreement with itself shows when it is wrong", measure_semantic_entropy, _calls)
