"""What follows from a record, by fixed rules: how each measure is judged, and three sentences about the whole.

Intervals decide, not point values: what chance could have made is no fault, and what chance could have given is no merit.
Figures of texts that were trained on count for nothing. Every rule and every number of it is on this page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fathom.limits.meanings import Language
from fathom.limits.policy import NoThreshold, Threshold
from fathom.limits.record import Limits, Measure
from fathom.limits.words import in_language, interval_in_words, join, percent, say, span, value_in_words, words_of

State = Literal["chance", "fault", "weak", "slight", "differs", "doubtful", "better", "fine", "open", "memory", "missing"]

SLIGHT = 0.05  # severity from which a limit is named in the verdict
HALFWAY = 0.5  # nearer to knowing nothing than to perfect
NAMED = 3  # limits in the second sentence
WHOLE = {"points": 50.0, "nats": 1.0, "score": 1.0, "correlation": 1.0, "bits": 10.0}  # a difference that is as bad as can be
BEST = {"share": 1.0, "AUROC": 1.0, "correlation": 1.0}  # where higher is better


@dataclass(frozen=True)
class Judgement:
    """What a measure says about the classifier.

    chance: not shown to be better than one that knows nothing. fault: worse than one without this fault.
    weak: better than chance, but nearer to it than to perfect. slight: a fault too small to be named in the verdict.
    differs: from its comparison, where neither side is better. doubtful: measured, and says itself that it shows nothing.
    better: than one that knows nothing. fine: no fault that can be told from chance, or maybe perfect. open: nothing to
    compare with. memory: contaminated. missing: not measured.
    """

    state: State
    severity: float = 0.0  # 0 for none, 1 for as bad as chance

    @property
    def is_limit(self) -> bool:
        """Whether it belongs among the limits that are named."""
        return self.state in ("chance", "fault", "weak")


@dataclass(frozen=True)
class LimitsVerdict:
    """Three plain sentences, and the measures that the second one names."""

    trust: str
    distrust: str
    do: str
    named: tuple[str, ...]


def judge(measure: Measure) -> Judgement:
    """One measure by itself."""
    if measure.value is None:
        return Judgement("missing")
    if measure.status == "contaminated":
        return Judgement("memory")
    if measure.reason is not None:
        return Judgement("doubtful")
    low, high = measure.interval or (measure.value, measure.value)
    if measure.better == "neither":
        return _off_target(measure, low, high)
    # from here on, "kindest" is the end of the interval that speaks for the classifier
    kindest, sternest = (high, low) if measure.better == "higher" else (low, high)
    sign = 1.0 if measure.better == "higher" else -1.0
    best = BEST.get(measure.unit) if measure.better == "higher" else 0.0
    if best is not None and sign * (kindest - best) >= -1e-9:
        return Judgement("fine")  # it may well be perfect
    if measure.floor is None:
        return Judgement("open")
    floor = measure.floor.value
    if _faultless(measure):
        return _fault(measure, sign * (floor - kindest), room=floor if sign > 0 else 1 - floor)
    if sign * (sternest - floor) <= 0:
        return Judgement("chance", 1.0)
    if measure.unit in BEST and best is not None and sign * (best - floor) > 0:
        distance = (best - kindest) / (best - floor)
        if distance >= HALFWAY:
            return Judgement("weak", distance)
    return Judgement("better")


def verdict(record: Limits, language: Language | None = None) -> LimitsVerdict:
    """The three sentences.

    Args:
        record: nothing else is read.
        language: of the sentences; None: the record's.
    """
    spoken = language or record.data.language
    accuracy = record.measure("accuracy")
    named = worst_limits(record)
    if accuracy is None or accuracy.value is None:
        trust = say(
            spoken,
            "Nothing that this page could say: its accuracy was not measured.",
            "这一页说不出什么：没有测量它的准确率。",
        )
    elif accuracy.status == "contaminated":
        trust = say(
            spoken,
            f"Nothing yet: it has seen these texts in training, so its {percent(accuracy.value)} of right answers are memory.",
            f"暂时什么都不能：这些文本它在训练时都见过，{percent(accuracy.value)} 的正确率只说明它记住了。",
        )
    elif judge(accuracy).state == "chance":
        trust = _nothing(record, accuracy, spoken)
    else:
        trust = _trust(record, accuracy, spoken)
    return LimitsVerdict(
        trust, _distrust(record, accuracy, named, spoken), _do(record, accuracy, named, spoken), tuple(m.name for m in named)
    )


def worst_limits(record: Limits) -> list[Measure]:
    """The limits that the verdict names: the severest first, one a family, at most three.

    A measure that is explained on the page but has no words for a limit is not named: accuracy, the subject of the first
    sentence, and scores that say again what a plainer figure of their family says.
    """
    found: list[Measure] = []
    for measure in sorted(record.measures, key=lambda measure: -judge(measure).severity):
        words, judged, families = words_of(measure), judge(measure), {other.family for other in found}
        known = words is not None and words.limit is not None
        differs = judged.state == "differs" and judged.severity >= SLIGHT
        named = (known and (judged.is_limit or differs)) or (words is None and judged.is_limit)
        if named and measure.family not in families:
            found.append(measure)
    return found[:NAMED]


def beats_words(record: Limits) -> bool | None:
    """Whether it is better than a bag of words; None: not measured, or these texts cannot tell."""
    beyond = record.measure("accuracy-beyond-words")
    if beyond is None or beyond.status != "measured" or beyond.interval is None:
        return None
    return True if beyond.interval[0] > 0 else False if beyond.interval[1] < 0 else None


def broken_promise(record: Limits) -> Measure | None:
    """The accuracy of the policy's answers, where the report split contradicts what was promised."""
    threshold = None if record.policy is None else record.policy.threshold
    kept = record.measure("accuracy-of-answers")
    if not isinstance(threshold, Threshold) or kept is None or kept.status != "measured" or kept.interval is None:
        return None
    return kept if kept.interval[1] < threshold.target else None


