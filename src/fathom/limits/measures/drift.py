"""Whether other texts (--compare-data) differ from those that were measured on: in labels, in answers, in words.

Drift is not harm. A classifier may be as right on drifted texts as before, or wrong on texts that no test tells apart; only
labels tell. Where the other texts have labels, accuracy stands beside (Rabanser et al. 2019, 1810.11953).
"""

from __future__ import annotations

import numpy as np
from scipy.stats import ks_2samp
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import WORST, Beside, Context, Measuring
from fathom.limits.measures.accuracy import accuracy_beside
from fathom.limits.measures.leakage import DIRTY
from fathom.limits.record import Floor, Measure, Rate, RatesDetail
from fathom.limits.statistics import auroc, confusion
from fathom.text.splitting import WORD

FAMILY = "drift"
DRAWS, DRAWS_QUICK = 500, 200  # of bootstrap and permutations
PERMUTED, PERMUTED_QUICK = 20, 8  # fits of the domain classifier with the two names mixed up
TEXTS, TEXTS_QUICK = 1000, 400  # of each side, for the domain classifier
FOLDS = 5
WORST_CONDITION = 50.0  # of the confusion matrix; with more, its inverse mostly carries noise
NOT_HARM = "drift is not harm: only labels tell whether it answers worse"


def measure_drift(context: Context) -> list[Measure]:
    """Label shift, answers, words, and where there are labels accuracy."""
    if context.compared is None:
        raise NotMeasurableError("no other texts were named to compare with; add --compare-data DATA")
    other = context.compared
    accuracy = accuracy_beside(context, other, FAMILY, "drift-of-accuracy", so=", so harm cannot be told from drift")
    found = [_labels(context, other), _answers(context, other), _words(context, other), accuracy]
    known = context.known(other.texts)
    share = 0.0 if known is None else float((known >= DIRTY).mean())
    if share > 0.05:
        reason = f"{100 * share:.1f} % of {other.name} stand in the training data"
        found = [m.model_copy(update={"status": "contaminated", "reason": reason}) if m.value is not None else m for m in found]
    return found


def estimate_label_shares(counts: np.ndarray, answers: np.ndarray) -> np.ndarray | None:
    """Black-box shift estimation: w = C⁻¹ μ (Lipton et al. 2018, 1802.03916).

    Args:
        counts: (K, K) of known texts, row the true label, column the answer.
        answers: (m,) what is answered elsewhere.

    Returns:
        (K,) shares of the labels elsewhere, cut at 0 and scaled to 1; None: the answers say too little of the labels.
    """
    joint = (counts / counts.sum()).T  # C[answer, label]
    priors = joint.sum(axis=0)
    if not priors.all() or np.linalg.cond(joint / priors) > WORST_CONDITION:
        return None
    said = np.bincount(answers, minlength=len(joint)) / len(answers)
    shares = np.clip(np.linalg.solve(joint, said) * priors, 0, None)
    estimated: np.ndarray = shares / shares.sum()
    return estimated


def _labels(context: Context, other: Beside) -> Measure:
    name, title = "label-shift", "How far the shares of the labels have moved, as the answers tell"
    report, k = context.report, len(context.labels)
    own = context.asked.probabilities(report.texts).argmax(axis=1)
    there = context.asked.probabilities(other.texts).argmax(axis=1)
    counts = confusion(own, report.truth, k)
    estimated = estimate_label_shares(counts, there)
    if estimated is None:
        reason = "its answers say too little of the labels: the confusion matrix cannot be turned around"
        return Measure(name=name, family=FAMILY, title=title, status="not measurable", unit="points", reason=reason)
    priors = counts.sum(axis=1) / counts.sum()

    def moved(shares: np.ndarray, from_: np.ndarray) -> float:
        return 50 * float(np.abs(shares - from_).sum())

    generator, drawn, null, shares = context.generator("label shift"), [], [], []
    for _ in range(DRAWS_QUICK if context.quick else DRAWS):
        rows = generator.integers(len(own), size=len(own))
        again = confusion(own[rows], report.truth[rows], k)
        found = estimate_label_shares(again, generator.choice(there, size=len(there)))
        same = estimate_label_shares(again, generator.choice(own, size=len(there)))
        if found is not None and same is not None:
            from_ = again.sum(axis=1) / again.sum()
            drawn.append(moved(found, from_))
            null.append(moved(same, from_))
            shares.append(found)
    value = moved(estimated, priors)
    low, high = (2 * value - float(end) for end in np.quantile(drawn, (0.975, 0.025)))
    ends = np.quantile(np.array(shares), (0.025, 0.975), axis=0)
    return Measure(
        name=name,
        family=FAMILY,
        title=title,
        status="measured",
        value=value,
        interval=(max(0.0, min(low, value)), max(high, value)),
        n=len(there),
        floor=Floor(
            value=float(np.median(null)),
            what=f"as many texts of the report split; 95 % read under {np.quantile(null, 0.95):.1f}",
        ),
        unit="points",
        better="neither",
        assumptions=[
            "only the shares of the labels have moved, and texts of a label look as before; else the estimate does not hold",
            NOT_HARM,
            "; ".join(f"{label}: {100 * share:.1f} % here" for label, share in zip(context.labels, priors, strict=True)),
        ],
        detail=RatesDetail(
            of=f"estimated share of the label in {other.name}",
            rates=[
                Rate(
                    name=label,
                    value=float(estimated[row]),
                    interval=(min(float(ends[0, row]), float(estimated[row])), max(float(ends[1, row]), float(estimated[row]))),
                    n=len(there),
                )
                for row, label in enumerate(context.labels)
            ],
        ),
    )


