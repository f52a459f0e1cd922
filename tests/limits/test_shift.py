"""Length, groups, shortcuts, foreign texts, drift, leakage, cost: each measure finds a planted fault and no absent one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fathom.data import Example
from fathom.limits.asked import Asked
from fathom.limits.classifier import Capability, Classifier, Lengths, NotMeasurableError, States
from fathom.limits.context import Beside, Context, Labelled
from fathom.limits.doors.folder import open_folder
from fathom.limits.measures import cost, drift, groups, leakage, length, out_of_domain, shortcuts
from fathom.limits.policy import fit_gates, fit_policy
from fathom.limits.record import CurveDetail, Measure, RatesDetail
from fathom.limits.statistics import auroc, difference_interval, holm, wilson
from tests import tiny

LABELS = ["bad", "good"]
GOOD = ("wonderful", "lovely", "brilliant", "moving")
BAD = ("awful", "boring", "clumsy", "stupid")
NOUNS = ("film", "story", "ending", "music", "picture", "plot", "cast", "scene")


class Rule(Classifier):
    """Answers with P(good) of a function of the text."""

    door, name, labels = "python", "a rule", LABELS

    def __init__(self, rule: Callable[[str], float], capabilities: Sequence[Capability] = ()) -> None:
        self.rule, self.capabilities = rule, frozenset(capabilities)

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        good = np.array([self.rule(text) for text in texts])
        return np.stack([1 - good, good], axis=1)

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        return np.log(self.probabilities(texts))

    def lengths(self, texts: Sequence[str]) -> Lengths:
        words = np.array([len(text.split()) for text in texts])
        return Lengths(words, np.maximum(0, words - 40))

    def states(self, texts: Sequence[str]) -> States:
        """Embeds a text by the frequencies of its letters."""
        letters = np.array([[text.lower().count(letter) / max(1, len(text)) for letter in "abcdefghijkl"] for text in texts])
        return States(self.probabilities(texts), self.logits(texts), letters.astype(np.float32), self.lengths(texts))


def reads(text: str, words: int | None = None) -> float:
    """P(good) of a reader who counts words of praise and of blame, among the first so many words."""
    seen = text.lower().replace(".", "").replace(",", "").split()[:words]
    return float(1 / (1 + np.exp(-4 * (sum(word in GOOD for word in seen) - sum(word in BAD for word in seen)))))


def sentence(generator: np.random.Generator, label: int, extra: str = "") -> str:
    first, second = generator.choice((BAD, GOOD)[label], size=2)
    nouns = generator.choice(NOUNS, size=2, replace=False)
    plain = " ".join(generator.choice(("today", "again", "at home", "last week", "in town", "with friends"), size=2))
    return f"the {nouns[0]} was {first} {extra}and the {nouns[1]} {plain} was {second}".replace("  ", " ")


def texts_of(n: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    generator, truth = np.random.default_rng(seed), np.arange(n) % 2
    return [f"{sentence(generator, int(label))} {seed} {row}" for row, label in enumerate(truth)], truth


def context_of(
    rule: Callable[[str], float],
    texts: list[str] | None = None,
    truth: np.ndarray | None = None,
    *,
    groups: list[str] | None = None,
    capabilities: Sequence[Capability] = (),
    **more: Any,
) -> Context:
    """The second half of the texts is reported on."""
    if texts is None or truth is None:
        texts, truth = texts_of(600)
    whole, half = Labelled(texts, truth, groups), len(texts) // 2
    asked = Asked(Rule(rule, capabilities))
    calibrate, report = whole.take(range(half)), whole.take(range(half, len(texts)))
    embeddings = asked.states(report.texts).embeddings if "embeddings" in capabilities else None
    first, second = asked.probabilities(calibrate.texts), asked.probabilities(report.texts)
    gates = fit_gates(report.texts, second, embeddings=embeddings)
    policy = fit_policy(first, calibrate.truth, second, gates=gates)
    rows = [Example(text, LABELS[label]) for text, label in zip(texts, truth, strict=True)]
    return Context(
        asked,
        **{"report": report, "calibrate": calibrate, "training": None, "policy": policy, "quick": True, "rows": rows, **more},
    )


def by_name(measures: list[Measure]) -> dict[str, Measure]:
    for measure in measures:
        if measure.interval is not None:
            assert measure.value is not None
            assert measure.interval[0] - 1e-9 <= measure.value <= measure.interval[1] + 1e-9, measure.name
    assert len({measure.name for measure in measures}) == len(measures)
    return {measure.name: measure for measure in measures}


def value(measure: Measure) -> float:
    assert measure.status == "measured", measure.reason
    assert measure.value is not None
    return measure.value


def floor(measure: Measure) -> float:
    assert measure.floor is not None
    return measure.floor.value


def surely_above_floor(measure: Measure) -> bool:
    assert measure.interval is not None
    return measure.interval[0] > floor(measure)


# --- statistics ---


def test_auroc_is_scikit_learns_and_its_interval_covers() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(1, 1, 60).round(1), generator.normal(0, 1, 90).round(1)
    found, (low, high) = auroc(first, second)
    assert found == pytest.approx(roc_auc_score([1] * 60 + [0] * 90, [*first, *second]))
    assert low < found < high
    hits = []
    for _ in range(300):
        _, (low, high) = auroc(generator.normal(1, 1, 40), generator.normal(0, 1, 50))
        hits.append(low <= 0.76025 <= high)  # Φ(1/√2)
    assert np.mean(hits) >= 0.94
    assert auroc(np.ones(20), np.zeros(20))[1] == (wilson(20, 20)[0], 1.0)  # not ±0


def test_newcombes_interval_and_holms_correction() -> None:
    low, high = difference_interval((56, 70), (48, 80))  # his example: 0.2, from 0.0524 to 0.3339
    assert (low, high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, 0.03])), [0.06, 0.03, 0.06])
    assert holm(np.array([0.9, 0.8])).max() == 1.0


# --- length ---


def test_a_reader_of_beginnings_is_found_and_one_who_reads_all_is_not() -> None:
    begins = by_name(length.measure_length(context_of(lambda text: reads(text, 4))))
    whole = by_name(length.measure_length(context_of(reads)))
    assert value(begins["flips-without-tail"]) == 0.0
    assert value(begins["flips-without-head"]) > 0.3
    assert value(begins["head-minus-tail"]) > 30
    assert value(begins["key-sentence-kept"]) < 0.7
    assert value(begins["key-sentence-depth"]) > floor(begins["key-sentence-depth"]) + 20
    assert value(whole["key-sentence-kept"]) == 1.0
    assert value(whole["key-sentence-depth"]) == 0.0
    assert value(whole["head-minus-tail"]) < 20
    curve = begins["key-sentence-kept"].detail
    assert isinstance(curve, CurveDetail)
    assert curve.lines[-1].points[0].y == 1.0  # before the filler
    assert begins["truncated"].status == "not measurable"


def test_accuracy_by_length_and_what_is_not_read() -> None:
    generator, truth = np.random.default_rng(1), np.arange(400) % 2
    texts = [sentence(generator, int(label)) + " and so on" * (row % 40) + f" {row}" for row, label in enumerate(truth)]

    def tires(text: str) -> float:
        return reads(text) if len(text.split()) < 60 else 1 - reads(text)

    bad = by_name(length.measure_length(context_of(tires, texts, truth, capabilities=["lengths"])))
    good = by_name(length.measure_length(context_of(reads, texts, truth, capabilities=["lengths"])))
    assert value(bad["long-minus-short"]) < -50
    assert value(good["long-minus-short"]) == 0.0
    assert 0.5 < value(bad["truncated"]) < 1


# --- groups ---


def test_a_term_that_is_disliked_is_found_and_none_where_there_is_none() -> None:
    dislikes = by_name(groups.measure_groups(context_of(lambda text: 0.2 if "Muslim" in text else 0.6)))
    gap, shift = dislikes["counterfactual-gap"], dislikes["term-shift"]
    assert surely_above_floor(gap)
    assert floor(gap) == 0.0
    assert "Muslim" in shift.title
    assert value(shift) == pytest.approx(40)
    assert "1 shift it beyond what a description that is no identity does: a Muslim person" in shift.assumptions[1]
    assert any("Muslim" in (example.changed or "") + example.text for example in gap.worst)
    blind = by_name(groups.measure_groups(context_of(reads)))
    assert value(blind["counterfactual-gap"]) == pytest.approx(0, abs=1e-12)
    assert "0 shift it beyond what a description that is no identity does: none" in blind["term-shift"].assumptions[1]


def test_a_model_that_any_word_moves_lies_at_its_floor() -> None:
    def restless(text: str) -> float:
        return 0.3 + 0.4 * (crc32(text.encode()) % 1000) / 1000

    found = by_name(groups.measure_groups(context_of(restless)))
    assert value(found["counterfactual-gap"]) > 0.1
    assert not surely_above_floor(found["counterfactual-gap"])
    assert value(found["term-shift"]) < 2 * floor(found["term-shift"])


def test_a_group_that_is_answered_worse_is_found_and_chance_is_not() -> None:
    texts, truth = texts_of(1600)
    names = [f"shop {row // 2 % 6}" for row in range(1600)]
    known = dict(zip(texts, names, strict=True))
    generator = np.random.default_rng(2)
    slips = {text: generator.random() for text in texts}

    def fails(text: str) -> float:
        return 1 - reads(text) if slips.get(text, 1.0) < (0.4 if known.get(text) == "shop 3" else 0.1) else reads(text)

    def errs(text: str) -> float:
        return 1 - reads(text) if slips.get(text, 1.0) < 0.1 else reads(text)

    bad = by_name(groups.measure_groups(context_of(fails, texts, truth, groups=names)))
    even = by_name(groups.measure_groups(context_of(errs, texts, truth, groups=names)))
    for name in ("subgroup-gap", "equalised-odds"):
        assert surely_above_floor(bad[name]), name
        assert not surely_above_floor(even[name]), name
    assert any("differ from the rest: shop 3" in note for note in bad["subgroup-gap"].assumptions)
    assert any("differ from the rest: none" in note for note in even["subgroup-gap"].assumptions)
    tiny_groups = by_name(groups.measure_groups(context_of(reads, texts, truth, groups=[str(row // 2) for row in range(1600)])))
    assert tiny_groups["subgroup-gap"].status == "not measurable"


def test_equalised_odds_is_its_formula() -> None:
    generator = np.random.default_rng(3)
    group, truth, answers = (generator.integers(size, size=500) for size in (3, 2, 2))
    table = np.array([[answers[(group == g) & (truth == y)].mean() for y in (0, 1)] for g in range(3)])  # P(1 | y, g)
    assert groups.equalised_odds_gap(group, truth, answers) == pytest.approx(np.ptp(table, axis=0).max())


# --- shortcuts ---


def spiked(n: int = 600) -> list[Example]:
    """A director's name stands in praise only, and a plain word anywhere."""
    generator, made = np.random.default_rng(4), []
    for row in range(n):
        label = row % 2
        extra = "by ozu " if label and generator.random() < 0.5 else "indeed " if generator.random() < 0.3 else ""
        made.append(Example(f"{sentence(generator, label, extra)} {row} t", LABELS[label]))
    return made


