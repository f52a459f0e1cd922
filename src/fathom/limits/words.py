"""Every word of the page of `fathom limits`, in English and in Chinese, and how its numbers are written.

PAGE      what the page says around the figures
MEASURES  what each measure means, by name; one without an entry is shown with its own title and no explanation
FAMILIES  the headings of the sections, by family
SENTENCES what records say in English, as patterns, with their Chinese; one without an entry is shown in English

A new measure needs no entry to be shown. With one it is explained, and in Chinese on a Chinese page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Literal, NamedTuple

from fathom.limits.record import Measure

Language = Literal["en", "zh"]


class Said(NamedTuple):
    """The same in both languages."""

    en: str
    zh: str

    def in_(self, language: Language) -> str:
        """In one of them."""
        return self.zh if language == "zh" else self.en


class Words(NamedTuple):
    """What a measure means."""

    means: Said  # one or two sentences: what it is, how to read it
    limit: Said | None = None  # part of a sentence that names it as a limit, with {value} and {interval}
    advice: Said | None = None  # part of a sentence: what to do then


MEASURES: dict[str, Words] = {
    "accuracy": Words(
        Said(
            "Of all texts, the share that it answers rightly. A row of the table is a true label, a column is an answer: "
            "what lies off the diagonal is wrong.",
            "全部文本中答对的比例。表中一行是一个真实标签，一列是一种回答；不在对角线上的都是错的。",
        ),
    ),
    "weakest-label": Words(
        Said(
            "Of the texts that truly have a label, the share that it finds, and of these shares the lowest. "
            "A high accuracy can hide a label that it never finds.",
            "真正属于某个标签的文本，它找出了多少；这里是各标签中最低的一个。总的准确率很高，也可能有一个标签它从来找不出来。",
        ),
        Said(
            "texts of its weakest label, of which it finds {value} ({interval})", "它最弱的标签：只找出 {value}（{interval}）"
        ),
        Said("give it more texts of its weakest label", "给最弱的标签多准备些训练文本"),
    ),
    "macro-f1": Words(
        Said(
            "The mean over the labels of F1, which is high only where a label is both found and rightly said. "
            "Every label counts alike, however rare.",
            "各标签 F1 的平均；既找得全又说得准，F1 才高。标签无论多少见，分量都一样。",
        ),
    ),
    "accuracy-beyond-words": Words(
        Said(
            "How many more texts in a hundred it answers rightly than a bag of words, which knows nothing of the "
            "order of words and "
            "costs next to nothing. Both answered the same texts.",
            "每一百条文本，比词袋模型多答对多少条。词袋不知道词的先后，几乎不花成本。两者答的是同一批文本。",
        ),
    ),
    "calibration-error": Words(
        Said(
            "How far its confidence lies from how often it is right, on average. On the dashed line, 80 % confidence "
            "is right 80 % "
            "of the time; below it the classifier is surer than it should be.",
            "置信度与实际正确率平均差多少。在虚线上，说 80 % 的把握就有 80 % 是对的；在线下方，说明它自信过头。",
        ),
        Said("its confidence, which is off by {value} on average ({interval})", "它的置信度：平均偏差 {value}（{interval}）"),
        Said("show people its confidence only after the temperature of the policy", "给人看的置信度先经过策略里的温度修正"),
    ),
    "smooth-calibration-error": Words(
        Said(
            "The same question without cutting the answers into bins: where bins decide the answer, the two differ.",
            "同一个问题，但不把回答分箱；如果两个数差很多，说明是分箱的方式在起作用。",
        ),
    ),
    "overconfidence": Words(
        Said(
            "Mean confidence minus accuracy: above zero it is too sure, below zero it is surer of itself in fact than it says.",
            "平均置信度减去准确率：大于零是自信过头，小于零是信心不足。",
        ),
        Said("its confidence, which lies {value} beside its accuracy", "它的置信度：与准确率相差 {value}"),
        Said("show people its confidence only after the temperature of the policy", "给人看的置信度先经过策略里的温度修正"),
    ),
    "brier": Words(
        Said(
            "The squared distance of its probabilities from the truth: it punishes being wrong, and being sure of it more. "
            "0 is perfect, 2 is certain and wrong.",
            "概率与事实之差的平方：答错要罚，错得越肯定罚得越重。0 是完美，2 是百分之百肯定却错了。",
        ),
    ),
    "negative-log-likelihood": Words(
        Said(
            "How surprised it is by the true labels, on average. Answers that are certain and wrong weigh the most.",
            "真实标签平均让它有多“意外”。肯定却答错的回答影响最大。",
        ),
    ),
    "aurc": Words(
        Said(
            "If it answers only what it is surest of, how many of these answers are wrong? From left to right it "
            "answers more of the "
            "texts. A good confidence keeps the curve low on the left; one that says nothing makes it flat.",
            "如果只答最有把握的，其中有多少是错的？从左到右，答的文本越来越多。置信度有用，曲线左边就低；没用，曲线就是平的。",
        ),
        Said("leaving out what it is unsure of, which saves few errors", "靠置信度挑出没把握的回答：这样避免不了多少错误"),
        Said("have answers checked at random, not by confidence", "抽查回答时随机抽，不要按置信度挑"),
    ),
    "augrc": Words(
        Said(
            "The mean share of all texts that are answered, and wrongly, over all settings of how much it answers. "
            "Unlike AURC it does "
            "not weigh the first few errors most.",
            "在“答多少”的各种设定下，被答了又答错的文本占全部文本的平均比例。与 AURC 不同，它不会把最先的几个错误看得特别重。",
        ),
    ),
    "accuracy-of-answers": Words(
        Said(
            "Of the texts that the policy lets it answer, the share that it answers rightly. It was tried on texts on "
            "which the "
            "threshold was not chosen.",
            "按策略它可以回答的文本里答对的比例。用来测的文本没有参与选定阈值。",
        ),
        Said("its own policy, whose answers are right only {value} of the time", "它自己的策略：回答只有 {value} 是对的"),
    ),
    "coverage": Words(
        Said(
            "Of all texts, the share that it answers; the others are left to a person.",
            "全部文本中它会回答的比例；其余留给人。",
        ),
    ),
    "set-coverage": Words(
        Said(
            "Instead of one label it can name a set of labels. Of these sets, the share that hold the true label, for "
            "each label apart.",
            "它也可以不给一个标签，而给一组标签。这里是包含真实标签的组所占的比例，也按标签分开列出。",
        ),
        Said("its sets of labels, of which only {value} hold the true one", "它给出的标签集合：只有 {value} 包含真实标签"),
    ),
    "set-size": Words(
        Said(
            "How many labels such a set holds on average. A set of one says as much as an answer; a set of all says nothing.",
            "一个集合平均有几个标签。只有一个，等于给了答案；全都在里面，等于什么也没说。",
        ),
    ),
}

FAMILIES: dict[str, Said] = {
    "accuracy": Said("How often it is right", "它有多常答对"),
    "calibration": Said("Whether its confidence means what it says", "它的置信度可信吗"),
    "selective": Said("What is gained by answering only when sure", "只答有把握的，能好多少"),
    "abstention": Said("Whether the policy keeps its promise", "策略兑现承诺了吗"),
}

UNITS: dict[str, Said] = {
    "points": Said("points", "个百分点"),
    "nats": Said("nats", "nats"),
    "texts": Said("texts", "条文本"),
    "tokens": Said("tokens", "个词元"),
}

STATES: dict[str, Said] = {
    "chance": Said("no better than the comparison", "不比参照强"),
    "fault": Said("a limit", "局限"),
    "weak": Said("weak", "偏弱"),
    "slight": Said("a slight fault", "略有毛病"),
    "better": Said("better than the comparison", "强于参照"),
    "fine": Said("no fault shown", "未见问题"),
    "open": Said("", ""),
    "memory": Said("memory, not skill", "记忆，不是本事"),
    "missing": Said("not measured", "未测量"),
}

DOORS: dict[str, Said] = {
    "folder": Said("a model folder", "模型目录"),
    "python": Said("a Python callable", "Python 可调用对象"),
    "transformers": Said("the transformers library", "transformers 库"),
    "http": Said("an HTTP endpoint", "HTTP 服务"),
}

PAGE: dict[str, Said] = {
    "title": Said("How far to trust “{name}”", "{name} 可以信到几分"),
    "lead": Said("Measured on {n} texts of {data}.", "在 {data} 的 {n} 条文本上测得。"),
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

# What records say, and its Chinese. {…} stands for anything, and is carried over.
SENTENCES: dict[str, str] = {
    # titles
    "Accuracy": "准确率",
    "Recall of the weakest label, '{label}'": "最弱标签“{label}”的召回率",
    "F1, mean over the labels": "各标签 F1 的平均",
    "Accuracy minus that of a bag of words": "准确率减去词袋模型的准确率",
    "Expected calibration error (top label, 15 bins of equal size)": "期望校准误差（最可能的标签，15 个等量分箱）",
    "Smooth calibration error (smECE)": "平滑校准误差（smECE）",
    "Mean confidence minus accuracy": "平均置信度减去准确率",
    "Brier score, 0 to 2": "Brier 分数，0 到 2",
    "Negative log-likelihood of the true label": "真实标签的负对数似然",
    "Area under risk and coverage (AURC)": "风险–覆盖率曲线下面积（AURC）",
    "Area under generalized risk and coverage (AUGRC)": "广义风险–覆盖率曲线下面积（AUGRC）",
    "Accuracy of the answers it gives": "它给出的回答的准确率",
    "Share of the texts that it answers": "它回答的文本所占比例",
    "Share of the conformal sets that hold the true label": "包含真实标签的共形集合所占比例",
    "Labels in a conformal set, mean": "共形集合的平均标签数",
    # families, where one was not measured at all
    "how often it is right, for each label, and against a bag of words": "它有多常答对：逐个标签，并与词袋模型比较",
    "whether its confidence means what it says": "它的置信度可信吗",
    "what is gained by answering only where it is confident": "只答有把握的，能好多少",
    "what the policy promises, and keeps": "策略保证了什么，是否做到",
    # what a value is read against
    "always answering '{label}', the most frequent label": "总是回答最常见的标签“{label}”",
    "answering at random": "随机回答",
    "no better than {name}": "与{name}不相上下",
    "median of a perfectly calibrated model with these confidences; 95 % read under {value}": (
        "置信度相同而完全校准的模型的中位数；其中 95 % 低于 {value}"
    ),
    "a calibrated model": "完全校准的模型",
    "always answering the shares of the labels": "总是回答各标签的占比",
    "a confidence that says nothing; a perfect one would give {value}": "毫无信息的置信度；完美的置信度为 {value}",
    "answering every text": "每条文本都答",
    "what was promised": "所保证的",
    "labels drawn at random that hold the true one as often": "随机抽标签、同样经常包含真实标签",
    # what is assumed
    "the texts are independent draws": "文本彼此独立",
    "the groups of texts are independent draws": "各组文本彼此独立",
    "texts to come are like these": "以后的文本与这些同类",
    "texts to come are like the calibration split": "以后的文本与校准数据同类",
    "the lowest of {count} labels: its value errs to the low side": "{count} 个标签中最低的，因此偏低",
    "both learned from the same texts; if the classifier learned from others, the difference is of data, too": (
        "两者学的是同一批文本；如果分类器学的是别的文本，差别里也有数据的份"
    ),
    "the interval mirrors the bootstrap's percentiles, since noise moves this measure upward; it is cut at 0": (
        "区间是自助法分位数的镜像，因为噪声会使这个数偏高；在 0 处截断"
    ),
    "a few texts that were answered wrongly with certainty can decide it": "几条十分肯定却答错的文本就能左右它",
    "{count} of the sets are empty: none of the labels is likely enough": "{count} 个集合是空的：没有一个标签的概率够高",
    # rows, lines, axes
    "label": "标签",
    "labels in the set": "集合里的标签数",
    "the classifier": "分类器",
    "a perfect confidence": "完美的置信度",
    "confidence": "置信度",
    "share of right answers": "正确率",
    "coverage: the share that is answered, the most confident first": "覆盖率：回答的比例，最有把握的在先",
    "risk: the share of those that is wrong": "风险：其中答错的比例",
    "TF-IDF of {grams}, logistic regression": "词袋模型（{grams}的 TF-IDF，逻辑回归）",
    "1- and 2-grams": "一元和二元词组",
    "1- and 2-grams of jieba's words": "jieba 分词的一元和二元词组",
    "1- to 3-grams of characters": "一到三个字的字组",
    # why not
    "no training texts were named for a bag of words to learn from; add --train DATA": (
        "没有指定训练文本供词袋模型学习；加上 --train DATA"
    ),
    "no bag of words can be learned: {why}": "学不出词袋模型：{why}",
    "no threshold: {why}; about {count} would do": "没有阈值：{why}；大约 {count} 个就够",
    "no threshold: {why}": "没有阈值：{why}",
    "at no threshold that was tried are more than {target} of its answers right": (
        "试过的阈值都不能使 {target} 以上的回答正确"
    ),
    "the strictest threshold that was tried did not prove the target on these {count} labels": (
        "试过的最严的阈值，在这 {count} 个标签上也没能证明达到要求"
    ),
    "{count} labels are too few to prove {target}": "{count} 个标签太少，证明不了 {target}",
    "it answers none of these texts": "这些文本它一条也不答",
    "{some} of {all} texts were in its training data: a figure of memory": (
        "{all} 条文本中有 {some} 条在它的训练数据里，数字反映的是记忆"
    ),
    "{more} more answers are needed, and {left} calls are left of {budget}": (
        "还要问 {more} 条，而预算 {budget} 次只剩 {left} 次"
    ),
    "{door} gives no {what}": "{door} 不提供 {what}",
    # what was sampled
    "{some} of {all} texts were trained on, and left out": "{all} 条文本中有 {some} 条训练时用过，已去掉",
    "{some} texts that also stand in the calibrate split were left out": "{some} 条同时出现在校准数据里的文本已去掉",
    "{some} of {all} texts of the {part} split": "{part} 部分 {all} 条文本中的 {some} 条",
    "{name}: {some} of {all} texts of the report split": "{name}：测量数据 {all} 条文本中的 {some} 条",
    "only {families} was to be measured": "只要求测量 {families}",
    "stopped by the user": "被用户叫停",
}


def say(language: Language, en: str, zh: str) -> str:
    """One of the two."""
    return zh if language == "zh" else en


def words_of(measure: Measure) -> Words | None:
    """What there is to say about it; None: only its own title."""
    return MEASURES.get(measure.name)


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
        return re.compile(
            "".join(f"(?P<{part}>.+?)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts)), re.DOTALL
        )

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
    elif unit in ("texts", "tokens"):
        written = f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"
    elif unit == "seconds":
        return _seconds(value)
    else:
        written = f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"
    written = written.replace("-", "\u2212")
    return written if bare or unit not in UNITS else f"{written}\u00a0{UNITS[unit].in_(language)}"


def _seconds(value: float) -> str:
    if abs(value) < 0.1:
        return f"{1000 * value:.3g}\u00a0ms"
    return f"{value:.3g}\u00a0s" if value < 100 else f"{value:,.0f}\u00a0s"


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
