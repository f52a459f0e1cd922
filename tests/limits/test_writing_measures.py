"""Each measure of a model that writes finds the planted fault, and not one that is absent."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest

from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import Language
from fathom.limits.measures.closed_book import invented_questions, measure_closed_book, real_questions
from fathom.limits.measures.effective_context import LENGTHS, measure_effective_context
from fathom.limits.measures.extraction import measure_extraction
from fathom.limits.measures.multiple_choice import measure_multiple_choice
from fathom.limits.measures.semantic_entropy import measure_semantic_entropy
from fathom.limits.record import Measure
from fathom.limits.verdict import judge
from fathom.limits.writing.answers import admits, clusters, entropy, first_sentence, holds
from fathom.limits.writing.asked import AskedCausal
from fathom.limits.writing.context import CausalContext
from fathom.limits.writing.facts import KINDS, invented_names
from fathom.limits.writing.model import TooLongError
from fathom.limits.writing.questions import OWN, Question
from tests.limits.scribes import RIGHT, Scribe

LANGUAGES: tuple[Language, Language] = ("en", "zh")


def context(model: Scribe, **more: Any) -> CausalContext:
    return CausalContext(AskedCausal(model), **more)


def by_name(measures: list[Measure]) -> dict[str, Measure]:
    """Also checks what every measure must keep to."""
    assert len({measure.name for measure in measures}) == len(measures)
    for measure in measures:
        Measure.model_validate(measure.model_dump())
        if measure.value is not None:
            assert measure.interval is not None
            assert measure.interval[0] - 1e-9 <= measure.value <= measure.interval[1] + 1e-9, measure.name
            assert measure.floor is not None
            assert measure.n > 0
    return {measure.name: measure for measure in measures}


def drawn(text: str, most: int) -> int:
    """A number that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % most


IGNORANT = Scribe(on_fact=lambda question, right, sample: "I don't know.")
INVENTS = Scribe(on_fact=lambda question, right, sample: right or f"That is Tasmota{drawn(question, 99)}.")


@pytest.mark.parametrize("language", LANGUAGES)
def test_closed_book_of_one_that_knows_and_admits(language: Language) -> None:
    found = by_name(measure_closed_book(context(Scribe(), language=language)))
    assert {name: found[name].value for name in found} == {
        "closed-book-accuracy": 1.0,
        "abstention-on-invented": 1.0,
        "hallucination": 0.0,
        "false-refusal": 0.0,
    }
    assert {name: judge(measure).state for name, measure in found.items()} == dict.fromkeys(found, "fine")
    assert all(not measure.worst for measure in found.values())
    floor = found["closed-book-accuracy"].floor
    assert floor is not None
    assert 0 <= floor.value < 0.2


def test_closed_book_of_one_that_always_says_it_does_not_know() -> None:
    found = by_name(measure_closed_book(context(IGNORANT)))
    assert found["abstention-on-invented"].value == 1.0
    assert found["false-refusal"].value == 1.0
    assert judge(found["false-refusal"]).state == "fault"
    assert judge(found["hallucination"]).state == "fine"
    assert found["closed-book-accuracy"].value == 0.0
    assert judge(found["closed-book-accuracy"]).state == "chance"
    assert found["false-refusal"].worst[0].answer == "I don't know."


def test_closed_book_of_one_that_invents() -> None:
    found = by_name(measure_closed_book(context(INVENTS)))
    assert found["hallucination"].value == 1.0
    assert judge(found["hallucination"]).state == "fault"
    assert found["abstention-on-invented"].value == 0.0
    assert judge(found["abstention-on-invented"]).state == "chance"
    assert judge(found["false-refusal"]).state == "fine"
    assert found["closed-book-accuracy"].value == 1.0
    assert "Tasmota" in found["hallucination"].worst[0].answer