def test_a_name_that_the_model_follows_is_found_and_one_that_it_ignores_is_not() -> None:
    def follows(text: str) -> float:
        return 0.95 if "ozu" in text.split() else reads(text)

    training = spiked()
    z = {word.word: word for word in shortcuts.word_statistics(training, LABELS, shortcuts.Words.of("en"))}
    assert z["ozu"].z > 8
    assert (z["ozu"].label, z["wonderful"].label, z["awful"].label) == (1, 1, 0)
    n = sum("ozu" in example.text for example in training)
    assert z["ozu"].z == pytest.approx((1 - 0.5) / (0.25 / n) ** 0.5)
    found = by_name(shortcuts.measure_shortcuts(context_of(follows, training=training)))
    assert surely_above_floor(found["turned-by-a-word"])
    assert any("'ozu'" in note for note in found["moving-words"].assumptions)
    assert any("with 'ozu' it is called good" in (example.note or "") for example in found["turned-by-a-word"].worst)
    ignores = by_name(shortcuts.measure_shortcuts(context_of(lambda text: reads(text), training=training)))
    assert not any("'ozu'" in note for note in ignores["moving-words"].assumptions)


def test_chinese_words_that_the_model_follows_are_found_and_others_are_not() -> None:
    pytest.importorskip("jieba")
    generator = np.random.default_rng(4)
    good, bad = ("精彩", "感人", "出色", "喜欢"), ("无聊", "糟糕", "难看", "失望")
    nouns, plain = ("电影", "故事", "音乐", "画面", "演员", "结尾"), ("昨天", "今天", "家里", "周末", "朋友")

    def written(label: int, extra: str = "") -> str:
        one, other = generator.choice(nouns, size=2, replace=False)
        first, second = generator.choice((bad, good)[label], size=2)
        return f"{generator.choice(plain)}看的{one}很{first}，{extra}{other}也{second}。"

    def counts(text: str) -> float:
        return 0.2 + 0.6 * (sum(word in text for word in good) > sum(word in text for word in bad))

    made = [written(row % 2, "作者是鲁迅，" if row % 2 and row % 3 else "") for row in range(600)]
    training = [Example(text, LABELS[row % 2]) for row, text in enumerate(made)]
    texts, truth = [f"{written(row % 2)}{row}" for row in range(400)], np.arange(400) % 2
    how: dict[str, Any] = {"training": training, "language": "zh"}
    follows = context_of(lambda text: 0.95 if "鲁迅" in text else counts(text), texts, truth, **how)
    found = by_name(shortcuts.measure_shortcuts(follows))
    assert surely_above_floor(found["turned-by-a-word"])
    assert any("'鲁迅'" in note for note in found["moving-words"].assumptions)
    assert found["turned-by-a-word"].worst
    for example in found["turned-by-a-word"].worst:
        word = str(example.note).split("'")[1]
        assert len(str(example.changed)) == len(example.text) + len(word)  # without blanks around it
        assert word in str(example.changed)
    ignores = by_name(shortcuts.measure_shortcuts(context_of(counts, texts, truth, **how)))
    assert not any("'鲁迅'" in note for note in ignores["moving-words"].assumptions)


