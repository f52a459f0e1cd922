"""What the page of `fathom limits` says around the figures, in English and in Chinese, and how its numbers are written.

What it says of measures is in limits/meanings.py, and of models that write in limits/writing/meanings.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache

from fathom.limits import meanings
from fathom.limits.meanings import Language, Said, Words
from fathom.limits.record import Measure
from fathom.limits.writing import meanings as causal

MEASURES: dict[str, Words] = meanings.MEASURES | causal.MEASURES
FAMILIES: dict[str, Said] = meanings.FAMILIES | causal.FAMILIES
SENTENCES: dict[str, str] = causal.SENTENCES | meanings.SENTENCES  # the first that fits is taken

UNITS: dict[str, Said] = {
    "points": Said("points", "个百分点"),
    "nats": Said("nats", "nats"),
    "texts": Said("texts", "条文本"),
    "tokens": Said("tokens", "个词元"),
    "words": Said("words", "个词"),
    "characters": Said("characters", "个字"),
    "joules": Said("J", "焦耳"),
    "bits": Said("bits", "比特"),
}

STATES: dict[str, Said] = {
    "chance": Said("no better than the comparison", "不比参照强"),
    "fault": Said("a limit", "局限"),
    "weak": Said("weak", "偏弱"),
    "slight": Said("a slight fault", "略有毛病"),
    "better": Said("better than the comparison", "强于参照"),
    "differs": Said("differs from the comparison", "与参照不同"),
    "doubtful": Said("says nothing here", "说明不了问题"),
    "fine": Said("no fault shown", "未见问题"),
    "open": Said("", ""),
    "memory": Said("memory, not skill", "记忆，不是本事"),
    "missing": Said("not measured", "未测量"),
}

SHORT_STATES: dict[str, Said] = STATES | {  # in the table, beside the comparison
    "chance": Said("no better", "不更强"),
    "better": Said("better", "更强"),
    "differs": Said("differs", "不同"),
}

DOORS: dict[str, Said] = {
    "folder": Said("a model folder", "模型目录"),
    "python": Said("a Python callable", "Python 可调用对象"),
    "transformers": Said("the transformers library", "transformers 库"),
    "http": Said("an HTTP endpoint", "HTTP 服务"),
    "openai": Said("an OpenAI-compatible endpoint", "兼容 OpenAI 的服务"),
}

PAGE: dict[str, Said] = {
    "title": Said("How far to trust “{name}”", "{name} 可以信到几分"),
    "lead": Said("Measured on {n} texts of {data}.", "在 {data} 的 {n} 条文本上测得。"),
    "lead-causal": Said("A model that writes, asked {n} prompts.", "这是一个会写作的模型，用 {n} 条提示问出来的。"),
    "trust": Said("Trust it with", "可以交给它"),
    "not": Said("Not with", "不能交给它"),
    "do": Said("What to do", "该怎么做"),
    "incomplete": Said("This audit ended early, so limits are missing below: {why}", "这次测量提前结束，下面并不完整：{why}"),
    "quick": Said("A quick audit: fewer texts, wider intervals.", "这是快速测量：文本较少，区间较宽。"),
    "unsteady": Said(
        "Asked the same text twice, its probabilities differed by up to {difference}.",
        "同一条文本问两次，概率相差最多 {difference}。",
    ),
    "all": Said("All limits", "全部局限一览"),
    "all-note": Said(
        "The dot is the value, the bar its 95 % interval, the upright line the comparison. The most important come first.",
        "圆点是数值，横条是 95 % 区间，竖线是参照。最要紧的排在最前。",
    ),
    "measure": Said("limit", "方面"),
    "value": Said("value", "数值"),
    "interval": Said("95 % interval", "95 % 区间"),
    "against": Said("comparison", "参照"),
    "judged": Said("", "判断"),
    "n": Said("n", "n"),
    "to": Said("to", "到"),
    "higher": Said("higher is better", "越高越好"),
    "lower": Said("lower is better", "越低越好"),
    "neither": Said("nearest to the line is best", "越接近参照越好"),
    "of-n": Said("n = {n}", "n = {n}"),
    "assumes": Said("Assumed", "前提"),
    "the-policy": Said("the policy", "策略"),
    "promise": Said("What is promised", "保证了什么"),
    "examples": Said("Read for yourself", "自己读一读"),
    "more-examples": Said("{n} more", "另外 {n} 条"),
    "no-examples": Said(
        "The texts behind these figures were left out on request (--no-examples).",
        "应要求没有收录这些数字背后的文本（--no-examples）。",
    ),
    "says": Said("It says", "它答"),
    "with-confidence": Said("with {confidence} confidence.", "，置信度 {confidence}。"),
    "label-is": Said("The label is", "标签是"),
    "right-is": Said("right is", "正确的是"),
    "nothing": Said("nothing", "（空）"),
    "stop": Said(".", "。"),
    "became": Said("This became", "改写之后"),
    "every-figure": Said("Every figure of this picture", "图中的全部数字"),
    "more-rows": Said("{n} more", "另外 {n} 行"),
    "text-is": Said("the text is", "文本实为"),
    "it-says": Said("it says {label}", "它答 {label}"),
    "share-found": Said("found", "找出"),
    "often-mistaken": Said("The commonest confusions", "最常见的混淆"),
    "taken-for": Said("{truth}, taken for {answer}", "{truth}，错当成 {answer}"),
    "only-first": Said("only {name} is right", "只有{name}对"),
    "only-second": Said("only {name} is right", "只有{name}对"),
    "paired-note": Said(
        "On all other pairs both are right or both are wrong. If the two were equally good, a split at least this "
        "uneven would come "
        "up {chance}.",
        "其余的，两者同对或同错。假如两者一样好，出现这么悬殊或更悬殊的分法，{chance}。",
    ),
    "policy": Said("When it may answer", "它什么时候可以回答"),
    "policy-none": Said("No policy could be fitted.", "没有得到策略。"),
    "threshold": Said(
        "It answers where its confidence is at least {value}, and leaves the rest to a person.",
        "置信度不低于 {value} 时回答，其余留给人。",
    ),
    "threshold-promise": Said(
        "Of the answers that it gives, at least {target} are right. This holds with {confidence} confidence on texts "
        "like these, if "
        "the texts are independent.",
        "它给出的回答，至少 {target} 是对的。这一点以 {confidence} 的把握成立，前提是文本与这些同类，且彼此独立。",
    ),
    "threshold-fitted": Said(
        "Fitted on {n} labels that measured nothing else: there it answered {kept} texts, {right} of them rightly.",
        "用 {n} 个没有作他用的标签选定：在那里它答了 {kept} 条，对了 {right} 条。",
    ),
    "tried": Said("Tried on {n} other texts", "在另外 {n} 条文本上试过"),
    "answered-right": Said("answered rightly", "答对"),
    "answered-wrong": Said("answered wrongly", "答错"),
    "left": Said("left to a person", "留给人"),
    "nothing-promised": Said("No threshold: nothing can be promised yet", "没有阈值：暂时什么都保证不了"),
    "nothing-why": Said(
        "Asked for was that {target} of its answers are right, with {confidence} confidence. {why}.",
        "要求是：回答 {target} 正确，把握 {confidence}。{why}。",
    ),
    "labels-there": Said("{n} labels were there", "现有 {n} 个标签"),
    "labels-needed": Said("about {n} are needed", "大约需要 {n} 个"),
    "sets": Said("Sets of labels", "标签集合"),
    "sets-promise": Said(
        "Every label with a probability of at least {least} is in the set. On average over calibration splits, at "
        "least {share} of the "
        "sets hold the true label, on texts like these; not for each label or kind of text alone.",
        "概率不低于 {least} 的标签都进入集合。对校准数据的各种抽法取平均，文本与这些同类时，至少 {share} 的集合包含真实标签；"
        "但不是对每个标签、每类文本都分别成立。",
    ),
    "sets-void": Said(
        "{n} labels are too few for such a set to leave any label out.", "只有 {n} 个标签，集合里一个标签都排除不了。"
    ),
    "temperature": Said("Temperature", "温度"),
    "temperature-what": Said(
        "People see its confidence after dividing its logits by {value}, so that it means what it says.",
        "显示的置信度先把对数几率除以 {value}，使它名副其实。",
    ),
    "unread": Said("Length", "长度"),
    "unread-what": Said(
        "It abstains where more than {n} tokens of a text are not read: no text that this policy was fitted on had more.",
        "文本超过 {n} 个词元没有读到时，它不回答：选定策略用的文本都没有更多。",
    ),
    "unread-any": Said(
        "It abstains where a text is longer than it reads: no text that this policy was fitted on was.",
        "文本长得读不完时，它不回答：选定策略用的文本都读得完。",
    ),
    "writing": Said("Language", "语言"),
    "writing-what": Said(
        "It abstains where letters do not follow each other as in the known texts, which stops at most {share} of texts like "
        "these on average, as {n} of them decided.",
        "字母的先后次序不像已知文本时，它不回答；同类文本平均最多有 {share} 被拦下（由其中 {n} 条选定）。",
    ),
    "likeness": Said("Likeness", "相似"),
    "likeness-what": Said(
        "It abstains where a text lies too far from the known ones, which stops at most {share} of texts like these on "
        "average, as {n} of them decided.",
        "一条文本离已知文本太远时，它不回答；同类文本平均最多有 {share} 被拦下（由其中 {n} 条选定）。",
    ),
    "obey": Said("To obey it", "照此执行"),
    "not-measured": Said("What was not measured", "没有测量的"),
    "not-measured-note": Said("Nothing follows from these, neither good nor bad.", "从这里得不出任何结论，好坏都不能说。"),
    "not measurable": Said("not measurable", "无法测量"),
    "skipped for budget": Said("skipped for budget", "超出预算而跳过"),
    "contaminated": Said("contaminated", "受污染"),
    "contaminated-note": Said("This counts for nothing: {why}", "这个数字不作数：{why}"),
    "how": Said("How this was measured", "怎样测得"),
    "who": Said("classifier", "分类器"),
    "door": Said("asked through", "访问方式"),
    "labels": Said("labels", "标签"),
    "model": Said("model", "模型"),
    "prompts": Said("prompts", "提示"),
    "prompts-what": Said("{name}: {n} prompts", "{name}：{n} 条提示"),
    "memorised": Said("training texts", "训练文本"),
    "data": Said("data", "数据"),
    "data-what": Said(
        "{name}: {rows} labelled texts, {duplicates} of which repeat an earlier one",
        "{name}：{rows} 条带标签文本，其中 {duplicates} 条与前面重复",
    ),
    "data-seen": Said("{n} were in its training data", "{n} 条在它的训练数据里"),
    "data-unknown": Said("whether it was trained on them is not known", "是否用来训练过它，无从得知"),
    "calibrate": Said("for the policy", "用于策略"),
    "report": Said("for the figures", "用于测量"),
    "training": Said("for the bag of words", "用于词袋"),
    "split-what": Said("{n} texts: {labels}", "{n} 条：{labels}"),
    "sampled": Said("sampled", "抽样"),
    "command": Said("command", "命令"),
    "seed": Said("seed", "种子"),
    "cost": Said("cost", "成本"),
    "cost-what": Said(
        "{calls} texts asked in {seconds}, {asking} of it waiting for the answers",
        "问了 {calls} 条文本，用时 {seconds}，其中等待回答 {asking}",
    ),
    "cost-budget": Said("of a budget of {budget}", "预算 {budget}"),
    "cost-retries": Said("{n} askings had to be repeated", "重试 {n} 次"),
    "machine": Said("machine", "机器"),
    "fingerprint": Said("SHA-256 of the model", "模型 SHA-256"),
    "sha256": Said("SHA-256, {part}", "SHA-256，{part}"),
    "commit": Said("commit {commit}", "提交 {commit}"),
    "footer": Said(
        "limits.json, beside this page, holds every figure on it. Intervals are 95 % ones: of rates Wilson’s, of "
        "other measures "
        "from the bootstrap or Student’s; where groups are known, whole groups are drawn. A limit is what remains at "
        "the kindest "
        "end of its interval.",
        "旁边的 limits.json 里有页面上的每一个数字。区间都是 95 % 区间：比例用 Wilson 区间，其余用自助法或 Student "
        "区间；知道分组时，整组抽样。"
        "在区间最有利的一端仍然成立的，才算局限。",
    ),
    "colon": Said(": ", "："),
    "space": Said(" ", ""),
    "dash": Said(" — ", "，"),
    "separator": Said(", ", "、"),
    "clause": Said("; ", "；"),
}


def say(language: Language, en: str, zh: str) -> str:
    """One of the two."""
    return zh if language == "zh" else en


def words_of(measure: Measure) -> Words | None:
    """What there is to say about it; None: only its own title."""
    starts = (words for name, words in MEASURES.items() if name.endswith("*") and measure.name.startswith(name[:-1]))
    return MEASURES.get(measure.name) or next(starts, None)


def in_language(text: str, language: Language) -> tuple[str, bool]:
    """What a record says, in the page's language, and whether it is: False where only the English is known."""
    if language == "en" or not text:
        return text, True
    for pattern, chinese in _patterns():
        if found := pattern.fullmatch(text):
            inner = {name: in_language(value, language)[0] for name, value in found.groupdict().items()}
            return chinese.format(**inner), True
    return text, False


@cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    def compiled(english: str) -> re.Pattern[str]:
        parts = re.split(r"\{(\w+)\}", english)
        for place in range(0, len(parts), 2):
            parts[place] = re.escape(parts[place])
        for place in range(1, len(parts), 2):
            stands_for = r"[-+]?[\d.,]*\d" if parts[place].startswith("n_") else ".+?"
            parts[place] = f"(?P<{parts[place]}>{stands_for})"
        return re.compile("".join(parts), re.DOTALL)

    return [(compiled(english), chinese) for english, chinese in SENTENCES.items()]


def percent(share: float, digits: int = 1) -> str:
    """0.8235 → "82.4 %", with a space that does not break; whole where `digits` is 0 and nothing is lost."""
    if digits == 0 and abs(100 * share - round(100 * share)) > 0.05 and (share > 0.9 or share < 0.1):
        digits = 1
    return f"{100 * share:.{digits}f}\u00a0%".replace("-", "\u2212")


def number(value: float, unit: str, language: Language, *, bare: bool = False) -> str:
    """A value with its unit: "82.4 %", "+6.1 points", "0.411 nats", "0.873"; `bare`: without the unit, but for %."""
    if unit == "share":
        return percent(value)
    if unit == "points":
        written = f"{value:+.1f}" if abs(value) >= 0.05 else "0.0"
    elif unit in ("texts", "tokens", "words", "characters"):
        written = f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"
    elif unit == "seconds":
        return _seconds(value)
    elif unit in ("FLOPs", "bytes"):
        return _large(value, {"FLOPs": "FLOPs", "bytes": "B"}[unit])
    else:
        written = f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"
    written = written.replace("-", "\u2212")
    return written if bare or unit not in UNITS else f"{written}\u00a0{UNITS[unit].in_(language)}"


