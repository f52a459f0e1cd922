"""What it does with texts that it is not for: does it notice, is it sure all the same, and does the policy stop them.

Scores, each higher where a text seems known: the largest probability (Hendrycks and Gimpel 2017, 1610.02136), minus the
entropy, minus the energy −log Σ exp(logits) (Liu et al. 2020, 2010.03759), minus the Mahalanobis distance that the policy
uses (limits/likeness.py). Beside them stands length alone, which can tell many sets apart and knows nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from fathom.limits.context import WORST, Beside, Context, Measuring
from fathom.limits.measures.accuracy import accuracy_beside
from fathom.limits.measures.leakage import DIRTY
from fathom.limits.record import Floor, Measure, Rate, RatesDetail
from fathom.limits.statistics import Interval, auroc, wilson

FAMILY = "out-of-domain"
TEXTS, TEXTS_QUICK = 300, 100  # of each set
FEWEST = 50  # texts, however long
MOST_CONTAMINATED = 0.05  # share of a named set that may stand in the training data
TPR = 0.95  # known texts that are let through where FPR95 counts the others

# Our own sentences. A film or a hotel would be judged so in each language.
ELSEWHERE = {
    "German": (
        "Der Film war so langweilig, dass ich nach einer Stunde gegangen bin.",
        "Die Schauspieler sind großartig, und die Geschichte bleibt lange im Gedächtnis.",
        "Das Zimmer war sauber und ruhig, wir kommen gern wieder.",
        "Für diesen Preis hätte ich viel mehr erwartet.",
        "Ich habe schon lange nicht mehr so herzlich gelacht.",
        "Leider stimmt an diesem Buch fast gar nichts.",
        "Am Ende weiß man nicht, worum es eigentlich ging.",
        "Eine warme und kluge Erzählung über zwei Schwestern.",
    ),
    "French": (
        "Le film était si ennuyeux que je suis parti au bout d'une heure.",
        "Les acteurs sont formidables et l'histoire reste longtemps en mémoire.",
        "La chambre était propre et calme, nous reviendrons avec plaisir.",
        "Pour ce prix, je m'attendais à beaucoup mieux.",
        "Cela faisait longtemps que je n'avais pas autant ri.",
        "Malheureusement, presque rien ne va dans ce livre.",
        "À la fin, on ne sait plus de quoi il s'agissait.",
        "Un récit chaleureux et intelligent sur deux sœurs.",
    ),
    "Spanish": (
        "La película era tan aburrida que me fui al cabo de una hora.",
        "Los actores son estupendos y la historia se queda mucho tiempo en la memoria.",
        "La habitación estaba limpia y tranquila, volveremos con gusto.",
        "Por ese precio esperaba mucho más.",
        "Hacía tiempo que no me reía tanto.",
        "Por desgracia, en este libro no funciona casi nada.",
        "Al final uno no sabe de qué se trataba.",
        "Un relato cálido e inteligente sobre dos hermanas.",
    ),
    "English": (
        "The film was so boring that I left after an hour.",
        "The actors are wonderful and the story stays with you for a long time.",
        "The room was clean and quiet, and we will gladly come back.",
        "For this price I had expected a lot more.",
        "It has been a long time since I laughed this much.",
        "Sadly, almost nothing about this book works.",
        "In the end nobody knows what it was all about.",
        "A warm and clever tale about two sisters.",
    ),
    "Chinese": (
        "这部电影太无聊了，我看了一个小时就走了。",
        "演员非常出色，故事让人久久难忘。",
        "房间干净又安静，我们下次还会来。",
        "这个价钱，我本来期待更多。",
        "我很久没有笑得这么开心了。",
        "可惜这本书几乎没有一处写得好。",
        "到最后也不知道讲的是什么。",
        "一个关于两姐妹的温暖而聪明的故事。",
    ),
    "Russian": (
        "Фильм был таким скучным, что через час я ушёл.",
        "Актёры замечательные, и история надолго остаётся в памяти.",
        "Номер был чистым и тихим, мы с радостью приедем ещё.",
        "За такую цену я ожидал гораздо большего.",
        "Давно я так не смеялся.",
        "К сожалению, в этой книге почти ничего не получилось.",
        "В конце непонятно, о чём всё это было.",
        "Тёплый и умный рассказ о двух сёстрах.",
    ),
}
_OWN = {"en": "English", "zh": "Chinese"}


@dataclass(frozen=True)
class Probe:
    """Texts of one kind."""

    key: str  # in names of measures
    what: str
    kind: str  # near or far
    texts: list[str]


def measure_out_of_domain(context: Context) -> list[Measure]:
    """For each set how well it is told apart; for all sets how sure the answers are and what the policy stops."""
    drawn = context.drawn("out-of-domain", min(TEXTS, _affordable(context)), quick=min(TEXTS_QUICK, _affordable(context)))
    known = drawn.texts
    probes = _probes(context, known)
    inside = _scores(context, known)
    made: list[Measure] = []
    for probe in probes:
        made += _told_apart(context, probe, known, inside)
    made += [_answered_surely(context, probes, known), _stopped(context, probes, known)]
    made += [_accuracy(context, beside, kind) for beside, kind in ((context.near, "near"), (context.far, "far")) if beside]
    return [_contaminated(context, measure) for measure in made]


def _affordable(context: Context) -> int:
    """Texts that may be asked as they are, shuffled and as noise; an AUROC needs some."""
    return max(FEWEST, context.affordable(context.report.texts, askings=3))


def _probes(context: Context, known: list[str]) -> list[Probe]:
    generator = context.generator("out-of-domain texts")
    chinese = context.language == "zh"

    def shuffled(text: str) -> str:
        words = [sign for sign in text if not sign.isspace()] if chinese else text.split()
        return ("" if chinese else " ").join(words[place] for place in generator.permutation(len(words)))

    def noise(text: str) -> str:
        signs = np.array(list("abcdefghijklmnopqrstuvwxyz      "))
        return "".join(generator.choice(signs, size=max(1, len(text))))

    elsewhere = [text for name, texts in ELSEWHERE.items() if name != _OWN[context.language] for text in texts]
    found = []
    for beside, kind in ((context.near, "near"), (context.far, "far")):
        if beside is not None:
            texts = beside.texts
            limit = TEXTS_QUICK if context.quick else TEXTS
            if len(texts) > limit:
                context.sampled.append(f"out-of-domain: {limit:,} of {len(texts):,} texts of {beside.name}")
                texts = [texts[row] for row in np.sort(generator.choice(len(texts), size=limit, replace=False))]
            found.append(Probe(kind, beside.name, kind, texts))
    units = "characters" if chinese else "words"
    return [
        *found,
        Probe("shuffled", f"the same texts with their {units} shuffled", "near", [shuffled(text) for text in known]),
        Probe("language", "sentences in other languages", "far", elsewhere),
        Probe("noise", "random letters as long as the texts", "far", [noise(text) for text in known]),
    ]


def _scores(context: Context, texts: list[str]) -> dict[str, np.ndarray]:
    """Higher where a text seems known; what the door cannot give is not there."""
    capabilities = context.asked.classifier.capabilities
    states = context.asked.states(texts) if "embeddings" in capabilities else None
    probabilities = context.asked.probabilities(texts)
    found = {"largest probability": probabilities.max(axis=1)}
    if len(context.labels) > 2:  # with two labels it ranks as the largest probability does
        found["minus entropy"] = (probabilities * np.log(np.clip(probabilities, 1e-300, None))).sum(axis=1)
    if "logits" in capabilities:
        found["minus energy"] = logsumexp(context.asked.logits(texts), axis=1)
    likeness = context.policy.gates.likeness
    if likeness is not None and states is not None:
        found["minus distance"] = -likeness.distances(states.embeddings)
    return found


def _told_apart(context: Context, probe: Probe, known: list[str], inside: dict[str, np.ndarray]) -> list[Measure]:
    outside = _scores(context, probe.texts)
    n = len(known) + len(probe.texts)
    figures = {name: auroc(inside[name], outside[name]) for name in inside}
    leaks = {name: _fpr95(inside[name], outside[name]) for name in inside}
    length, length_interval = auroc(
        np.array([float(len(text)) for text in known]), np.array([float(len(text)) for text in probe.texts])
    )
    if length < 0.5:
        length, length_interval = 1 - length, (1 - length_interval[1], 1 - length_interval[0])
    chosen = "minus distance" if "minus distance" in inside else "largest probability"
    notes = [
        f"{probe.kind} texts: {probe.what}; against {len(known):,} texts of the report split",
        f"the value is of the {chosen.removeprefix('minus ')}"
        + (
            ", which the policy uses"
            if chosen == "minus distance"
            else "; this door gives nothing else that the policy could use"
        ),
    ]
    if probe.kind == "far":
        notes.append("far texts are easy: a high value here says nothing of near ones")

    def rates(found: dict[str, tuple[float, Interval]], size: int) -> list[Rate]:
        return [Rate(name=name, value=value, interval=interval, n=size) for name, (value, interval) in found.items()]

    return [
        Measure(
            name=f"told-apart-{probe.key}",
            family=FAMILY,
            title=f"AUROC: known texts against {probe.what}",
            status="measured",
            value=figures[chosen][0],
            interval=figures[chosen][1],
            n=n,
            floor=Floor(value=max(0.5, length), what="length alone"),
            unit="AUROC",
            assumptions=notes,
            detail=RatesDetail(of="score", rates=rates({**figures, "length alone": (length, length_interval)}, n)),
        ),
        Measure(
            name=f"fpr95-{probe.key}",
            family=FAMILY,
            title=f"Share let through of {probe.what}, if 95 % of the known texts are to pass",
            status="measured",
            value=leaks[chosen][0],
            interval=leaks[chosen][1],
            n=len(probe.texts),
            floor=Floor(value=TPR, what="a score that says nothing", faultless=False),
            better="lower",
            assumptions=notes,
            detail=RatesDetail(of="score", rates=rates(leaks, len(probe.texts))),
        ),
    ]


def _fpr95(inside: np.ndarray, outside: np.ndarray) -> tuple[float, Interval]:
    passing = outside >= np.quantile(inside, 1 - TPR, method="lower")
    return float(passing.mean()), wilson(int(passing.sum()), len(passing))


def _answered_surely(context: Context, probes: list[Probe], known: list[str]) -> Measure:
    """As sure as of half of the known texts, about texts that no label fits."""
    median = float(np.median(context.asked.probabilities(known).max(axis=1)))
    rates, worst = [], []
    for probe in probes:
        probabilities = context.asked.probabilities(probe.texts)
        sure = probabilities.max(axis=1) >= median
        rates.append(Rate.of(probe.what, sure))
        top = np.argsort(-probabilities.max(axis=1), kind="stable")[:2]
        worst += [context.example(probe.texts[row], probabilities[row], note=probe.what) for row in top]
    most = max(rates, key=lambda rate: rate.value)
    return Measure(
        name="sure-of-the-unknown",
        family=FAMILY,
        title="Share of texts it is not for that it answers as surely as half of the known ones",
        status="measured",
        value=most.value,
        interval=most.interval,
        n=most.n,
        floor=Floor(value=0.5, what="known texts"),
        better="lower",
        assumptions=[f"of the worst of {len(rates)} sets: {most.name}", f"as surely: with at least {median:.4f}"],
        detail=RatesDetail(of="set of texts", rates=rates),
        worst=worst[:WORST],
    )


def _stopped(context: Context, probes: list[Probe], known: list[str]) -> Measure:
    """By language or distance; what the confidence stops is another limit."""
    name, title = "stopped-unknown", "Share of texts it is not for that the policy stops as such"
    gates = context.policy.gates
    if gates.writing is None and gates.likeness is None:
        reason = "the policy checks neither language nor likeness: too few texts to state a rate of false alarms"
        return Measure(name=name, family=FAMILY, title=title, status="not measurable", reason=reason)
    rates = []
    for what, texts in [("known texts (false alarms), the calibrate split", context.calibrate.texts)] + [
        (probe.what, probe.texts) for probe in probes
    ]:
        stopped = np.array(["wrong language" in why or "unlike training" in why for why in context.stops(texts)])
        rates.append(Rate.of(what, stopped))
    alarms, least = rates[0], min(rates[1:], key=lambda rate: rate.value)
    checks = [
        f"{what}: stops at most {100 * gate.false_alarms:g} % of such texts as the {gate.n:,} that decided it, on average"
        for what, gate in (("letters", gates.writing), ("distance", gates.likeness))
        if gate is not None
    ]
    return Measure(
        name=name,
        family=FAMILY,
        title=title,
        status="measured",
        value=least.value,
        interval=least.interval,
        n=least.n,
        floor=Floor(value=alarms.value, what="of texts that it is for"),
        assumptions=[f"of the set that is stopped least: {least.name}", *checks],
        detail=RatesDetail(of="set of texts", rates=rates),
    )


def _accuracy(context: Context, beside: Beside, kind: str) -> Measure:
    notes: tuple[str, ...] = ()
    if beside.truth is not None:
        frequent = float(np.bincount(beside.truth).max() / len(beside))
        notes = (f"always the most frequent label there: {100 * frequent:.1f} % right",)
    return accuracy_beside(context, beside, FAMILY, f"accuracy-{kind}", notes=notes)


def _contaminated(context: Context, measure: Measure) -> Measure:
    """Says so where a named set stands in the training data."""
    for beside, key in ((context.near, "near"), (context.far, "far")):
        if beside is not None and measure.name.endswith(f"-{key}") and measure.status == "measured":
            known = context.known(beside.texts)
            share = 0.0 if known is None else float((known >= DIRTY).mean())
            if share > MOST_CONTAMINATED:
                reason = f"{100 * share:.1f} % of {beside.name} stand in the training data"
                return measure.model_copy(update={"status": "contaminated", "reason": reason})
    return measure


def _calls(context: Context) -> int:
    most = TEXTS_QUICK if context.quick else TEXTS
    return (2 + (context.near is not None) + (context.far is not None)) * most + 40


MEASURING = Measuring(
    FAMILY, "what it does with texts that it is not for", measure_out_of_domain, calls=_calls, needs_unseen=False
)