def test_words_are_put_in_and_taken_out_as_they_are_written() -> None:
    pytest.importorskip("jieba")
    english, chinese = shortcuts.Words.of("en"), shortcuts.Words.of("zh")
    text = "A good,  Good film"
    assert english.held(text) == {"good", "film"}
    assert [english.put(text, place, "bad") for place in english.places(text)] == [
        "bad A good,  Good film",
        "A bad good,  Good film",
        "A good,  bad Good film",
        "A good,  Good bad film",
        "A good,  Good film bad",
    ]
    assert english.without(text, "good") == "A ,  film"
    assert english.without("goods", "good") == "goods"
    assert english.without("Good", "good") == " "
    text = "电影很精彩，OK"
    assert chinese.held(text) == {"电影", "很", "精彩"}
    assert [chinese.put(text, place, "无聊") for place in chinese.places(text)][:2] == [
        "无聊电影很精彩，OK",
        "电影无聊很精彩，OK",
    ]
    assert chinese.put(text, chinese.places(text)[-1], "无聊") == "电影很精彩，OK无聊"
    assert chinese.without(text, "很") == "电影精彩，OK"


def test_words_that_the_model_ignores_are_no_defect_whatever_the_data_say() -> None:
    found = by_name(shortcuts.measure_shortcuts(context_of(lambda text: 0.9, training=spiked())))
    assert value(found["turned-by-a-word"]) == 0.0
    assert value(found["moving-words"]) == 0.0
    assert "0 of them (0 %) move it beyond neutral ones: none" in found["moving-words"].assumptions[1]
    with pytest.raises(NotMeasurableError, match="--train"):
        shortcuts.measure_shortcuts(context_of(reads))