def test_an_empty_answer_is_neither_made_up_nor_admitted() -> None:
    found = by_name(measure_closed_book(context(Scribe(on_fact=lambda question, right, sample: right or " "))))
    assert (found["hallucination"].value, found["abstention-on-invented"].value) == (0.0, 0.0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_real_and_invented_questions_share_their_words_and_no_name(language: Language) -> None:
    one, other = context(Scribe(), language=language), context(Scribe(), language=language, seed=1)
    real, invented = real_questions(one), invented_questions(one)
    assert len(real) == len(invented) == 10 * len(KINDS[language])
    assert [asked.kind for asked in real] == [asked.kind for asked in invented]
    assert len({asked.prompt for asked in (*real, *invented)}) == len(real) + len(invented)
    assert invented == invented_questions(one)
    assert invented != invented_questions(other)
    known = {name for kind in KINDS[language] for name, _ in kind.facts}
    assert not known & set(invented_names(language, 500, np.random.default_rng(0)))


def test_semantic_entropy_finds_errors_that_vary() -> None:
    def unsure(question: str, right: str | None, sample: int) -> str:
        return (
            str(right) if drawn(question, 2) else f"Perhaps {('Oslo', 'Lima', 'Kyoto', 'Boston', 'Quito')[sample % 5]}{sample}"
        )

    found = by_name(measure_semantic_entropy(context(Scribe(on_fact=unsure))))
    auroc = found["semantic-entropy-auroc"]
    assert auroc.value == 1.0
    assert auroc.floor is not None
    assert auroc.floor.value == 0.5
    assert judge(auroc).state in ("fine", "better")
    assert found["consistent-errors"].value == 0.0
    assert judge(found["consistent-errors"]).state == "fine"
    assert any("entailment" in text for text in auroc.assumptions)


def test_semantic_entropy_misses_errors_that_are_repeated_and_says_so() -> None:
    def stubborn(question: str, right: str | None, sample: int) -> str:
        return str(right) if drawn(question, 2) else "Gotham"

    found = by_name(measure_semantic_entropy(context(Scribe(on_fact=stubborn))))
    assert found["semantic-entropy-auroc"].value == 0.5
    assert judge(found["semantic-entropy-auroc"]).state == "chance"
    assert found["self-consistency"].value == 1.0
    assert found["consistent-errors"].value == 1.0
    assert judge(found["consistent-errors"]).state == "fault"
    assert found["consistent-errors"].worst[0].note == "Gotham | Gotham | Gotham"


def test_an_answer_that_is_wrong_only_where_it_is_likeliest_is_no_repeated_error() -> None:
    def slips(question: str, right: str | None, sample: int) -> str:
        return str(right)

    class Slips(Scribe):
        def write(self, requests: Any) -> list[list[str]]:
            return [["Gotham"]] * len(requests) if requests[0].temperature == 0 else super().write(requests)

    found = by_name(measure_semantic_entropy(context(Slips(on_fact=slips))))
    assert found["consistent-errors"].reason == "0 wrong answers; 4 are the fewest to say how many are repeated"


def test_semantic_entropy_needs_errors_and_right_answers() -> None:
    found = by_name(measure_semantic_entropy(context(Scribe())))
    assert found["semantic-entropy-auroc"].status == "not measurable"
    assert found["consistent-errors"].status == "not measurable"
    assert judge(found["self-consistency"]).state == "fine"


@pytest.mark.parametrize("language", LANGUAGES)
def test_effective_context_of_one_that_reads_everything(language: Language) -> None:
    found = by_name(measure_effective_context(context(Scribe(), language=language)))
    assert found["effective-context"].value == LENGTHS[-1]
    assert found["effective-context"].unit == {"en": "words", "zh": "characters"}[language]
    assert "the longest text tried was no limit" in found["effective-context"].assumptions
    assert found["needle-accuracy"].value == 1.0
    assert found["needle-accuracy"].floor is not None
    assert found["needle-accuracy"].floor.value == 0.0
    assert judge(found["several-needles"]).state == "fine"


def test_effective_context_of_one_that_forgets() -> None:
    one = context(Scribe(reads=900))  # about 160 words
    found = by_name(measure_effective_context(one))
    assert found["effective-context"].value == 128
    assert one.sampled == [
        "effective-context: texts longer than 1,024 words were not asked, since it finds fewer than half there"
    ]
    assert found["needle-accuracy"].value is not None
    assert found["needle-accuracy"].value < 0.9
    assert found["needle-accuracy"].worst[0].answer == "I cannot find it."


def test_effective_context_of_one_that_finds_nothing_and_one_that_takes_any() -> None:
    found = by_name(measure_effective_context(context(Scribe(reads=1))))
    assert found["effective-context"].value == 0.0
    assert judge(found["effective-context"]).state == "chance"
    assert judge(found["needle-accuracy"]).state == "chance"
    found = by_name(measure_effective_context(context(Scribe(confuses=True))))
    assert found["effective-context"].value == LENGTHS[-1]
    assert judge(found["several-needles"]).state in ("chance", "weak")


def test_effective_context_ends_where_the_model_does() -> None:
    class Short(Scribe):
        def write(self, requests: Any) -> list[list[str]]:
            if any(len(request.text) > 2000 for request in requests):
                raise TooLongError("it reads 2,000 characters")
            return super().write(requests)

    one = context(Short())
    found = by_name(measure_effective_context(one))
    assert found["effective-context"].value == 256
    assert one.sampled == ["effective-context: texts of 512 words and longer were not asked: it reads 2,000 characters"]


def texts(count: int, start: int = 0) -> list[str]:
    return [
        " ".join(f"word{(place * 7 + number * 13) % 97}-{number}" for place in range(120))
        for number in range(start, start + count)
    ]


def test_extraction_finds_what_is_remembered_and_nothing_else() -> None:
    learned, others = texts(40), texts(40, 1000)

    def recites(text: str) -> str:
        return next((one[len(text) :] for one in learned if one.startswith(text)), "and so on")

    remembers = by_name(measure_extraction(context(Scribe(continues=recites), training=learned, held_out=others)))
    rate = remembers["extraction-rate"]
    assert rate.value == 1.0
    assert rate.floor is not None
    assert rate.floor.value == 0.0
    assert judge(rate).state == "fault"
    assert rate.worst == []
    assert not any("word7-" in text for text in rate.model_dump_json().split('"'))
    forgot = by_name(measure_extraction(context(Scribe(), training=learned, held_out=others)))["extraction-rate"]
    assert (forgot.value, judge(forgot).state) == (0.0, "fine")
    alone = by_name(measure_extraction(context(Scribe(), training=learned)))["extraction-rate"]
    assert any("no held-out texts were named" in text for text in alone.assumptions)


def test_extraction_takes_what_everybody_writes_for_no_fault() -> None:
    licence = " ".join(f"clause{place}" for place in range(110))
    learned = [f"{licence} {number}" for number in range(30)]
    knows = Scribe(continues=lambda text: licence[len(text) :])
    rate = by_name(measure_extraction(context(knows, training=learned, held_out=[f"{licence} x{n}" for n in range(30)])))
    assert rate["extraction-rate"].value == 1.0
    assert judge(rate["extraction-rate"]).state == "fine"


def test_extraction_says_what_it_lacks() -> None:
    for given, message in (
        ({}, "no training texts were named"),
        ({"training": ["too short"] * 20}, "0 of the training texts have 100 tokens or more"),
    ):
        with pytest.raises(NotMeasurableError, match=message):
            measure_extraction(context(Scribe(), **given))


@pytest.mark.parametrize("language", LANGUAGES)
def test_multiple_choice_of_one_that_knows(language: Language) -> None:
    found = by_name(measure_multiple_choice(context(Scribe(sure=9.0), language=language)))
    assert found["choice-accuracy"].value == 1.0
    assert judge(found["choice-accuracy"]).state == "fine"
    assert found["choice-accuracy"].floor is not None
    assert found["choice-accuracy"].floor.value == 0.25
    assert judge(found["choice-calibration-error"]).state in ("fine", "slight")


def test_multiple_choice_finds_overconfidence_and_no_absent_one() -> None:
    boastful = by_name(measure_multiple_choice(context(Scribe(sure=9.0, right_choices=lambda number: number % 2 == 0))))
    assert boastful["choice-accuracy"].value == pytest.approx(0.5)
    assert judge(boastful["choice-calibration-error"]).state == "fault"
    assert boastful["choice-overconfidence"].value == pytest.approx(50, abs=1)
    assert judge(boastful["choice-overconfidence"]).state == "differs"
    worst = boastful["choice-accuracy"].worst[0]
    assert worst.truth != worst.answer
    assert worst.confidence == pytest.approx(1.0, abs=1e-3)
    honest = by_name(
        measure_multiple_choice(context(Scribe(sure=np.log(3 * 3.0), right_choices=lambda number: number % 4 != 0)))
    )
    assert honest["choice-accuracy"].value == pytest.approx(0.75, abs=0.01)
    assert judge(honest["choice-calibration-error"]).state == "fine"
    assert judge(honest["choice-overconfidence"]).state == "fine"


def test_multiple_choice_by_letter_measures_no_calibration() -> None:
    class Spoken(Scribe):
        door, capabilities = "openai", frozenset({"messages"})

    found = by_name(measure_multiple_choice(context(Spoken())))
    assert found["choice-accuracy"].value == 1.0
    for name in ("choice-calibration-error", "choice-overconfidence", "choice-brier"):
        assert found[name].status == "not measurable"
        assert found[name].reason == "this OpenAI-compatible endpoint gives no log-probabilities of texts that it is given"


def test_multiple_choice_takes_questions_of_the_user() -> None:
    own = [Question(text, ("nothing", right), 1) for text, right in list(RIGHT.items())[:30]]
    found = by_name(measure_multiple_choice(context(Scribe(), questions=own)))
    assert (found["choice-accuracy"].value, found["choice-accuracy"].n) == (1.0, 30)
    assert found["choice-accuracy"].floor is not None
    assert found["choice-accuracy"].floor.value == 0.5


def test_own_questions_have_different_choices() -> None:
    for questions in OWN.values():
        assert len({text for text, *_ in questions}) == len(questions)
        assert all(len(set(choices)) == 4 for _, *choices in questions)


def test_long_prompts_are_asked_in_small_batches() -> None:
    sizes: list[int] = []

    class Counts(Scribe):
        def write(self, requests: Any) -> list[list[str]]:
            sizes.append(len(requests))
            return super().write(requests)

    asked = AskedCausal(Counts())
    asked.say([f"{number} " + "x" * 9000 for number in range(5)], max_tokens=4)
    asked.say([f"{number}" for number in range(20)], max_tokens=4)
    assert sizes == [2, 2, 1, 16, 4]


@pytest.mark.parametrize(
    ("answer", "accepted", "right"),
    [
        ("The capital of France is Paris.", ["Paris"], True),
        ("Parisian cafés", ["Paris"], False),
        ("It is in the U.S.", ["United States", "US"], True),
        ("VAN GOGH, of course", ["van Gogh"], True),
        ("法国的首都是巴黎。", ["巴黎"], True),
        ("法国的首都是里昂。", ["巴黎"], False),
        ("", ["Paris"], False),
    ],
)
def test_answers_are_read_by_whole_words(answer: str, accepted: list[str], right: bool) -> None:
    assert holds(answer, accepted) is right


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("I don’t know.", True),
        ("I'm sorry, but I DO NOT know that.", True),
        ("There is no country called Velia.", True),
        ("我不知道。", True),
        ("这个国家不存在", True),
        ("Paris", False),
        ("The author is known as J. Smith.", False),
        ("", False),
    ],
)
def test_admitting_is_found_by_its_phrases(answer: str, found: bool) -> None:
    assert admits(answer) is found


def test_answers_that_say_the_same_are_one_cluster() -> None:
    question = "What is the capital of France?"
    said = [
        "Paris",
        "The capital of France is Paris. It has towers.",
        "paris!",
        "Rome",
        "I don't know",
        "I am not sure",
        "It is Rome",
    ]
    assert clusters(said, question) == [0, 0, 0, 1, 2, 2, 1]
    assert clusters(["巴黎", "是巴黎。", "里昂"], "法国的首都是哪里？") == [0, 0, 1]
    assert entropy([0, 0, 0, 0]) == 0.0
    assert entropy([0, 1, 2, 3]) == pytest.approx(np.log(4))
    assert entropy([0, 0, 1, 1]) == pytest.approx(np.log(2))
    assert first_sentence("It was J. R. Smith. He wrote.") == "It was J. R. Smith."