def _faultless(measure: Measure) -> bool:
    assert measure.floor is not None
    stated = measure.floor.faultless
    return stated if stated is not None else measure.better != "higher"


def _off_target(measure: Measure, low: float, high: float) -> Judgement:
    """A measure that should be neither high nor low, but where its floor is."""
    if measure.floor is None:
        return Judgement("open")
    floor = measure.floor.value
    found = _fault(measure, max(low - floor, floor - high), room=1.0)
    return Judgement("differs", found.severity) if found.state in ("fault", "slight") else found


def _fault(measure: Measure, excess: float, *, room: float) -> Judgement:
    """How much of the way from no fault to the worst that could be, at the least."""
    if excess <= 0:
        return Judgement("fine")
    whole = WHOLE.get(measure.unit) or (room if measure.unit in ("share", "AUROC") and room > 0 else None)
    if whole is None:
        return Judgement("open")  # of seconds, bytes, tokens no number is bad by itself
    severity = min(1.0, excess / whole)
    return Judgement("fault" if severity >= SLIGHT else "slight", severity)


def _nothing(record: Limits, accuracy: Measure, language: Language) -> str:
    assert accuracy.value is not None
    floor = "" if accuracy.floor is None else percent(accuracy.floor.value)
    what = "" if accuracy.floor is None else in_language(accuracy.floor.what, language)[0]
    interval = interval_in_words(accuracy, language)
    return say(
        language,
        f"Nothing yet: on {accuracy.n:,} texts it is right {percent(accuracy.value)} of the time ({interval}), which these "
        f"texts cannot tell from what knowing nothing gives: {what} is right {floor} of the time.",
        f"暂时什么都不能：{accuracy.n:,} 条文本它答对 {percent(accuracy.value)}（{interval}），"
        f"与什么都不懂分不出高下：{what}，也能对 {floor}。",
    )


def _trust(record: Limits, accuracy: Measure, language: Language) -> str:
    assert accuracy.value is not None
    tried = _tried(record)
    if tried is not None and broken_promise(record) is None:
        threshold, coverage, kept = tried
        promised, sure, least = percent(threshold.target, 0), percent(threshold.confidence, 0), percent(threshold.value)
        which = say(
            language,
            f"Texts like these that it answers with {least} confidence or more, which are {percent(coverage, 0)} of them",
            f"同类文本里它置信度达到 {least} 的，占 {percent(coverage, 0)}",
        )
        if coverage == 1:
            which = say(language, "All texts like these", "全部同类文本")
        found = say(
            language,
            f"{which}: at least {promised} of its answers are right, promised with {sure} confidence, and {percent(kept)} were "
            f"in a trial",
            f"{which}：这些回答至少 {promised} 是对的（把握 {sure}），实测对了 {percent(kept)}",
        )
    else:
        rate = f"{percent(accuracy.value)} ({interval_in_words(accuracy, language)})"
        rate_zh = rate.replace(" (", "（").replace(")", "）")
        found = say(
            language,
            f"Sorting texts like these in bulk: of {accuracy.n:,} that were kept from it, it answers {rate} rightly",
            f"成批地给这类文本分类：{accuracy.n:,} 条它没见过的文本，答对 {rate_zh}",
        )
    return f"{found}{_beside_words(record, language)}{say(language, '.', '。')}"


