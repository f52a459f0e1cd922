"""Whether explanations say what the classifier does: words that they put first against words in random order.

comprehensiveness   probability that the answer loses without the first 1, 5, 10, 20 and 50 % of the words (DeYoung et al. 2020)
sufficiency         probability that it loses with those words alone
completeness        by how much integrated gradients miss the sum that they must have (Sundararajan et al. 2017)
sanity              rank correlation of explanations with those of the same network with random weights (Adebayo et al. 2018):
                    an explanation that stays the same does not look at what was learned

Texts with holes are unlike all others, and scores of this kind can be gamed (Hsia et al. 2023, 2308.14272); so the floor of
the first two is what random orders of the same words give, in the same texts. Occlusion needs only answers, the rest the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import spearmanr

from fathom.inference import Predictor
from fathom.inference.attribution import LARGEST_ERROR, METHODS, Attribution, Explainer, Method
from fathom.inference.erasure import SHARES, ErasureScores, erasure_scores, occlusion
from fathom.inference.packed import unpacked
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import WORST, Context, Measuring
from fathom.limits.record import CurveDetail, Floor, Line, Measure, Point
from fathom.limits.statistics import mean_interval
from fathom.model import make_model
from fathom.text.splitting import readable_words

FAMILY = "faithfulness"
MOST_TEXTS, MOST_TEXTS_QUICK = 40, 10
MOST_WORK, MOST_WORK_QUICK = 200_000, 10_000  # sum of squared numbers of words, which occlusion's tokens grow with; about
FEWEST_TEXTS = 5
FEWEST_WORDS = 4  # of a text; fewer have hardly an order
RANDOM_ORDERS = 4
NAMES: dict[Method, str] = {
    "integrated-gradients": "integrated gradients",
    "occlusion": "occlusion",
    "rollout": "attention rollout",
}


@dataclass(frozen=True)
class _Explained:
    """A text, and what each method makes of its words."""

    text: str
    label: int  # the answer
    found: dict[Method, Attribution]
    scores: ErasureScores  # orders: the methods', then random ones


def measure_faithfulness(context: Context) -> list[Measure]:
    """Two figures a method against random orders, and what the methods say of themselves."""
    try:
        predictor: Predictor | None = context.asked.classifier.predictor()
        reason = ""
    except NotMeasurableError as error:
        predictor, reason = None, str(error)
    methods = METHODS if predictor is not None else ("occlusion",)
    texts = _texts(context)
    generator = context.generator(FAMILY)
    explainer = None
    if predictor is not None:
        asking = context.asked.probabilities
        explainer = Explainer(unpacked(predictor.classifier), predictor.tokenizer, predictor.about, asking)
    explained = [_explain(context, explainer, text, methods, generator) for text in texts]
    measures: list[Measure] = []
    for method in METHODS:
        if method in methods:
            measures += _erasure(context, explained, methods, method)
        else:
            measures += [_cannot(f"{name}-{method}", f"{title} of {NAMES[method]}", reason) for name, title in _TITLES.items()]
    if predictor is None:
        names = ("completeness-error", *(f"sanity-{method}" for method in METHODS))
        return [*measures, *(_cannot(name, name.replace("-", " ").capitalize(), reason) for name in names)]
    return [*measures, _completeness(explained), *_sanity(context, predictor, explained)]


_TITLES = {
    "comprehensiveness": "Comprehensiveness",
    "sufficiency": "Sufficiency",
}


def _texts(context: Context) -> list[str]:
    """Texts of the report split that have words enough, and not too many: the work grows with their square."""
    allowed = MOST_WORK_QUICK if context.quick else MOST_WORK
    most = MOST_TEXTS_QUICK if context.quick else MOST_TEXTS
    order = context.generator(f"{FAMILY} texts").permutation(len(context.report))
    found = [(text, len(readable_words(text))) for text in (context.report.texts[row] for row in order)]
    found = [(text, words) for text, words in found if words >= FEWEST_WORDS]
    if len(found) < FEWEST_TEXTS:
        raise NotMeasurableError(f"only {len(found)} of {len(order)} texts have {FEWEST_WORDS} words or more")
    longest = max(int((allowed / most) ** 0.5), sorted(words for _, words in found)[FEWEST_TEXTS - 1])
    short = [text for text, words in found if words <= longest]
    if len(short) > most or len(short) < len(found):
        among = "" if len(short) == len(found) else f", of those with at most {longest} words"
        context.sampled.append(f"{FAMILY}: {min(most, len(short)):,} of {len(found):,} texts of the report split{among}")
    return short[:most]


def _explain(
    context: Context, explainer: Explainer | None, text: str, methods: tuple[Method, ...], generator: np.random.Generator
) -> _Explained:
    ask = context.asked.probabilities
    label = int(ask([text])[0].argmax())
    if explainer is None:
        words = readable_words(text)
        found: dict[Method, Attribution] = {
            "occlusion": Attribution(words, occlusion(ask, text, words, label, range(len(words))), unread=0)
        }
    else:
        found = {method: explainer.attribute(text, method, label) for method in methods}
    first = next(iter(found.values()))
    orders = [attribution.order for attribution in found.values()]
    orders += [generator.permutation(first.read).tolist() for _ in range(RANDOM_ORDERS)]
    return _Explained(text, label, found, erasure_scores(ask, text, first.words, orders, label, read=first.read))


def _erasure(context: Context, explained: list[_Explained], methods: tuple[Method, ...], method: Method) -> list[Measure]:
    place = methods.index(method)
    assumptions = [
        "the texts are independent draws",
        "words are left out of the text, which makes texts unlike any that were learned from: only the distance to random "
        "orders says something, and an explanation can be made to score well here without being true",
    ]
    measures = []
    for name, title in _TITLES.items():
        scores = np.stack([getattr(one.scores, name) for one in explained])  # (texts, orders, shares)
        own, random = scores[:, place], scores[:, len(methods) :].mean(axis=1)
        beyond = 100 * (own - random).mean(axis=1)
        low, high = mean_interval(beyond)
        better = name == "comprehensiveness"
        apart = f"{beyond.mean():+.1f} points from them in the same texts ({low:+.1f} to {high:+.1f})"
        told = low > 0 if better else high < 0
        least = np.argsort(beyond if better else -beyond, kind="stable")[:WORST]
        measures.append(
            Measure(
                name=f"{name}-{method}",
                family=FAMILY,
                title=f"{title} of {NAMES[method]}",
                status="measured",
                value=100 * float(own.mean()),
                interval=_times_100(mean_interval(own.mean(axis=1))),
                n=len(explained),
                floor=Floor(value=100 * float(random.mean()), what=f"words in random order; {apart}", faultless=False),
                unit="points",
                better="higher" if better else "lower",
                assumptions=assumptions,
                reason=None if told else "these texts cannot tell it from random orders of the words: do not believe it",
                detail=CurveDetail(
                    x="share of the words, those that come first",
                    y="probability lost",
                    lines=[_line(NAMES[method], own), _line("random order", random)],
                ),
                worst=[
                    context.example(
                        explained[row].text,
                        context.asked.probabilities([explained[row].text])[0],
                        note=f"first words: {_first_words(explained[row], method)}; {beyond[row]:+.1f} points from random",
                    )
                    for row in least
                ],
            )
        )
    return measures


def _line(name: str, values: np.ndarray) -> Line:
    """The mean over texts at each share. `values`: (texts, shares)."""
    return Line(
        name=name,
        points=[
            Point(x=share, y=float(column.mean()), interval=mean_interval(column), n=len(column))
            for share, column in zip(SHARES, values.T, strict=True)
        ],
    )


def _first_words(one: _Explained, method: Method) -> str:
    found = one.found[method]
    return ", ".join(one.text[slice(*found.words[number])] for number in found.order[:5])


def _completeness(explained: list[_Explained]) -> Measure:
    errors = np.array([one.found["integrated-gradients"].error or 0.0 for one in explained])
    steps = [one.found["integrated-gradients"].steps or 0 for one in explained]
    missed = int((errors >= LARGEST_ERROR).sum())
    return Measure(
        name="completeness-error",
        family=FAMILY,
        title="Error of the sum of integrated gradients, mean",
        status="measured",
        value=float(errors.mean()),
        interval=_above_0(mean_interval(errors)),
        n=len(explained),
        floor=Floor(value=0.0, what=f"an exact integral; steps are doubled until it is below {100 * LARGEST_ERROR:.0f} %"),
        better="lower",
        assumptions=[
            f"{int(np.median(steps))} steps in the median, at most {max(steps)}; {missed} of {len(errors)} stayed above"
        ],
    )


def _sanity(context: Context, predictor: Predictor, explained: list[_Explained]) -> list[Measure]:
    """Against one drawing of random weights. Sizes are compared, not signs: another network has another answer."""
    config, classes = predictor.classifier.config, len(predictor.labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(context.generator(f"{FAMILY} weights").integers(2**31)))
        fresh = make_model("sequence", config, classes).to(predictor.device)
    explainer = Predictor(fresh, predictor.tokenizer, predictor.about).explainer
    measures = []
    for method in METHODS:
        found = []
        for one in explained:
            trained = one.found[method]
            other = explainer.attribute(one.text, method, one.label)
            first, second = np.abs(trained.scores[trained.read]), np.abs(other.scores[trained.read])
            if len(set(first)) > 1 and len(set(second)) > 1:  # without order there is no rank
                found.append(float(spearmanr(first, second).statistic))
        name, title = f"sanity-{method}", f"Rank correlation of {NAMES[method]} with that of random weights"
        if len(found) < 2:
            measures.append(_cannot(name, title, "all words of nearly all texts count the same"))
            continue
        measures.append(
            Measure(
                name=name,
                family=FAMILY,
                title=title,
                status="measured",
                value=float(np.mean(found)),
                interval=_within_1(mean_interval(np.array(found))),
                n=len(found),
                floor=Floor(value=0.0, what="unrelated orders; 1: what was learned plays no part"),
                unit="correlation",
                better="lower",
                assumptions=["one drawing of random weights; all weights are drawn anew", "sizes are compared, without signs"],
            )
        )
    return measures


def _cannot(name: str, title: str, reason: str) -> Measure:
    return Measure(name=name, family=FAMILY, title=title, status="not measurable", reason=reason)


def _times_100(interval: tuple[float, float]) -> tuple[float, float]:
    return (100 * interval[0], 100 * interval[1])


def _above_0(interval: tuple[float, float]) -> tuple[float, float]:
    return (max(0.0, interval[0]), interval[1])


def _within_1(interval: tuple[float, float]) -> tuple[float, float]:
    return (max(-1.0, interval[0]), min(1.0, interval[1]))


def _calls(context: Context) -> int:
    """About: the median text, left out word by word, and all orders."""
    words = int(np.median([len(readable_words(text)) for text in context.report.texts[:100]]))
    if words < FEWEST_WORDS:
        return 0
    texts = min(len(context.report), MOST_TEXTS_QUICK if context.quick else MOST_TEXTS)
    allowed = MOST_WORK_QUICK if context.quick else MOST_WORK
    texts = max(min(texts, allowed // max(1, words**2)), FEWEST_TEXTS)
    return texts * (words + 2 * len(SHARES) * (len(METHODS) + RANDOM_ORDERS))


MEASURING = Measuring(FAMILY, "whether explanations say what it does", measure_faithfulness, _calls, needs_unseen=False)
