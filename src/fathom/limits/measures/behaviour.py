"""What a classifier should do with negation, comparison, time, irony, names and slips, tried with sentences made for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fathom.data import Example
from fathom.limits.behaviour.cases import TOLERANCE, BehaviourTest, Case, Expectation, Failures, failures_of, thinned
from fathom.limits.behaviour.chinese import CHINESE
from fathom.limits.behaviour.english import ENGLISH
from fathom.limits.behaviour.wording import Language, directed_test, sided_test, swapped_test
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import WORST, Context, Measuring
from fathom.limits.edits import EDITS, noisy, typo
from fathom.limits.record import Floor, Measure, Rate, RatesDetail, WorstExample
from fathom.limits.statistics import Interval, mean_interval, wilson

FAMILY = "behaviour"
CASES, CASES_QUICK = 24, 8  # of a template
TEXTS, TEXTS_QUICK = 80, 20  # of the report split, each changed in every way
SUITE_CASES, SUITE_CASES_QUICK = 60, 10  # of one test of a suite
SUITE_CHANGES = 3  # changed texts of one case

_TITLES = {
    "vocabulary": "Plain praise and blame",
    "negation": "Negation: simple, scoped, distant, double",
    "comparison": "Comparison with others",
    "time": "What was, and what is",
    "who-says-it": "The opinions of others, and one's own",
    "concession": "Both sides, and the balance",
    "sarcasm": "Words of praise that blame",
    "intensity": "More and less of the same",
    "added-opinion": "A sentence of praise or blame added",
    "entities": "Other names, places, titles, numbers, days",
    "robustness": "Slips and signs that change no meaning",
    "suite": "The suite of tests that was named",
}
_LANGUAGES: dict[str, Language] = {"en": ENGLISH, "zh": CHINESE}


def measure_behaviour(context: Context) -> list[Measure]:
    """One figure for each capability: the share of cases that it passes, and below it each test's own."""
    language = _LANGUAGES[context.language]
    found = []
    for capability in dict.fromkeys(template.capability for template in language.sided):
        found.append(_measured(context, capability, lambda c=capability: _sided(context, language, c)))  # type: ignore[misc]
    found.append(_measured(context, "intensity", lambda: _directed(context, language)))
    found.append(_measured(context, "added-opinion", lambda: _added(context, language), _known(context)))
    found.append(_measured(context, "entities", lambda: _swapped(context, language)))
    found.append(_measured(context, "robustness", lambda: _changed(context), _known(context)))
    if context.suite is not None:
        found.append(_suite(context))
    return found


def _measured(context: Context, capability: str, make: Callable[[], list[BehaviourTest]], notes: Sequence[str] = ()) -> Measure:
    try:
        return _measure(context, capability, make(), notes)
    except NotMeasurableError as reason:
        return _without(capability, str(reason))


def _without(capability: str, reason: str) -> Measure:
    return Measure(
        name=f"behaviour-{capability}",
        family=FAMILY,
        title=_TITLES[capability],
        status="not measurable",
        reason=reason,
    )


def _measure(context: Context, capability: str, tests: Sequence[BehaviourTest], notes: Sequence[str] = ()) -> Measure:
    outcomes = [failures_of(test, context.asked) for test in tests]
    passed = [~outcome.failed for outcome in outcomes]
    whole = np.concatenate(passed)
    cases = [case for test in tests for case in test.cases]
    chance = np.mean([1 - case.expectation.chance(len(context.labels)) for case in cases])
    rates = [Rate.of(test.name, own) for test, own in zip(tests, passed, strict=True)]
    assumptions = [
        "the interval is of tests drawn from tests like these, not of sentences: sentences of one test resemble each other",
        *notes,
    ]
    kinds = {case.expectation.must for case in cases}
    if "stay" in kinds:
        moved = np.concatenate([outcome.moved for outcome in outcomes])
        assumptions.append(
            f"in {100 * float((moved > TOLERANCE).mean()):.1f} % of the cases a probability moved by more than {TOLERANCE}"
        )
    if kinds & {"not fall", "not rise"}:
        assumptions.append(
            f"a probability may go {TOLERANCE} the wrong way before a case fails; one that never moves fails none"
        )
    if kinds & {"be", "not be"} and capability != "suite":
        assumptions.append("half praises and half blames, so that always giving one answer passes half")
        if context.polarity.neutral is None:
            assumptions.append("the labels force a side: 'not bad' counts as praise")
    return Measure(
        name=f"behaviour-{capability}",
        family=FAMILY,
        title=_TITLES[capability],
        status="measured",
        value=float(whole.mean()),
        interval=_clustered(whole, [float(own.mean()) for own in passed]),
        n=len(whole),
        floor=Floor(value=float(chance), what="answers drawn at random"),
        assumptions=assumptions,
        detail=RatesDetail(of="test", rates=sorted(rates, key=lambda rate: rate.value)),
        worst=_worst(context, tests, outcomes),
    )