def _answers(context: Context, other: Beside) -> Measure:
    """Kolmogorov–Smirnov on each label's probability; p-values times the number of labels (Bonferroni)."""
    own, there = context.asked.probabilities(context.report.texts), context.asked.probabilities(other.texts)
    columns = range(1) if own.shape[1] == 2 else range(own.shape[1])  # of two, the second mirrors the first
    tests = [ks_2samp(own[:, column], there[:, column]) for column in columns]
    distances = np.array([float(test.statistic) for test in tests])
    smallest = min(1.0, min(float(test.pvalue) for test in tests) * len(tests))
    generator, pooled = context.generator("drift of answers"), np.concatenate([own, there])
    null = []
    for _ in range((DRAWS_QUICK if context.quick else DRAWS) // 4):
        mixed = pooled[generator.permutation(len(pooled))]
        null.append(max(_ks(mixed[: len(own), column], mixed[len(own) :, column]) for column in columns))
    worst = int(distances.argmax())

    def statistic(rows: np.ndarray) -> float:
        first, second = rows[rows < len(own)], rows[rows >= len(own)]
        return _ks(pooled[first, worst], pooled[second, worst]) if len(first) and len(second) else 0.0

    low, high = context.bootstrap(len(pooled), statistic, None, pivotal=True)
    value = float(distances[worst])
    return Measure(
        name="drift-of-answers",
        family=FAMILY,
        title="Largest Kolmogorov–Smirnov distance of a label's probability",
        status="measured",
        value=value,
        interval=(max(0.0, min(low, value)), min(1.0, max(high, value))),
        n=len(pooled),
        floor=Floor(
            value=float(np.median(null)), what=f"both mixed and parted at random; 95 % read under {np.quantile(null, 0.95):.4f}"
        ),
        unit="score",
        better="neither",
        assumptions=[
            f"p = {smallest:.2g}, times {len(tests)} for as many tests (Bonferroni): "
            + ("the answers have drifted" if smallest < 0.05 else "no drift of the answers is proved"),
            "the texts are independent draws",
            NOT_HARM,
        ],
        detail=RatesDetail(
            of="distance of the label's probability",
            rates=[Rate(name=context.labels[column], value=float(distances[column]), n=len(pooled)) for column in columns],
        ),
    )


def _ks(first: np.ndarray, second: np.ndarray) -> float:
    """Max |F₁ − F₂|."""
    first, second = np.sort(first), np.sort(second)
    places = np.concatenate([first, second])
    return float(
        np.abs(
            np.searchsorted(first, places, side="right") / len(first)
            - np.searchsorted(second, places, side="right") / len(second)
        ).max()
    )


def _words(context: Context, other: Beside) -> Measure:
    """Can a bag of words tell which of the two a text is from? (Lopez-Paz and Oquab 2017, 1610.06545.)"""
    generator = context.generator("domain classifier")
    most = min(TEXTS_QUICK if context.quick else TEXTS, len(context.report), len(other))
    sides = []
    for texts in (context.report.texts, other.texts):
        sides += [texts[row] for row in np.sort(generator.choice(len(texts), size=most, replace=False))]
    domain = np.repeat([0, 1], most)
    once = dict(zip(sides, domain.tolist(), strict=True))  # a text that stands on both sides could not be told apart honestly
    shared = 2 * most - len(once)
    names, domain = list(once), np.array(list(once.values()))
    if min(domain.sum(), len(domain) - domain.sum()) < FOLDS:
        return Measure(
            name="drift-of-words",
            family=FAMILY,
            title="AUROC of a bag of words that tells both sets apart",
            status="not measurable",
            unit="AUROC",
            reason="nearly all of the texts stand in both sets",
        )
    grams = {"token_pattern": WORD, "sublinear_tf": True, "min_df": 2}
    counted = TfidfVectorizer(**grams).fit_transform(names)

    def scored(sides: np.ndarray, seed: int) -> np.ndarray:
        scores = np.zeros(len(sides))
        with threadpool_limits(limits=1):
            for fit, held in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(counted, sides):
                model = LogisticRegression(max_iter=300).fit(counted[fit], sides[fit])
                scores[held] = model.decision_function(counted[held])
        return scores

    scores = scored(domain, context.seed)
    value, interval = auroc(scores[domain == 1], scores[domain == 0])
    null = []
    for number in range(PERMUTED_QUICK if context.quick else PERMUTED):
        mixed = generator.permutation(domain)
        found = scored(mixed, context.seed + number)
        null.append(auroc(found[mixed == 1], found[mixed == 0])[0])
    top = np.flatnonzero(domain == 1)
    top = top[np.argsort(-scores[top], kind="stable")][:WORST]
    answers = context.asked.probabilities([names[row] for row in top])
    return Measure(
        name="drift-of-words",
        family=FAMILY,
        title="AUROC of a bag of words that tells both sets apart",
        status="measured",
        value=value,
        interval=interval,
        n=len(names),
        floor=Floor(value=float(np.median(null)), what=f"names mixed up; the highest of {len(null)} reads {max(null):.3f}"),
        unit="AUROC",
        better="neither",
        assumptions=[
            f"held-out scores of {FOLDS} folds; the texts are independent draws",
            NOT_HARM,
            *([f"{shared} texts that repeat were counted once"] if shared else []),
        ],
        worst=[
            context.example(names[row], answer, note=f"among the most typical of {other.name}")
            for row, answer in zip(top, answers, strict=True)
        ],
    )


MEASURING = Measuring(
    FAMILY,
    "whether other texts differ from those that were measured on",
    measure_drift,
    calls=lambda context: 0 if context.compared is None else len(context.compared),
    needs_unseen=False,
)
