"""Templates and suites: what is planted is found, what is absent is not."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from fathom.limits.behaviour.chinese import CHINESE
from fathom.limits.behaviour.english import ENGLISH
from fathom.limits.behaviour.wording import Language, directed_test, fill, sided_test, swapped_test
from fathom.limits.measures.behaviour import measure_behaviour
from fathom.limits.polarity import Polarity
from fathom.limits.record import Measure, RatesDetail
from tests.limits.made import Ruled, by_name, context_of

BOTH = [ENGLISH, CHINESE]
TEXTS = [f"The {number}th letter, written with Patience, was read to all of them." for number in range(30)]


def measured(rule: Callable[[str], float], language: str = "en", **more: object) -> dict[str, Measure]:
    context = context_of(Ruled(rule), TEXTS, [number % 2 for number in range(30)], language=language, quick=True, **more)
    return by_name(measure_behaviour(context))


def rate(measure: Measure, test: str) -> float:
    assert isinstance(measure.detail, RatesDetail)
    return next(found.value for found in measure.detail.rates if found.name == test)


@pytest.mark.parametrize("language", BOTH, ids=["en", "zh"])
def test_every_slot_has_words_and_every_sentence_is_whole(language: Language) -> None:
    assert all(len(set(words)) == len(words) for words in language.words.values())
    sentences = [text for t in language.sided for text in (t.praise, t.blame)]
    sentences += [text for t in language.directed for text in (*t.praise, *t.blame)]
    sentences += [text for t in language.swapped for text in t.sentences]
    for sentence in sentences:
        for seed in range(5):
            text = fill(sentence, language.words, np.random.default_rng(seed))
            assert "{" not in text
            assert not re.search(r"\b[Aa] [aeiou]", text), text
            assert text[0] == text[0].upper()
    assert len({(t.capability, t.name) for t in language.sided}) == len(language.sided)


@pytest.mark.parametrize("language", BOTH, ids=["en", "zh"])
def test_praise_and_blame_are_balanced(language: Language) -> None:
    for template in language.sided:
        assert template.praise != template.blame
        test = sided_test(template, language.words, Polarity(1, 0, None), 24, np.random.default_rng(1))
        praised = sum((case.expectation.label == 1) == (case.expectation.must == "be") for case in test.cases)
        assert abs(2 * praised - len(test.cases)) <= 12
        assert len(set(test.cases)) == len(test.cases)


def test_a_neutral_answer_to_not_bad_is_right_where_there_is_a_neutral_label() -> None:
    template = next(t for t in ENGLISH.sided if t.name == "was not")
    test = sided_test(template, ENGLISH.words, Polarity(2, 0, 1), 24, np.random.default_rng(0))
    musts = {(case.expectation.must, case.expectation.label) for case in test.cases}
    assert musts == {("not be", 0), ("be", 0)}


def reader(language: Language) -> Callable[[str], float]:
    """One that knows every sentence that can be made."""
    slots = {slot: "(?:" + "|".join(map(re.escape, words)) + ")" for slot, words in language.words.items()}

    def pattern(sentences: list[str]) -> re.Pattern[str]:
        made = []
        for sentence in sentences:
            parts = re.split(r"\{(\w+)\}", re.sub(r"\b([Aa]) (?=\{)", r"\1~ ", sentence))
            whole = [slots[part.rstrip("2")] if place % 2 else re.escape(part) for place, part in enumerate(parts)]
            made.append("".join(whole).replace("\\~", "~").replace("~", "n?"))
        return re.compile("|".join(f"(?:{one})" for one in made), re.IGNORECASE)

    praise, blame = pattern([t.praise for t in language.sided]), pattern([t.blame for t in language.sided])

    def good(text: str) -> float:
        if bool(praise.fullmatch(text)) == bool(blame.fullmatch(text)):
            return 0.5
        return 1.0 if praise.fullmatch(text) else 0.0

    return good


@pytest.mark.parametrize("name", ["en", "zh"])
def test_one_that_reads_everything_passes_everything(name: str) -> None:
    language = ENGLISH if name == "en" else CHINESE
    found = measured(reader(language), name)
    for capability in dict.fromkeys(template.capability for template in language.sided):
        measure = found[f"behaviour-{capability}"]
        assert measure.value == 1.0, capability
        assert not measure.worst
        assert measure.interval is not None
        assert measure.interval[0] < 1


@pytest.mark.parametrize("name", ["en", "zh"])
def test_one_that_always_says_the_same_passes_half_and_never_moves(name: str) -> None:
    found = measured(lambda text: 0.9, name)
    for measure in found.values():
        assert measure.value is not None
        moves = {"behaviour-intensity", "behaviour-added-opinion", "behaviour-entities", "behaviour-robustness"}
        if measure.name in moves:
            assert measure.value == 1.0, measure.name
        else:
            assert measure.value == pytest.approx(0.5, abs=0.12), measure.name
            assert measure.floor is not None
            assert measure.floor.value == pytest.approx(0.5)


def counting(text: str) -> float:
    """Counts words of praise and blame, and reads nothing else."""
    words = ENGLISH.words
    praise = sum(word in text.lower() for word in (*words["good"], *words["nice"], *words["love"]))
    blame = sum(word in text.lower() for word in (*words["bad"], *words["poor"], *words["hate"]))
    return 0.5 if praise == blame else 0.95 if praise > blame else 0.05


def test_a_counter_of_words_knows_plain_sentences_and_fails_at_not() -> None:
    found = measured(counting)
    plain, negation = found["behaviour-vocabulary"], found["behaviour-negation"]
    assert plain.value == 1.0
    assert negation.interval is not None
    assert negation.interval[0] < 0.3
    assert negation.value == pytest.approx(3 / 13, abs=0.05)
    for test in ("was not", "not, many words before (distant)", "I do not think that (scope)"):
        assert rate(negation, test) == 0.0
    for test in ("not only … but also", "it is not true that … not (double)"):
        assert rate(negation, test) == 1.0
    assert negation.worst[0].confidence == pytest.approx(0.95)
    assert "should" in str(negation.worst[0].note)
    assert found["behaviour-sarcasm"].value == pytest.approx(0.6, abs=0.15)


def test_one_that_hears_very_as_a_denial_fails_where_more_is_said_only() -> None:
    def rule(text: str) -> float:
        good = counting(text)
        return 0.5 + (good - 0.5) * (0.2 if "really" in text or "truly" in text or "!" in text else 0.9)

    found = measured(rule)["behaviour-intensity"]
    assert rate(found, "really") == rate(found, "!!!") == 0.0
    assert rate(found, "said twice") == rate(found, "perhaps") == 1.0
    louder = measured(lambda text: 0.5 + (counting(text) - 0.5) * (1.0 if "perhaps" in text else 0.5))
    assert rate(louder["behaviour-intensity"], "perhaps") == 0.0
    against = measured(lambda text: 0.1 if "loved" in text else 0.5)["behaviour-added-opinion"]
    assert rate(against, "I loved it.") == 0.0
    assert rate(against, "I hated it.") == 1.0


def test_one_that_decides_by_a_name_is_found_by_names_alone() -> None:
    found = measured(lambda text: 0.9 if any(name in text for name in ENGLISH.words["name"][:6]) else 0.1)["behaviour-entities"]
    assert rate(found, "names of persons") < 0.8
    for test in ("names of places", "titles", "numbers", "days"):
        assert rate(found, test) == 1.0
    assert all("names of persons" in str(example.note) for example in found.worst)
    assert all(example.changed for example in found.worst)


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        (lambda text: float(text.isupper()), {"all in upper case"}),
        (lambda text: float("<" in text), {"markup"}),
        (lambda text: float("http" in text), {"a link before it"}),
        (lambda text: float("," not in text), {"no punctuation"}),
        (lambda text: float(text.isascii()), {"emoji at the end", "look-alike signs (5 %)"}),
    ],
)
def test_each_slip_is_found_where_it_is_planted(rule: Callable[[str], float], broken: set[str]) -> None:
    found = measured(rule)["behaviour-robustness"]
    assert isinstance(found.detail, RatesDetail)
    assert {test.name for test in found.detail.rates if test.value < 0.9} == broken


def test_direction_has_a_tolerance_and_no_side_is_forced_by_neutral() -> None:
    template = ENGLISH.directed[0]
    test = directed_test(template, ENGLISH.words, Polarity(1, 0, None), 8, np.random.default_rng(0))
    assert {case.expectation.must for case in test.cases} == {"not fall"}
    assert {case.expectation.label for case in test.cases} == {0, 1}
    swapped = swapped_test(ENGLISH.swapped[0], ENGLISH.words, 8, np.random.default_rng(0))
    for case in swapped.cases:
        before, after = (text.split() for text in case.texts)
        assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


def test_labels_without_sides_leave_what_needs_none() -> None:
    classifier = Ruled(lambda text: 0.9, ["sport", "news"])
    found = by_name(measure_behaviour(context_of(classifier, TEXTS, [0, 1] * 15, quick=True)))
    assert found["behaviour-negation"].status == "not measurable"
    assert "--positive" in str(found["behaviour-negation"].reason)
    assert found["behaviour-robustness"].value == found["behaviour-entities"].value == 1.0
    named = by_name(measure_behaviour(context_of(classifier, TEXTS, [0, 1] * 15, quick=True, positive="news")))
    assert named["behaviour-negation"].value == pytest.approx(0.5, abs=0.12)


def test_texts_that_were_trained_on_are_said() -> None:
    class All:
        def __contains__(self, example: object) -> bool:
            return True

    found = by_name(measure_behaviour(context_of(Ruled(lambda text: 0.9), TEXTS, [0, 1] * 15, quick=True, seen=All())))
    assert any("30 of the 30 texts" in note for note in found["behaviour-robustness"].assumptions)