def _clustered(passed: np.ndarray, of_tests: Sequence[float]) -> Interval:
    """The wider of Wilson's interval of the cases and Student's of the tests, within [0, 1]."""
    low, high = wilson(int(passed.sum()), len(passed))
    if len(of_tests) > 1:
        of_mean, value = mean_interval(np.array(of_tests)), float(passed.mean())
        half = (of_mean[1] - of_mean[0]) / 2
        low, high = min(low, value - half), max(high, value + half)
    return (max(0.0, low), min(1.0, high))


def _worst(context: Context, tests: Sequence[BehaviourTest], outcomes: Sequence[Failures]) -> list[WorstExample]:
    """The most confident failure of each test, the tests that fail most first; then second ones."""
    order = np.argsort([-float(outcome.failed.mean()) for outcome in outcomes], kind="stable")
    ranked = [
        (rank, place, outcomes[place].worst[rank])
        for rank in range(WORST)
        for place in order
        if rank < len(outcomes[place].worst)
    ]
    found = []
    for _, place, (case, which, probabilities) in ranked[:WORST]:
        changed = case.texts[which] if which else None
        found.append(
            context.example(
                case.texts[0],
                probabilities,
                case.expectation.label if case.expectation.must == "be" else None,
                changed=changed,
                note=f"{tests[place].name}: {_said(context, case.expectation)}",
            )
        )
    return found


def _said(context: Context, expectation: Expectation) -> str:
    label = "the first answer" if expectation.label is None else repr(context.labels[expectation.label])
    return {
        "be": f"the answer should be {label}",
        "not be": f"the answer should not be {label}",
        "stay": "the answer should stay as it was",
        "not fall": f"the probability of {label} should not fall",
        "not rise": f"the probability of {label} should not rise",
    }[expectation.must]


def _cases(context: Context) -> int:
    return CASES_QUICK if context.quick else CASES


def _sided(context: Context, language: Language, capability: str) -> list[BehaviourTest]:
    sides = context.polarity
    return [
        sided_test(
            template, language.words, sides, _cases(context), context.generator(f"{FAMILY} {capability} {template.name}")
        )
        for template in language.sided
        if template.capability == capability
    ]


def _directed(context: Context, language: Language) -> list[BehaviourTest]:
    sides = context.polarity
    return [
        directed_test(template, language.words, sides, _cases(context), context.generator(f"{FAMILY} {template.name}"))
        for template in language.directed
    ]


def _swapped(context: Context, language: Language) -> list[BehaviourTest]:
    return [
        swapped_test(template, language.words, 2 * _cases(context), context.generator(f"{FAMILY} {template.name}"))
        for template in language.swapped
    ]


def _texts(context: Context, name: str, askings: int) -> list[str]:
    return context.drawn_to_change(f"{FAMILY}, {name}", TEXTS, quick=TEXTS_QUICK, askings=askings).texts


def _known(context: Context) -> list[str]:
    """Said where texts of the data are changed."""
    if context.seen is None:
        return []
    count = sum(Example(text) in context.seen for text in context.report.texts)
    return [f"{count:,} of the {len(context.report):,} texts of the report split were in its training data"] if count else []


