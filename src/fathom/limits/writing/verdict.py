"""Three sentences about a model that writes, by the rules of limits/verdict.py: intervals decide, the severest are named."""

from __future__ import annotations

from fathom.limits.meanings import Language
from fathom.limits.record import Limits, Measure
from fathom.limits.verdict import LimitsVerdict, judge, limit_in_words, worst_limits
from fathom.limits.words import interval_in_words, say, value_in_words, words_of

GOOD = ("better", "fine")  # judgements that let something be trusted


def causal_verdict(record: Limits, language: Language | None = None) -> LimitsVerdict:
    """The three sentences.

    Args:
        record: of a model that writes; nothing else is read.
        language: of the sentences; None: the record's.
    """
    spoken = language or record.data.language
    named = sorted(worst_limits(record), key=lambda measure: judge(measure).state != "fault")  # before what is not shown
    return LimitsVerdict(
        _trust(record, spoken), _distrust(named, spoken), _do(record, named, spoken), tuple(m.name for m in named)
    )


def _trust(record: Limits, language: Language) -> str:
    parts, measured = [], False
    for name, en, zh in (
        ("closed-book-accuracy", "plain questions of fact, of which it answers {0} rightly", "普通的事实问题：答对 {0}"),
        ("choice-accuracy", "choosing among given answers, where it is right {0} of the time", "从给定选项里挑：对 {0}"),
        ("effective-context", "finding a plain sentence in texts of up to {0}", "在不超过 {0}的文本里找一个简单的句子"),
    ):
        measure = record.measure(name)
        measured |= measure is not None and measure.value is not None
        if measure is not None and measure.value and judge(measure).state in GOOD:
            parts.append(say(language, en, zh).format(_figure(measure, language)))
    if not measured:
        return say(
            language,
            "Nothing that this page could say: neither its answers nor the length of its texts were measured.",
            "这一页说不出什么：没有测量它的回答，也没有测量文本的长度。",
        )
    if not parts:
        return say(
            language,
            "Nothing that was measured: in none of it is it shown to be better than chance.",
            "测过的都不行：没有一样能看出比随机强。",
        )
    return _sentence(parts, language)


def _figure(measure: Measure, language: Language) -> str:
    value = value_in_words(measure, language)
    if measure.unit != "share":
        return value
    interval = interval_in_words(measure, language)
    return say(language, f"{value} ({interval})", f"{value}（{interval}）")


def _distrust(named: list[Measure], language: Language) -> str:
    if not named:
        return say(
            language,
            "What was not measured below; of what was, no limit stands out.",
            "下面没有测量的方面；测过的没有突出的局限。",
        )
    return _sentence([limit_in_words(measure, language) for measure in named], language)


def _do(record: Limits, named: list[Measure], language: Language) -> str:
    advice = [words.advice.in_(language) for m in named if (words := words_of(m)) is not None and words.advice is not None]
    if not any(measure.value is not None for measure in record.measures):
        return say(language, "Measure it: nothing could be measured this way.", "先测量：这样什么也没测到。")
    if not advice:
        return say(
            language,
            "Use it for what was measured, and read the examples below first.",
            "用在测过的方面；先读一读下面的例子。",
        )
    return _sentence(list(dict.fromkeys(advice[:2])), language)


def _sentence(parts: list[str], language: Language) -> str:
    """Of parts that have commas of their own."""
    said = say(language, "; ", "；").join([*parts[:-1], say(language, "and ", "") + parts[-1] if len(parts) > 1 else parts[-1]])
    return f"{said[0].upper()}{said[1:]}{say(language, '.', '。')}"