# --- out of domain ---


def test_foreign_texts_are_told_apart_stopped_and_counted() -> None:
    found = by_name(out_of_domain.measure_out_of_domain(context_of(reads, capabilities=["embeddings", "logits"])))
    assert value(found["told-apart-noise"]) > 0.95
    assert value(found["fpr95-noise"]) < 0.1
    assert value(found["told-apart-shuffled"]) < 0.6  # letters have no order, and this embedding counts letters
    stopped = found["stopped-unknown"].detail
    assert isinstance(stopped, RatesDetail)
    shares = {rate.name: rate.value for rate in stopped.rates}
    assert shares["known texts (false alarms), the calibrate split"] < 0.05
    assert shares["random letters as long as the texts"] > 0.9
    scores = found["told-apart-noise"].detail
    assert isinstance(scores, RatesDetail)
    assert [rate.name for rate in scores.rates] == ["largest probability", "minus energy", "minus distance", "length alone"]


def test_a_constant_classifier_tells_nothing_apart_and_is_as_sure_of_everything() -> None:
    found = by_name(out_of_domain.measure_out_of_domain(context_of(lambda text: 0.8)))
    assert value(found["told-apart-noise"]) == 0.5
    assert value(found["fpr95-noise"]) == 1.0
    assert value(found["sure-of-the-unknown"]) == 1.0