def _added(context: Context, language: Language) -> list[BehaviourTest]:
    sides = context.polarity
    blank = "" if context.language == "zh" else " "
    sentences = [(text, sides.good) for text in language.praise] + [(text, sides.bad) for text in language.blame]
    texts = _texts(context, "an opinion added", len(sentences))
    return [
        BehaviourTest(
            sentence,
            "added-opinion",
            [Case((text, f"{text}{blank}{sentence}"), Expectation("not fall", label)) for text in texts],
        )
        for sentence, label in sentences
    ]


def _changed(context: Context) -> list[BehaviourTest]:
    ways = _ways()
    tests = []
    texts = _texts(context, "slips and signs", len(ways))
    for name, change in ways.items():
        generator = context.generator(f"{FAMILY} {name}")
        changed = [(text, change(text, generator)) for text in texts]
        cases = [Case(pair, Expectation("stay")) for pair in changed if pair[0] != pair[1]]
        if cases:
            tests.append(BehaviourTest(name, "robustness", cases))
    if not tests:
        raise NotMeasurableError("none of the texts can be changed without changing what it says")
    return tests


def _ways() -> dict[str, Callable[[str, np.random.Generator], str]]:
    """What changes no meaning. Upper case, blanks and signs at the ends are for texts of any language."""
    strip = str.maketrans("", "", '.,;:!?…。，；：！？、"“”‘’()（）')
    return {
        "one typo": lambda text, generator: typo(text, generator),
        "two typos": lambda text, generator: typo(typo(text, generator), generator),
        "all in lower case": lambda text, generator: text.lower(),
        "all in upper case": lambda text, generator: text.upper(),
        "no punctuation": lambda text, generator: text.translate(strip),
        "signs at the end": lambda text, generator: text.rstrip() + " ...",
        "emoji at the end": lambda text, generator: text.rstrip() + " " + ("📅", "📍", "🕗", "📎")[int(generator.integers(4))],
        "look-alike signs (5 %)": lambda text, generator: noisy(text, EDITS["homoglyph"], 0.05, generator),
        "markup": lambda text, generator: f"<p>{text}</p><br />",
        "a link before it": lambda text, generator: f"https://example.org/{int(generator.integers(1000, 9999))} {text}",
        "blanks around it": lambda text, generator: f"  {text}\n\n",
    }


def _suite(context: Context) -> Measure:
    suite = context.suite
    assert suite is not None
    if not suite.tests:
        return _without("suite", f"none of the tests of {suite.name} can be used: {'; '.join(suite.left_out[:3])}")
    most = SUITE_CASES_QUICK if context.quick else SUITE_CASES
    generator = context.generator(f"{FAMILY} suite")
    tests = [thinned(test, most, SUITE_CHANGES, generator) for test in suite.tests]
    before, after = (sum(len(test.cases) for test in own) for own in (suite.tests, tests))
    if after < before:
        context.sampled.append(
            f"{FAMILY}: {after:,} of {before:,} cases of {suite.name}, each with at most {SUITE_CHANGES} changed texts"
        )
    notes = []
    if suite.left_out:
        notes = [
            f"{len(suite.left_out)} of {len(suite.left_out) + len(tests)} tests were not used: {'; '.join(suite.left_out)}"
        ]
    return _measure(context, "suite", tests, notes)


def _calls(context: Context) -> int:
    language = _LANGUAGES[context.language]
    texts = TEXTS_QUICK if context.quick else TEXTS
    own = _cases(context) * (len(language.sided) + 2 * len(language.directed) + 4 * len(language.swapped))
    suite = 0
    if context.suite is not None:
        most = SUITE_CASES_QUICK if context.quick else SUITE_CASES
        suite = sum(min(most, len(test.cases)) * 2 for test in context.suite.tests)
    return own + min(texts, len(context.report)) * 17 + suite


MEASURING = Measuring(
    FAMILY,
    "negation, comparison, time, irony, names, slips: what it should do",
    measure_behaviour,
    calls=_calls,
    needs_unseen=False,
)