def _beside_words(record: Limits, language: Language) -> str:
    """What a bag of words does in comparison, as the end of a sentence."""
    beyond, better = record.measure("accuracy-beyond-words"), beats_words(record)
    if beyond is None or beyond.value is None or beyond.status != "measured":
        return ""
    points = value_in_words(beyond, language)
    if better is None:
        return say(
            language,
            "; but a bag of words is right as often, as far as these texts can tell",
            "；不过词袋模型也一样好，至少这些文本分不出来",
        )
    if better:
        more = points.lstrip("+")
        return say(language, f"; that is {more} better than a bag of words", f"；比词袋模型高 {more}")
    less = points.lstrip("\u2212")
    return say(language, f"; but a bag of words is right {less} more often", f"；不过词袋模型还要高 {less}")


def _tried(record: Limits) -> tuple[Threshold, float, float] | None:
    """The threshold, the share of the report split that it answers, and how much of that is right."""
    threshold = None if record.policy is None else record.policy.threshold
    coverage, kept = record.measure("coverage"), record.measure("accuracy-of-answers")
    if not isinstance(threshold, Threshold) or coverage is None or kept is None:
        return None
    return None if coverage.value is None or kept.value is None else (threshold, coverage.value, kept.value)


def _distrust(record: Limits, accuracy: Measure | None, named: list[Measure], language: Language) -> str:
    broken = broken_promise(record)
    parts: list[str] = []
    if broken is not None and broken.value is not None and record.policy is not None:
        target = percent(record.policy.threshold.target, 0)
        parts.append(
            say(
                language,
                f"its policy, which promised that {target} of its answers are right, of which {percent(broken.value)} were",
                f"它的策略：保证 {target} 答对，实际只有 {percent(broken.value)}",
            )
        )
    parts += _errors(record, accuracy, language)
    parts += [limit_in_words(measure, language) for measure in named if broken is None or measure.name != broken.name]
    parts.append(say(language, f"texts unlike those of {record.data.name}", f"以及与 {record.data.name} 不同类的文本"))
    said = join(parts, language)
    end = (
        ""
        if named or broken
        else say(language, "; of the limits that were measured, none stands out", "；其余测过的方面都没有突出的局限")
    )
    return f"{said[0].upper()}{said[1:]}{end}{say(language, '.', '。')}"


def _errors(record: Limits, accuracy: Measure | None, language: Language) -> list[str]:
    """How often it is wrong where nothing is promised; nothing where that is rare, or its accuracy says nothing."""
    if accuracy is None or accuracy.value is None or accuracy.interval is None or judge(accuracy).state in ("chance", "memory"):
        return []
    tried = _tried(record)
    if tried is not None and broken_promise(record) is None:
        _, coverage, kept = tried
        left = 1 - coverage
        if left < SLIGHT:
            return []
        wrong = percent(max(0.0, 1 - (accuracy.value - coverage * kept) / left))
        return [
            say(
                language,
                f"the texts that it is less sure of, where {wrong} of its answers are wrong",
                f"它不够有把握的文本：答案 {wrong} 是错的",
            )
        ]
    if 1 - accuracy.interval[1] < SLIGHT:
        return []
    wrong = percent(1 - accuracy.value)
    return [
        say(language, f"single answers that nobody checks, of which {wrong} are wrong", f"没有人复核的单个回答：{wrong} 是错的")
    ]