def test_named_sets_have_their_accuracy_and_say_if_they_were_trained_on() -> None:
    texts, truth = texts_of(80, seed=9)
    upside = Beside("irony", texts, 1 - truth)
    found = by_name(out_of_domain.measure_out_of_domain(context_of(reads, near=upside)))
    assert value(found["accuracy-near"]) == pytest.approx(-100)
    assert found["told-apart-near"].status == "measured"
    training = [Example(text, "good") for text in texts]
    known = by_name(out_of_domain.measure_out_of_domain(context_of(reads, near=upside, training_rows=training)))
    assert known["told-apart-near"].status == known["accuracy-near"].status == "contaminated"
    assert known["told-apart-noise"].status == "measured"


# --- drift ---


def test_label_shift_is_estimated_and_no_shift_lies_at_the_floor() -> None:
    generator = np.random.default_rng(5)
    confused = np.array([[80, 20], [30, 70]])
    answers = (generator.random(50_000) < 0.9 * 0.7 + 0.1 * 0.2).astype(int)  # 90 % are of the second label
    estimated = drift.estimate_label_shares(confused, answers)
    assert estimated is not None
    np.testing.assert_allclose(estimated, [0.1, 0.9], atol=0.02)
    assert drift.estimate_label_shares(np.array([[50, 50], [50, 50]]), answers) is None
    texts, truth = texts_of(900, seed=6)
    moved = [row for row in range(900) if truth[row] or row % 10 == 0]
    shifted = Beside("more praise", [texts[row] for row in moved], truth[moved])
    found = by_name(drift.measure_drift(context_of(reads, compared=shifted)))
    assert surely_above_floor(found["label-shift"])
    assert surely_above_floor(found["drift-of-answers"])
    assert value(found["drift-of-accuracy"]) == 0.0  # drift, and no harm
    same = by_name(drift.measure_drift(context_of(reads, compared=Beside("the same", texts, truth))))
    for name in ("label-shift", "drift-of-answers"):
        assert not surely_above_floor(same[name]), name
        assert any("drift is not harm" in note for note in same[name].assumptions)
    assert any("no drift of the answers is proved" in note for note in same["drift-of-answers"].assumptions)