def _seconds(value: float) -> str:
    if abs(value) < 0.1:
        return f"{1000 * value:.3g}\u00a0ms"
    return f"{value:.3g}\u00a0s" if value < 100 else f"{value:,.0f}\u00a0s"


def _large(value: float, unit: str) -> str:
    """In thousands: 2.81e9 → "2.81 GFLOPs"."""
    place = min(5, max(0, int(math.log10(max(1.0, abs(value))) // 3)))
    return f"{value / 1000**place:.3g}\u00a0{'_kMGTP'[place].strip('_')}{unit}".replace("-", "\u2212")


def value_in_words(measure: Measure, language: Language, value: float | None = None) -> str:
    """Its value, or another in the same unit."""
    chosen = measure.value if value is None else value
    return "" if chosen is None else number(chosen, measure.unit, language)


def span(low: float, high: float, unit: str, language: Language) -> str:
    """(0.806, 0.84) → "80.6 to 84.0 %"."""
    first, second = number(low, unit, language, bare=True), number(high, unit, language, bare=True)
    if unit == "share":
        first = first.removesuffix("\u00a0%")
    return f"{first} {PAGE['to'].in_(language)} {second}"


def interval_in_words(measure: Measure, language: Language) -> str:
    """(0.806, 0.84) → "95 % interval 80.6 to 84.0 %"; empty without one."""
    if measure.interval is None:
        return ""
    return f"{PAGE['interval'].in_(language)} {span(*measure.interval, measure.unit, language)}"


def duration(seconds: float, language: Language) -> str:
    """75 → "1 min 15 s"."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return say(language, f"{seconds:.3g}\u00a0s", f"{seconds:.3g}\u00a0秒")
    return say(language, f"{minutes}\u00a0min {rest}\u00a0s", f"{minutes}\u00a0分\u00a0{rest}\u00a0秒")


def chance_in_words(p_value: float, language: Language) -> str:
    """0.0004 → "once in 2,500 times"."""
    if p_value > 0.5:
        return say(language, "more often than not", "一多半的时候会有")
    if p_value < 1e-6:
        return say(language, "less than once in a million times", "一百万次里不到一次")
    return say(language, f"once in {1 / p_value:,.0f} times", f"大约每 {1 / p_value:,.0f} 次有一次")


def join(parts: Sequence[str], language: Language) -> str:
    """[a, b, c] → "a, b and c", with semicolons where the parts have commas of their own."""
    if len(parts) < 2:
        return "".join(parts)
    if language == "zh":
        return "；".join(parts)
    separator = "; " if any(", " in part for part in parts) else ", "
    return separator.join(parts[:-1]) + (f"; and {parts[-1]}" if separator == "; " else f" and {parts[-1]}")