def limit_in_words(measure: Measure, language: Language) -> str:
    """A limit as a part of a sentence."""
    words = words_of(measure)
    interval = "" if measure.interval is None else span(*measure.interval, measure.unit, language).replace("+", "")
    value = value_in_words(measure, language).lstrip("+")
    if words is not None and words.limit is not None:
        return words.limit.in_(language).format(value=value, interval=interval)
    title = in_language(measure.title, language)[0]
    if language == "en" and not title[1:2].isupper():
        title = title[:1].lower() + title[1:]
    what = "" if measure.floor is None else in_language(measure.floor.what, language)[0]
    floor = "" if measure.floor is None else value_in_words(measure, language, measure.floor.value)
    beside = say(language, f", where {what} gives {floor}", f"（{what}：{floor}）") if floor else ""
    return say(language, f"{title}: {value}{beside}", f"{title}：{value}{beside}")


def _do(record: Limits, accuracy: Measure | None, named: list[Measure], language: Language) -> str:
    if accuracy is None or accuracy.value is None:
        return say(language, "Measure its accuracy: leave --only away.", "先测准确率：去掉 --only 再跑一次。")
    if accuracy.status == "contaminated":
        return say(
            language,
            "Measure it again on labelled texts that it has never seen: --data with another file.",
            "换一批它从没见过的带标签文本重新测：用 --data 指定别的文件。",
        )
    if judge(accuracy).state == "chance":
        return say(
            language,
            "Check the labels and how it was trained, and do not use it before that.",
            "先检查标签和训练过程，在此之前不要使用它。",
        )
    if broken_promise(record) is not None:
        return say(
            language,
            "Do not rely on the policy: find out how the two halves of the data differ, and measure again with more labels.",
            "不要依靠这个策略：弄清数据的两半有什么不同，用更多标签重新测量。",
        )
    beyond = record.measure("accuracy-beyond-words")
    if beyond is not None and beyond.status == "measured" and not beats_words(record):
        return say(
            language,
            "Use the bag of words, which costs next to nothing, or train this model on more texts.",
            "用词袋模型，它几乎不花成本；或者用更多文本再训练这个模型。",
        )
    advice = [words.advice.in_(language) for m in named if (words := words_of(m)) is not None and words.advice is not None]
    first = _follow_policy(record, language)
    rest = advice[0] if advice else ""
    if named and not rest:
        rest = say(
            language,
            "keep it away from what is named above, and read the examples below",
            "不要把上面点名的情况交给它，并读一读下面的例子",
        )
    if not first:
        return (
            f"{rest[0].upper()}{rest[1:]}{say(language, '.', '。')}"
            if rest
            else say(
                language,
                "Use it on texts like these, and measure again when they change.",
                "用在同类文本上；文本变了就重新测量。",
            )
        )
    return f"{first}{say(language, '; ', '；') if rest else ''}{rest}" + say(language, ".", "。")


def _follow_policy(record: Limits, language: Language) -> str:
    threshold = None if record.policy is None else record.policy.threshold
    coverage = record.measure("coverage")
    if isinstance(threshold, Threshold) and coverage is not None and coverage.value is not None:
        left = 1 - coverage.value
        if not left:
            return say(language, "Answer by its policy, fathom predict --policy", "按它的策略回答（fathom predict --policy）")
        return say(
            language,
            f"Answer by its policy, fathom predict --policy, and have a person read the {percent(left, 0)} that it leaves",
            f"按它的策略回答（fathom predict --policy），它不答的 {percent(left, 0)} 由人来读",
        )
    if isinstance(threshold, NoThreshold):
        target = percent(threshold.target, 0)
        if threshold.labels_needed is not None and threshold.labels_needed > threshold.n:
            needed = round_up(threshold.labels_needed)
            return say(
                language,
                f"Have a person check what matters: {threshold.n:,} labels are too few to promise anything, and about "
                f"{needed:,} would do to promise that {target} of its surest answers are right",
                f"要紧的回答都由人复核：{threshold.n:,} 个标签还不够保证什么，有 {needed:,} 个左右，就能保证它最有把握的回答 "
                f"{target} 是对的",
            )
        return say(
            language,
            f"Have a person read every answer that matters, since {target} of right answers cannot be promised at any "
            f"confidence, or ask for less with --target",
            f"要紧的回答都要有人再读：无论置信度多高，都保证不了 {target} 答对；也可以用 --target 降低要求",
        )
    return ""


def round_up(number: int) -> int:
    """To two digits: 1903 → 2000."""
    step = int(10 ** max(0, len(str(number)) - 2))
    return -(-number // step) * step