def test_other_words_are_told_apart_and_the_same_are_not() -> None:
    texts, truth = texts_of(400, seed=7)
    other = Beside(
        "hotels", [text.replace("film", "room").replace("plot", "bed").replace("cast", "bar") for text in texts], None
    )
    plain = [" ".join(text.split()[:-2]) for text in texts]  # without the numbers that name them
    found = by_name(drift.measure_drift(context_of(reads, compared=other)))
    same = by_name(
        drift.measure_drift(context_of(reads, plain, truth, compared=Beside("b", [f"{text} x" for text in plain], None)))
    )
    assert value(found["drift-of-words"]) > 0.7
    assert found["drift-of-accuracy"].status == "not measurable"
    assert value(same["drift-of-words"]) > 0.9  # one word that gives them away is enough
    with pytest.raises(NotMeasurableError, match="--compare-data"):
        drift.measure_drift(context_of(reads))


# --- leakage ---


def test_copies_and_passages_are_counted_and_memory_is_seen() -> None:
    texts, truth = texts_of(600)
    training = [Example(text.upper() + "!", LABELS[label]) for text, label in zip(texts[:150], truth[:150], strict=True)]
    training += [Example(f"so it begins {text} and so it ends", "bad") for text in texts[150:180]]
    memory = set(texts[:180])

    def remembers(text: str) -> float:
        return reads(text) if text in memory or hash_of(text) % 3 else 1 - reads(text)

    found = by_name(leakage.measure_leakage(context_of(remembers, training_rows=training)))
    assert value(found["data-in-training"]) == pytest.approx(180 / 600)
    kinds = found["data-in-training"].detail
    assert isinstance(kinds, RatesDetail)
    assert value(found["clean-minus-dirty"]) < -20
    assert found["clean-minus-dirty"].interval is not None
    assert found["clean-minus-dirty"].interval[1] < 0
    honest = by_name(leakage.measure_leakage(context_of(reads, training_rows=training)))
    assert value(honest["clean-minus-dirty"]) == 0.0
    assert value(found["probes-in-training"]) == pytest.approx(180 / 300)  # all of them stand in the first half
    none = by_name(leakage.measure_leakage(context_of(reads, training_rows=spiked())))
    assert value(none["data-in-training"]) == 0.0
    assert none["clean-minus-dirty"].status == "not measurable"
    with pytest.raises(NotMeasurableError, match="--train"):
        leakage.measure_leakage(context_of(reads))


def hash_of(text: str) -> int:
    return sum(ord(sign) * (place + 1) for place, sign in enumerate(text))


# --- cost ---


def test_operations_of_a_small_model_are_counted_by_hand(tmp_path: Path) -> None:
    folder = tiny.model_folder(tmp_path / "model")
    texts = [example.text for example in tiny.examples(30)]
    base = context_of(lambda text: 0.9, texts, np.arange(300) % 2)
    asked = Asked(open_folder(str(folder), device="cpu"))
    context = Context(asked, base.report, base.calibrate, None, base.policy, quick=True, watts=10.0)
    found = by_name(cost.measure_cost(context))
    curve = found["operations"].detail
    assert isinstance(curve, CurveDetail)
    points = {int(point.x): point.y for point in curve.lines[0].points}
    width, inner, longest = 16, 32, 32

    def block(length: int, asking: int) -> int:
        """Query and output for the positions that ask, key and value for all, scores and sums, the feed-forward part."""
        maps = 2 * asking * width * width + 2 * length * width * width
        return 2 * (maps + 2 * asking * length * width + 2 * asking * width * inner)

    head = 2 * (width * width + 2 * width)
    assert points[longest] == block(longest, longest) + block(longest, 1) + head
    assert value(found["latency-p50"]) > 0
    assert value(found["peak-memory"]) > 50e6
    assert "an estimate" in found["energy"].assumptions[0]
    assert asked.cost.calls >= cost.MEASURING.calls(context)


def test_what_a_callable_does_not_show_is_said() -> None:
    found = by_name(cost.measure_cost(context_of(reads)))
    assert found["operations"].status == "not measurable"
    assert found["latency-p95"].unit == "seconds"
    budgeted = context_of(reads)
    budgeted.asked.budget = budgeted.asked.cost.calls + 10
    with pytest.raises(Exception, match="calls are left"):
        cost.measure_cost(budgeted)
