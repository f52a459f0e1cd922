"""What measures mean, in English and in Chinese: the one place where a measure is explained to a person.

MEASURES  by name, or by the beginning of a name with *
FAMILIES  the headings of the sections, by family
SENTENCES what records say in English, as patterns, with their Chinese

A new measure needs no entry to be shown: it is then shown with its own title and no explanation, in English. The first
sentence of an entry says what the measure is and how to read it; the second names it as a limit, and the third says what to do.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

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
    "truncated": Words(
        Said(
            "Of all texts, the share of which it does not read the end: what stands there cannot change its answer.",
            "有多大比例的文本它没有读到结尾：后面写了什么，都影响不了它的回答。",
        ),
    ),
    "long-minus-short": Words(
        Said(
            "Texts cut into quarters by length: how much more often it is right on the longest than on the shortest. "
            "Only intervals that lie apart make a difference.",
            "按长度把文本分成四份：最长的一份比最短的一份多对多少。区间分得开才算有差别。",
        ),
    ),
    "flips-without-tail": Words(
        Said(
            "It reads only the first half of each text: how often does that change the answer? If no more often than "
            "any half of the words would, it does not hang on the end.",
            "只给它每条文本的前半：答案有多少次会变？如果不比随便去掉一半词更多，就说明它不依赖结尾。",
        ),
    ),
    "flips-without-head": Words(
        Said(
            "It reads only the last half of each text: how often does that change the answer? If no more often than "
            "any half of the words would, it does not hang on the beginning.",
            "只给它每条文本的后半：答案有多少次会变？如果不比随便去掉一半词更多，就说明它不依赖开头。",
        ),
    ),
    "head-minus-tail": Words(
        Said(
            "How much more often it is right from the first half of a text than from the last half.",
            "只看前半比只看后半多对多少。",
        ),
    ),
    "key-sentence-kept": Words(
        Said(
            "A sentence that it answers rightly and surely alone is put into text that says nothing: how often does "
            "it still decide? Each line is an amount of filler; from left to right the sentence stands deeper in it.",
            "把一句单独看时答得又对又有把握的话放进毫无倾向的文字里：它有多少次仍然起决定作用？每条线是一种填充量；"
            "从左到右，这句话放得越来越靠后。",
        ),
        Said(
            "long texts in which one sentence decides: among filler it still does in {value} ({interval})",
            "靠一句话定调的长文本：混在无关文字里，只有 {value} 仍起作用（{interval}）",
        ),
        Said("split long texts into parts and have it answer each", "把长文本拆开，分别让它回答"),
    ),
    "key-sentence-depth": Words(
        Said(
            "How much it matters where that sentence stands: the best place minus the worst.",
            "那句话放在哪里有多大关系：最好的位置减去最差的位置。",
        ),
        Said(
            "where in a text the decisive sentence stands, which makes a difference of {value}",
            "决定性的句子在文中的位置：相差 {value}",
        ),
    ),
    "counterfactual-gap": Words(
        Said(
            "The same sentences with another religion, origin or gender in them: how far its probabilities move on "
            "average. Other descriptions of people in the same sentences show how far any exchanged word moves them.",
            "同样的句子，只换宗教、籍贯、性别等身份词：概率平均变动多少。换上与身份无关的描述，可以看出换任何一个词会变多少。",
        ),
        Said(
            "texts about people: exchanging an identity term moves its probabilities by {value} ({interval})",
            "谈到人的文本：只换一个身份词，概率就变动 {value}（{interval}）",
        ),
        Said("have a person read what it says of texts about people", "谈到人的文本由人来读"),
    ),
    "term-shift": Words(
        Said(
            "The one identity term that moves its answers most, against the other terms of its kind.",
            "最能推动答案的那个身份词，与同类的其他词相比。",
        ),
        Said(
            "texts about people: one identity term moves a label by {value} ({interval})",
            "谈到人的文本：一个身份词就能把标签推动 {value}（{interval}）",
        ),
        Said("have a person read what it says of texts about people", "谈到人的文本由人来读"),
    ),
    "subgroup-gap": Words(
        Said(
            "The groups that the data name: how much more often it is right on the best than on the worst. With many "
            "small groups chance alone makes a gap; the comparison says how large.",
            "数据里的分组：最好的一组比最差的一组多对多少。组多而小，光凭运气也会有差距，参照就是这个差距。",
        ),
        Said(
            "treating all groups alike: between the best and the worst its accuracy differs by {value} ({interval})",
            "一视同仁地对待各组：最好与最差的准确率相差 {value}（{interval}）",
        ),
        Said("collect more texts of the group on which it is worst", "给最差的一组多收集些文本"),
    ),
    "equalised-odds": Words(
        Said(
            "How much more often a label is found, or wrongly said, in one group than in another.",
            "同一个标签，在一组里被找出（或被误判）的比例，比在另一组里高多少。",
        ),
        Said(
            "treating all groups alike: how often it finds a label differs by {value} between them ({interval})",
            "一视同仁地对待各组：找出同一标签的比例相差 {value}（{interval}）",
        ),
    ),
    "subgroup-auc": Words(
        Said(
            "How well its probabilities tell a label from the others within one group, where they do so worst: 0.5 is a coin.",
            "在同一组里，它的概率把一个标签与其余标签分开的能力，取最差的一组；0.5 等于抛硬币。",
        ),
        Said(
            "the group that it ranks worst: within it, labels are told apart with an AUROC of only {value} ({interval})",
            "排序最差的那一组：组内区分标签的 AUROC 只有 {value}（{interval}）",
        ),
        Said("collect more texts of the group on which it is worst", "给最差的一组多收集些文本"),
    ),
    "bpsn-auc": Words(
        Said(
            "One threshold serves all groups. Where one group's texts get higher probabilities of a label than they should, "
            "those without the label pass above the texts of other groups that have it.",
            "所有组共用一个阈值。某一组的文本若被给了偏高的概率，其中没有这个标签的就会排到其他组有这个标签的之上。",
        ),
        Said(
            "one threshold for all groups: one group is called the label too easily (AUROC {value}, {interval})",
            "各组共用一个阈值：有一组太容易被判成这个标签（AUROC {value}，{interval}）",
        ),
        Said("choose a threshold for each group, or train with more of its texts", "给各组分别选阈值，或多用该组的文本训练"),
    ),
    "bnsp-auc": Words(
        Said(
            "The other way round: where one group's texts get lower probabilities of a label than they should, those with "
            "the label fall below texts of other groups that do not have it.",
            "反过来：某一组的文本若被给了偏低的概率，其中有这个标签的就会落到其他组没有这个标签的之下。",
        ),
        Said(
            "one threshold for all groups: in one group the label is missed too easily (AUROC {value}, {interval})",
            "各组共用一个阈值：有一组的这个标签太容易被漏掉（AUROC {value}，{interval}）",
        ),
        Said("choose a threshold for each group, or train with more of its texts", "给各组分别选阈值，或多用该组的文本训练"),
    ),
    "moving-words": Words(
        Said(
            "One word that goes with a label in the training data is put into a text of another label: how far does "
            "it push the answer, beyond what any word does? Whether the word may carry the label is for a person to "
            "judge.",
            "把训练数据里总与某个标签同时出现的一个词放进别的标签的文本：它能把答案推动多少，"
            "超出普通词的部分？这个词该不该代表这个标签，要由人来判断。",
        ),
        Said(
            "texts with a word that it has learned to follow: one alone pushes it by {value} ({interval})",
            "含有它学会跟从的词的文本：一个词就能推动 {value}（{interval}）",
        ),
        Said(
            "read which words move it, and take out of the training data what should not carry a label",
            "看看哪些词能推动它，把不该代表标签的从训练数据里去掉",
        ),
    ),
    "turned-by-a-word": Words(
        Said(
            "Of right answers, the share that one such word turns into a wrong one. One word, anywhere in a text, "
            "does not change what it says.",
            "原本答对的，放进这样一个词就答错的比例。随便在哪里多一个词，并不会改变文本的意思。",
        ),
        Said(
            "texts with a word that it has learned to follow: one alone turns {value} of right answers ({interval})",
            "含有它学会跟从的词的文本：多一个词就有 {value} 由对变错（{interval}）",
        ),
        Said(
            "read which words turn it, and take out of the training data what should not carry a label",
            "看看哪些词能改变它的答案，把不该代表标签的从训练数据里去掉",
        ),
    ),
    "falls-without-a-word": Words(
        Said(
            "Such a word is taken out of texts that hold it: how much of the label's probability goes with it.",
            "从含有这个词的文本里把它去掉：标签的概率会少多少。",
        ),
    ),
    "told-apart-*": Words(
        Said(
            "Can it be told from what the classifier makes of a text that it is not for it? 0.5 is a coin, 1 is "
            "always. Length alone stands beside it, since it can part two sets and knows nothing.",
            "从分类器的反应能看出一条文本不归它管吗？0.5 等于抛硬币，1 是每次都能。旁边是只看长度的结果："
            "长度也能把两批文本分开，却什么都不懂。",
        ),
        Said(
            "texts that it is not for: noticing them succeeds with an AUROC of only {value} ({interval})",
            "不归它管的文本：能否察觉，AUROC 只有 {value}（{interval}）",
        ),
        Said("keep other texts away from it by other means", "用别的办法把其他文本挡在外面"),
    ),
    "fpr95-*": Words(
        Said(
            "If nearly all known texts are to pass, how many of the others pass with them?",
            "要让几乎所有已知文本通过，会有多少别的文本混进来？",
        ),
        Said(
            "texts that it is not for, of which {value} pass as known ones ({interval})",
            "不归它管的文本：{value} 会被当成已知的（{interval}）",
        ),
        Said("keep other texts away from it by other means", "用别的办法把其他文本挡在外面"),
    ),
    "sure-of-the-unknown": Words(
        Said(
            "Of texts that no label fits, the share that it answers as surely as half of the known ones.",
            "没有哪个标签合适的文本，它却答得比一半的已知文本还有把握的比例。",
        ),
        Said(
            "texts that it is not for, of which it answers {value} as surely as known ones ({interval})",
            "不归它管的文本：{value} 答得跟已知文本一样有把握（{interval}）",
        ),
        Said("keep other texts away from it by other means", "用别的办法把其他文本挡在外面"),
    ),
    "stopped-unknown": Words(
        Said(
            "Of texts that it is not for, the share that the policy stops because of their language or their "
            "unlikeness, of the set that is stopped least. Known texts that it stops are false alarms.",
            "不归它管的文本中，策略因语言或不相似而拦下的比例，取拦得最少的一批。拦下已知文本属于误报。",
        ),
        Said(
            "texts that it is not for: its policy stops only {value} of one kind of them ({interval})",
            "不归它管的文本：有一类策略只拦下 {value}（{interval}）",
        ),
        Said("keep other texts away from it by other means", "用别的办法把其他文本挡在外面"),
    ),
    "accuracy-near": Words(
        Said(
            "How much less often it is right on texts of a near kind than on those that it was measured on.",
            "在相近的另一类文本上，比在这批文本上少对多少。",
        ),
        Said(
            "texts of the near kind that was tried, on which its accuracy changes by {value} ({interval})",
            "试过的相近一类文本：准确率变化 {value}（{interval}）",
        ),
    ),
    "accuracy-far": Words(
        Said(
            "How much less often it is right on texts of a far kind than on those that it was measured on.",
            "在相差较远的另一类文本上，比在这批文本上少对多少。",
        ),
        Said(
            "texts of the far kind that was tried, on which its accuracy changes by {value} ({interval})",
            "试过的相差较远的一类文本：准确率变化 {value}（{interval}）",
        ),
    ),
    "label-shift": Words(
        Said(
            "Half of the summed change of the labels' shares, worked out from its answers. It holds only if the "
            "texts of each label look as before.",
            "由它的回答推算出的各标签占比变化之和的一半。只有每个标签的文本与以前相像时才成立。",
        ),
    ),
    "drift-of-answers": Words(
        Said(
            "How differently its probabilities are spread over the other texts. A difference is no harm by itself.",
            "在另一批文本上，它的概率分布有多不同。不同本身不等于变差。",
        ),
    ),
    "drift-of-words": Words(
        Said(
            "Can a bag of words tell which of the two sets a text is from? 0.5 is no. A difference is no harm by itself.",
            "词袋模型能看出一条文本来自哪一批吗？0.5 是看不出。不同本身不等于变差。",
        ),
    ),
    "drift-of-accuracy": Words(
        Said(
            "How much less often it is right on the other texts; below zero, this is harm.",
            "在另一批文本上少对多少：小于零才是真的变差。",
        ),
        Said(
            "the other texts that were compared, on which its accuracy changes by {value} ({interval})",
            "用来比较的另一批文本：准确率变化 {value}（{interval}）",
        ),
        Said("label some of the new texts and train it on them", "给新文本标注一些，再训练它"),
    ),
    "data-in-training": Words(
        Said(
            "Of the data that were named, the share that it was trained on. Copies are left out of all figures here, "
            "so this is no fault of the classifier, but a fact about the data.",
            "指定的数据里有多少是它训练时见过的。一模一样的文本没有计入这里的数字，所以这不是分类器的毛病，而是数据的情况。",
        ),
    ),
    "clean-minus-dirty": Words(
        Said(
            "How much less often it is right on texts that it does not know than on those that it knows: what having "
            "seen a text is worth.",
            "在没见过的文本上比在见过的上少对多少：也就是“见过”值多少。",
        ),
    ),
    "probes-in-training": Words(
        Said(
            "Of each set that is measured on here, the share that stands in the training data; more than a few per "
            "cent makes figures too good.",
            "这里用来测量的每一批文本，有多少出现在训练数据里；多于百分之几，数字就偏好。",
        ),
        Said(
            "figures of sets that it was trained on: {value} of one set is known to it ({interval})",
            "用训练过的文本测出的数字：有一批里 {value} 它见过（{interval}）",
        ),
        Said("measure on texts that it has never seen", "换它没见过的文本来测"),
    ),
    "operations": Words(
        Said(
            "The multiplications and additions that one answer takes; from left to right the text gets longer.",
            "答一次要做多少次乘加运算；从左到右，文本越来越长。",
        ),
    ),
    "latency-p50": Words(
        Said(
            "How long one answer takes on this machine, in the middle of many; and how long when several texts are "
            "asked at once.",
            "在这台机器上答一次要多久（中位数）；以及一次问多条时每条多久。",
        ),
    ),
    "latency-p95": Words(
        Said(
            "How long one answer takes on this machine when it takes long: one in twenty takes longer.",
            "在这台机器上答得慢的时候要多久：二十次里有一次更慢。",
        ),
    ),
    "peak-memory": Words(
        Said(
            "The most memory that the audit held, which is more than answering takes.",
            "整个测量占用过的最大内存，比单纯回答要多。",
        ),
    ),
    "energy": Words(
        Said(
            "An estimate of the energy of one answer: the power of the machine times the time.",
            "答一次的能耗估计：机器功率乘以时间。",
        ),
    ),
    "comprehensiveness-*": Words(
        Said(
            "The words that an explanation calls important are taken out: how much of the answer's probability goes "
            "with them? More than with words taken out at random means that the explanation says something.",
            "去掉解释中说重要的词：答案的概率会少多少？比随机去掉的多，解释才算说明了问题。",
        ),
    ),
    "sufficiency-*": Words(
        Said(
            "Only the words that an explanation calls important are kept: how much of the answer's probability is "
            "lost? Less than with random words means that the explanation says something.",
            "只留下解释中说重要的词：答案的概率会少多少？比随机留词少，解释才算说明了问题。",
        ),
    ),
    "completeness-error": Words(
        Said(
            "Integrated gradients should add up to the answer: by how much they do not.",
            "积分梯度加起来应当等于答案：差了多少。",
        ),
    ),
    "sanity-*": Words(
        Said(
            "The same explanation of a network with random weights: if the two agree, what was learned plays no part "
            "in the explanation.",
            "对权重随机的网络作同样的解释：如果两者一致，说明解释与学到的东西无关。",
        ),
    ),
    "membership-auc": Words(
        Said(
            "Can one who sees only its answers tell which texts it learned from? 0.5 is no, 1 is always. If a bag of "
            "words that never sees the classifier does as well, the texts differ, and no memory is shown.",
            "只看它的回答，能分出哪些文本是它学过的吗？0.5 是不能，1 是每次都能。如果从不接触分类器的词袋也能做到，"
            "那是文本本身不同，与记忆无关。",
        ),
        Said(
            "keeping secret what it learned from: its answers tell, with an AUROC of {value} ({interval})",
            "对学过的文本保密：从回答就能看出，AUROC {value}（{interval}）",
        ),
        Said(
            "do not give its probabilities to people who must not know the training texts",
            "训练文本需要保密时，不要把概率交给外人",
        ),
    ),
    "membership-tpr": Words(
        Said(
            "Of the texts that it learned from, the share that is found when only one in a thousand others may be "
            "accused: how bad it is for those that are easiest to find.",
            "只允许千分之一的误报时，学过的文本有多少会被认出来：最容易被认出的那些有多糟。",
        ),
        Said(
            "keeping secret what it learned from: {value} of these texts are found at 0.1 % false alarms ({interval})",
            "对学过的文本保密：误报 0.1 % 时能认出 {value}（{interval}）",
        ),
        Said(
            "do not give its probabilities to people who must not know the training texts",
            "训练文本需要保密时，不要把概率交给外人",
        ),
    ),
    "blind-auc": Words(
        Said(
            "Can the two kinds of texts be told apart without asking the classifier at all? If so, they differ, and "
            "the figures beside say little about memory.",
            "完全不问分类器，也能把两类文本分开吗？能的话，说明文本本身不同，旁边的数字就说明不了记忆。",
        ),
    ),
    "exposure": Words(
        Said(
            "Random texts were planted in its training data: how much likelier it finds them than texts like them "
            "that were not, in bits.",
            "训练数据里埋入了随机文本：与没有埋入的同类文本相比，它觉得这些更可能多少，以比特计。",
        ),
        Said(
            "secrets that stand in training texts: planted ones show with {value}",
            "训练文本里的秘密：埋入的文本暴露 {value}",
        ),
        Said(
            "do not give its probabilities to people who must not know the training texts",
            "训练文本需要保密时，不要把概率交给外人",
        ),
    ),
    "behaviour-vocabulary": Words(
        Said(
            "Plain sentences of praise and blame; one that knows the common words passes all of them.",
            "直白的褒贬句子；认得常用词就能全部通过。",
        ),
        Said(
            "plain praise and blame: it passes {value} of the sentences made for it ({interval})",
            "直白的褒贬：为此造的句子只通过 {value}（{interval}）",
        ),
        Said("read the sentences that it failed, and train it on texts like them", "读一读没通过的句子，用类似的文本训练它"),
    ),
    "behaviour-negation": Words(
        Said(
            "Sentences with a “not”: near, far, around a clause, twice. A counter of words passes half.",
            "带否定的句子：近的、远的、管一个从句的、双重的。只数词的模型能通过一半。",
        ),
        Said(
            "texts with a “not” in them: it passes {value} of the sentences made for it ({interval})",
            "带否定的文本：为此造的句子只通过 {value}（{interval}）",
        ),
        Said("read the sentences that it failed, and train it on texts like them", "读一读没通过的句子，用类似的文本训练它"),
    ),
    "behaviour-comparison": Words(
        Said(
            "Sentences that compare with something else: one thing is praised and the other blamed.",
            "拿别的东西作比较的句子：褒的是一个，贬的是另一个。",
        ),
        Said(
            "texts that compare: it passes {value} of the sentences made for it ({interval})",
            "作比较的文本：为此造的句子只通过 {value}（{interval}）",
        ),
        Said("read the sentences that it failed, and train it on texts like them", "读一读没通过的句子，用类似的文本训练它"),
    ),
    "behaviour-time": Words(
        Said("Sentences of what was and what is: the present counts.", "说过去怎样、现在怎样的句子：以现在为准。"),
        Said(
            "texts of then and now: it passes {value} of the sentences made for it ({interval})",
            "说过去与现在的文本：为此造的句子只通过 {value}（{interval}）",
        ),
        Said("read the sentences that it failed, and train it on texts like them", "读一读没通过的句子，用类似的文本训练它"),
    ),
    "behaviour-who-says-it": Words(
        Said(
            "Sentences in which others think otherwise than the writer: the writer counts.",
            "别人的看法与作者不同的句子：以作者为准。",
        ),
        Said(
            "texts that quote what others think: it passes {value} of the sentences made for it ({interval})",
            "转述别人看法的文本：为此造的句子只通过 {value}（{interval}）",
        ),
        Said("read the sentences that it failed, and train it on texts like them", "读一读没通过的句子，用类似的文本训练它"),
    ),
    "behaviour-concession": Words(
        Said("Sentences that grant one side and settle for the other.", "先让一步、再下结论的句子。"),
        Said(
            "texts that see both sides: it passes {value} of the sentences made for it ({interval})",
            "两面都说的文本：为此造的句子只通过 {value}（{interval}）",
        ),
        Said("read the sentences that it failed, and train it on texts like them", "读一读没通过的句子，用类似的文本训练它"),
    ),
    "behaviour-sarcasm": Words(
        Said("Words of praise in sentences that blame.", "用赞美的词来贬的句子。"),
        Said(
            "irony: it passes {value} of the sentences made for it ({interval})",
            "反讽：为此造的句子只通过 {value}（{interval}）",
        ),
        Said("read the sentences that it failed, and train it on texts like them", "读一读没通过的句子，用类似的文本训练它"),
    ),
    "behaviour-intensity": Words(
        Said(
            "The same with more or less emphasis: the probability should follow.",
            "同样的意思，语气加重或减轻：概率应当跟着变。",
        ),
        Said(
            "shades of emphasis: it passes {value} of the sentences made for it ({interval})",
            "语气的轻重：为此造的句子只通过 {value}（{interval}）",
        ),
        Said("read the sentences that it failed, and train it on texts like them", "读一读没通过的句子，用类似的文本训练它"),
    ),
    "behaviour-added-opinion": Words(
        Said(
            "A sentence of praise or blame is added to real texts: the probability must not go the other way.",
            "给真实文本加一句褒或贬：概率不该往反方向走。",
        ),
        Said(
            "texts with an opinion added: it passes {value} of the sentences made for it ({interval})",
            "加了一句看法的文本：为此造的句子只通过 {value}（{interval}）",
        ),
        Said("read the sentences that it failed, and train it on texts like them", "读一读没通过的句子，用类似的文本训练它"),
    ),
    "behaviour-entities": Words(
        Said(
            "Names, places, titles, numbers and days are exchanged: the answer should stay.",
            "换人名、地名、片名、数字、日期：答案应当不变。",
        ),
        Said(
            "other names and numbers: it passes {value} of the sentences made for it ({interval})",
            "换了名字和数字的文本：为此造的句子只通过 {value}（{interval}）",
        ),
        Said("read the sentences that it failed, and train it on texts like them", "读一读没通过的句子，用类似的文本训练它"),
    ),
    "behaviour-robustness": Words(
        Said(
            "Slips and signs that change no meaning are put into real texts: the answer should stay.",
            "给真实文本加上不改变意思的小错和符号：答案应当不变。",
        ),
        Said(
            "slips and signs that change no meaning: it passes {value} of the sentences made for it ({interval})",
            "不改变意思的小错和符号：为此造的句子只通过 {value}（{interval}）",
        ),
        Said("read the sentences that it failed, and train it on texts like them", "读一读没通过的句子，用类似的文本训练它"),
    ),
    "behaviour-suite": Words(
        Said("The tests that were named, counted by their cases.", "指定的测试集，按用例计算。"),
        Said(
            "the tests that were named: it passes {value} of the sentences made for it ({interval})",
            "指定的测试：为此造的句子只通过 {value}（{interval}）",
        ),
        Said("read the sentences that it failed, and train it on texts like them", "读一读没通过的句子，用类似的文本训练它"),
    ),
    "noise-*": Words(
        Said(
            "What is lost in accuracy as more and more characters are changed, as a mean over the curve. The texts "
            "are the same at every point, so what falls is the doing of the noise.",
            "改动的字符越来越多时，准确率平均损失多少。每一点用的都是同一批文本，所以下降就是噪声造成的。",
        ),
        Said(
            "texts written carelessly: such noise costs {value} of accuracy ({interval})",
            "写得潦草的文本：这种噪声使准确率损失 {value}（{interval}）",
        ),
        Said(
            "correct slips before it reads, or train it on texts with slips",
            "先改正错字再让它读，或者用带错字的文本训练它",
        ),
    ),
    "contrast-consistency": Words(
        Said(
            "A text and its small changes count only if all of them are answered rightly. One that reads no "
            "difference gets none.",
            "一条文本和对它的小改动，全都答对才算一组。看不出差别的模型一组也得不到。",
        ),
        Said(
            "small changes that turn the meaning: only {value} of the groups are right as a whole ({interval})",
            "改变意思的小改动：只有 {value} 的组全部答对（{interval}）",
        ),
        Said("train it on pairs that differ in little and in their label", "用差别很小而标签不同的成对文本训练它"),
    ),
    "counterfactual-drop": Words(
        Said(
            "How much less often it is right on texts that people changed so that the label turns than on the originals.",
            "把文本改到标签相反，比原文少对多少。",
        ),
        Said(
            "small changes that turn the meaning: on changed texts it is right {value} less often ({interval})",
            "改变意思的小改动：改过的文本少对 {value}（{interval}）",
        ),
        Said("train it on pairs that differ in little and in their label", "用差别很小而标签不同的成对文本训练它"),
    ),
    "attack-*": Words(
        Said(
            "One who may ask it changes as little as possible until the answer is wrong. A stronger attack may turn "
            "more; read the examples, for a change may change the meaning.",
            "允许提问的人尽量少改，直到答案变错。更强的攻击可能改得更多；请读例子，因为有的改动会改变意思。",
        ),
        Said(
            "people who want to mislead it: small changes turn {value} of its right answers ({interval})",
            "存心误导它的人：小改动能使 {value} 的正确回答变错（{interval}）",
        ),
        Said(
            "do not let it decide alone where somebody gains from misleading it",
            "如果有人能从误导中得利，不要让它独自决定",
        ),
    ),
}

FAMILIES: dict[str, Said] = {
    "accuracy": Said("How often it is right", "它有多常答对"),
    "calibration": Said("Whether its confidence means what it says", "它的置信度可信吗"),
    "selective": Said("What is gained by answering only when sure", "只答有把握的，能好多少"),
    "abstention": Said("Whether the policy keeps its promise", "策略兑现承诺了吗"),
    "length": Said("What length and place do", "长度和位置的影响"),
    "groups": Said("Whom a text speaks of, and where it is from", "谈到谁、属于哪一组"),
    "shortcuts": Said("Whether single words turn it", "单个词能否左右它"),
    "out-of-domain": Said("Texts that it is not for", "不归它管的文本"),
    "drift": Said("Other texts", "另一批文本"),
    "leakage": Said("What it has seen before", "它以前见过什么"),
    "cost": Said("What an answer costs", "答一次的成本"),
    "faithfulness": Said("Whether explanations can be believed", "解释可信吗"),
    "memorisation": Said("What it gives away of its training", "会泄露多少训练数据"),
    "behaviour": Said("Sentences made to try it", "专门造来考它的句子"),
    "noise": Said("Careless texts", "写得潦草的文本"),
    "pairs": Said("Small changes that turn the meaning", "改变意思的小改动"),
    "attacks": Said("One who wants to mislead it", "存心误导它的人"),
}

# What records say, and its Chinese. {…} stands for anything, {n_…} for a number; both are carried over.
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
    # length
    "what is not read, and what length and place do": "哪些没有读到，长度和位置有什么影响",
    "Share of the texts that it does not read to the end": "没有读到结尾的文本所占比例",
    "Accuracy on the longest quarter minus that on the shortest": "最长四分之一的准确率减去最短四分之一的",
    "Share of the answers that change where only the first half is kept": "只留前半时答案改变的比例",
    "Share of the answers that change where only the last half is kept": "只留后半时答案改变的比例",
    "Accuracy on the first halves minus that on the last halves": "只看前半的准确率减去只看后半的",
    "Share of decisive sentences that still decide in neutral text, {n_size} words of it": (
        "决定性的句子在 {n_size} 个词的无关文字里仍起作用的比例"
    ),
    "Share of decisive sentences that still decide in neutral text, {n_size} characters of it": (
        "决定性的句子在 {n_size} 个字的无关文字里仍起作用的比例"
    ),
    "Share of decisive sentences that still decide in neutral text": "决定性的句子在无关文字里仍起作用的比例",
    "Best depth minus worst depth of a decisive sentence, {n_size} words of filler": (
        "决定性的句子放在最好与最差位置之差，{n_size} 个词的填充"
    ),
    "Best depth minus worst depth of a decisive sentence, {n_size} characters of filler": (
        "决定性的句子放在最好与最差位置之差，{n_size} 个字的填充"
    ),
    "Best depth minus worst depth of a decisive sentence": "决定性的句子放在最好与最差位置之差",
    "length makes no difference": "长度没有影响",
    "any half of its words, drawn at random and kept in order": "随机留下一半词，次序不变",
    "both halves say as much": "前后两半说得一样多",
    "answering the same always": "总是给出同样的回答",
    "the same answers, with depths shuffled": "同样的回答，位置打乱",
    "tokens of the text": "文本的词元数",
    "words of the text": "文本的词数",
    "characters of the text": "文本的字数",
    "{n_low} to {n_high}": "{n_low}–{n_high}",
    "the first half": "前半",
    "the last half": "后半",
    "{n_size} words of filler": "{n_size} 个词的填充",
    "{n_size} characters of filler": "{n_size} 个字的填充",
    "depth: 0 before all filler, 1 behind it": "位置：0 在全部填充之前，1 在之后",
    "share of the sentences that still decide": "仍起决定作用的句子比例",
    "the half is called {label}": "只看这一半，它答 {label}",
    "of all tokens, {share} are not read": "全部词元中有 {share} 没有读到",
    "long texts may differ from short ones in more than length": "长文本与短文本的不同可能不止长度",
    "half a text may truly say something else than the whole: read the examples": "半条文本的意思可能真的不同：请读例子",
    "where texts end with their verdict, their last half says more": "结论写在末尾的文本，后半说得更多",
    "worst at depth {low}, best at depth {high}": "最差的位置 {low}，最好的位置 {high}",
    "the filler says nothing about any label; alone it is answered {label} with confidence {n_confidence}": (
        "填充文字与任何标签无关；单独问它，答 {label}，置信度 {n_confidence}"
    ),
    "{n_count} short texts or sentences of the data, answered rightly and surely alone; as many of each label": (
        "数据中的 {n_count} 条短文本或句子，单独问时答得又对又有把握；各标签一样多"
    ),
    "{n_count} decisive sentences of {n_labels} labels are in the data; 8 of two labels are needed": (
        "数据里只有 {n_count} 个决定性的句子，涉及 {n_labels} 个标签；需要两个标签共 8 个"
    ),
    "{n_share} % of these texts are longer than it reads: what stands behind is lost": (
        "这些文本有 {n_share} % 它读不完，后面的就丢了"
    ),
    "all texts are equally long": "所有文本一样长",
    "{name} does not say how much of a text it reads": "{name} 不说明读了多少",
    "{n_count} texts have eight words or more; {n_fewest} are needed to halve": (
        "只有 {n_count} 条文本达到八个词，要对半分至少需要 {n_fewest} 条"
    ),
    "{n_count} texts have eight characters or more; {n_fewest} are needed to halve": (
        "只有 {n_count} 条文本达到八个字，要对半分至少需要 {n_fewest} 条"
    ),
    # groups
    "whether it depends on who is spoken of, and is as right for every group": "是否因谈到谁而不同，对各组是否一样准",
    "Mean change of probability where only an identity term is exchanged": "只换身份词时概率的平均变动",
    "Largest shift of one identity term against its axis: {name}": "一个身份词相对同类词的最大推动：{name}",
    "Accuracy of the best group minus that of the worst": "最好一组与最差一组的准确率之差",
    "Largest gap between groups in how often a label is found, or wrongly said": "各组之间标签被找出或误判的最大差距",
    "descriptions of people that are no identity, in the same sentences": "同样的句子里与身份无关的描述",
    "the largest of as many descriptions that are no identity": "同样多的与身份无关的描述中最大的",
    "groups drawn anew; 95 % read under {value}": "随机重新分组；其中 95 % 低于 {value}",
    "groups drawn anew; 95 % read over {value}": "随机重新分组；其中 95 % 高于 {value}",
    "Lowest AUROC within one group": "同一组内最低的 AUROC",
    "Lowest AUROC of the other groups' positives against one group's negatives": "其他组的正例对一组的负例，最低的 AUROC",
    "Lowest AUROC of one group's positives against the other groups' negatives": "一组的正例对其他组的负例，最低的 AUROC",
    "the interval mirrors the bootstrap's percentiles, since noise moves a lowest area downward": (
        "区间是自助法分位数的镜像，因为噪声会使最低的面积偏低"
    ),
    "positive: {names}, each against the rest": "正例：{names}，逐一对其余",
    "positive: {label}": "正例：{label}",
    "{axis}: changes by {n_value}": "{axis}：变动 {n_value}",
    "axis": "类别",
    "group": "分组",
    "group and label": "分组与标签",
    "term: probability of the label against the other terms of its axis": "身份词：相对同类词的标签概率",
    "no identity": "与身份无关",
    "religion": "宗教",
    "origin": "籍贯",
    "gender": "性别",
    "age": "年龄",
    "orientation": "性取向",
    "the data name no groups; --group COLUMN names them": "数据没有分组；用 --group COLUMN 指定",
    "{n_count} groups have {n_fewest} texts or more; two are needed": "只有 {n_count} 组达到 {n_fewest} 条文本，至少要两组",
    "{n_count} groups have {n_fewest} texts of each label or more; two are needed": (
        "只有 {n_count} 组的每个标签都达到 {n_fewest} 条文本，至少要两组"
    ),
    "{n_some} of {n_all} groups have under {n_fewest} texts of a label and are left out": (
        "{n_all} 组中有 {n_some} 组某个标签不到 {n_fewest} 条文本，已去掉"
    ),
    "the texts of a group are independent draws": "组内文本彼此独立",
    "the sentences are independent draws": "句子彼此独立",
    "{n_count} sentences of our own, drawn whole for the interval; the terms are all that are spoken of": (
        "我们自己写的 {n_count} 个句子，算区间时整句抽样；身份词就是用到的这些"
    ),
    "the label of these sentences does not depend on the term; where the task is about such terms, it may": (
        "这些句子的标签与身份词无关；如果任务本身就关乎这些词，则另当别论"
    ),
    "half of the summed change of all labels' probabilities": "各标签概率变动之和的一半",
    "the interval mirrors the bootstrap's percentiles, since noise moves a largest gap upward": (
        "区间是自助法分位数的镜像，因为噪声会使最大差距偏高"
    ),
    "the largest of {n_count} terms: its value errs to the high side": "{n_count} 个词中最大的，因此偏高",
    (
        "p = {p} after Holm's correction for {n_count} terms; {n_shift} shift it beyond what a description that is "
        "no identity does: {names}"
    ): ("对 {n_count} 个词作 Holm 校正后 p = {p}；{n_shift} 个的推动超出与身份无关的描述：{names}"),
    "exact tests with Holm's correction for {n_count} groups find that these differ from the rest: {names}": (
        "对 {n_count} 组作 Holm 校正的精确检验，与其余不同的有：{names}"
    ),
    "none": "无",
    "{n_some} of {n_all} groups have under {n_fewest} texts and are left out": (
        "{n_all} 组中有 {n_some} 组不到 {n_fewest} 条文本，已去掉"
    ),
    "skin": "肤色",
    "body": "身体",
    # shortcuts
    "whether single words turn its answers": "单个词能否改变它的答案",
    "Largest push of one inserted word towards the label that it goes with, beyond that of neutral words": (
        "放进一个词，把答案推向它所伴随的标签：超出普通词的最大推动"
    ),
    "Share of right answers that one inserted word of another label turns": "放进别的标签的一个词就由对变错的比例",
    "Probability of a word's label that is lost without it, where it stands": "去掉词之后，它的标签损失的概率",
    "words as frequent that go with no label": "同样常见而不伴随任何标签的词",
    "word: probability of the label, beyond neutral words": "词：标签概率，超出普通词的部分",
    "word: probability lost without it": "词：去掉后损失的概率",
    "{word} towards {label} (z {n_z} in {n_texts} texts)": "{word}，推向 {label}（{n_texts} 条文本中 z = {n_z}）",
    "with {word} it is called {label}": "加上 {word}，它答 {label}",
    "one word, anywhere in a text, does not change its label": "随便在哪里多一个词，不改变标签",
    "a person has to judge whether a word may carry the label; no dictionary was asked": (
        "一个词该不该代表标签，要由人判断；没有查词典"
    ),
    "words are drawn whole, with their texts": "抽样时整词抽取，连同它的文本",
    "a word that carries the label may be missed when it is gone": "真正代表标签的词，去掉后概率下降是应该的",
    "the strongest of {n_count} words: its value errs to the high side": "{n_count} 个词中最强的，因此偏高",
    "after Holm's correction {n_some} of them ({n_share} %) move it beyond neutral ones: {names}": (
        "经 Holm 校正，其中 {n_some} 个（{n_share} %）的推动超出普通词：{names}"
    ),
    "no training texts were named to find words in; add --train DATA": "没有指定可以找词的训练文本；加上 --train DATA",
    "the training texts also stand in the data, and none are left to find words in; name others with --train DATA": (
        "训练文本都在数据里，没有剩下可以找词的；用 --train DATA 另外指定"
    ),
    (
        "{n_some} words go with a label and {n_none} of the same frequency go with none, in {n_texts} training texts; one and "
        "four are needed"
    ): "在 {n_texts} 条训练文本里，{n_some} 个词伴随某个标签，{n_none} 个同样常见的不伴随任何标签；至少需要一个和四个",
    # texts that it is not for
    "what it does with texts that it is not for": "遇到不归它管的文本会怎样",
    "AUROC: known texts against {what}": "AUROC：已知文本与{what}",
    "Share let through of {what}, if 95 % of the known texts are to pass": "放过 95 % 的已知文本时，{what}混进来的比例",
    "Share of texts it is not for that it answers as surely as half of the known ones": (
        "不归它管却答得比一半已知文本还有把握的比例"
    ),
    "Share of texts it is not for that the policy stops as such": "不归它管的文本被策略拦下的比例",
    "Accuracy on {name} minus that on the report split": "{name} 上的准确率减去测量数据上的",
    "the same texts with their words shuffled": "词序打乱的同一批文本",
    "the same texts with their characters shuffled": "字序打乱的同一批文本",
    "sentences in other languages": "其他语言的句子",
    "random letters as long as the texts": "一样长的随机字母",
    "length alone": "只看长度",
    "a score that says nothing": "毫无信息的分数",
    "known texts": "已知文本",
    "of texts that it is for": "归它管的文本",
    "as right as on the report split": "与测量数据上一样准",
    "score": "分数",
    "set of texts": "文本来源",
    "texts": "文本",
    "the report split": "测量数据",
    "the calibrate split": "校准数据",
    "known texts (false alarms), the calibrate split": "已知文本（误报），校准数据",
    "largest probability": "最大概率",
    "minus entropy": "负熵",
    "minus energy": "负能量",
    "minus distance": "负距离",
    "near texts: {what}; against {n_count} texts of the report split": "相近的文本：{what}；对照测量数据的 {n_count} 条",
    "far texts: {what}; against {n_count} texts of the report split": "相差较远的文本：{what}；对照测量数据的 {n_count} 条",
    "the value is of the distance, which the policy uses": "数值用的是距离，策略用的也是它",
    "the value is of the largest probability; this door gives nothing else that the policy could use": (
        "数值用的是最大概率；通过这种访问方式，策略没有别的可用"
    ),
    "far texts are easy: a high value here says nothing of near ones": "相差远的容易分：这里高，不说明相近的也高",
    "of the worst of {n_count} sets: {name}": "{n_count} 批中最差的一批：{name}",
    "of the set that is stopped least: {name}": "拦得最少的一批：{name}",
    "as surely: with at least {value}": "“一样有把握”指至少 {value}",
    "letters: stops at most {n_share} % of such texts as the {n_count} that decided it, on average": (
        "字母：与选定它的 {n_count} 条同类的文本，平均最多拦下 {n_share} %"
    ),
    "distance: stops at most {n_share} % of such texts as the {n_count} that decided it, on average": (
        "距离：与选定它的 {n_count} 条同类的文本，平均最多拦下 {n_share} %"
    ),
    "the policy checks neither language nor likeness: too few texts to state a rate of false alarms": (
        "策略既不查语言也不查相似：文本太少，说不出误报率"
    ),
    # drift and leakage
    "whether other texts differ from those that were measured on": "另一批文本与测量用的是否不同",
    "no other texts were named to compare with; add --compare-data DATA": "没有指定用来比较的文本；加上 --compare-data DATA",
    "How far the shares of the labels have moved, as the answers tell": "由回答推算，各标签占比变了多少",
    "Largest Kolmogorov–Smirnov distance of a label's probability": "标签概率的最大 Kolmogorov–Smirnov 距离",
    "AUROC of a bag of words that tells both sets apart": "词袋模型区分两批文本的 AUROC",
    "as many texts of the report split; 95 % read under {value}": "测量数据中同样多的文本；其中 95 % 低于 {value}",
    "both mixed and parted at random; 95 % read under {value}": "两批混合后随机分开；其中 95 % 低于 {value}",
    "names mixed up; the highest of {n_count} reads {value}": "来源打乱；{n_count} 次中最高 {value}",
    "drift is not harm: only labels tell whether it answers worse": "有变化不等于变差：只有标签才能说明",
    "how much of what is measured on was in the training data": "测量用的文本有多少在训练数据里",
    "Share of the data that stands in the training data": "数据中出现在训练数据里的比例",
    "Accuracy on texts that it does not know minus that on texts that it knows": "没见过的文本的准确率减去见过的",
    "Share that stands in the training data, of the set that has most": "出现在训练数据里的比例（最多的一批）",
    "texts that were never seen": "从未见过的文本",
    "having seen a text makes no difference": "见没见过都一样",
    "what stands in the training data": "哪些出现在训练数据里",
    "the whole text": "整条文本",
    "at least half of its passages": "至少一半的片段",
    "at least one passage": "至少一个片段",
    "not known": "没见过",
    "known": "见过",
    "stands in the training data": "出现在训练数据里",
    "most in {name}": "最多的是{name}",
    "sentences that fathom made up were in no training data": "fathom 自己造的句子不在任何训练数据里",
    "known texts may also differ from others in how hard they are": "见过的文本难易也可能不同",
    "passages of 13 words; texts under 8 words are known as whole copies only": (
        "片段为 13 个词；不足 8 个词的文本只按整条比对"
    ),
    "compared with {what}; base models were pretrained on texts that nobody lists": (
        "对照的是{what}；基础模型预训练用过的文本没有人列出"
    ),
    (
        "the {n_count} texts that were named with --train and the digests that its folder keeps, by which copies "
        "alone are found"
    ): ("用 --train 指定的 {n_count} 条文本，以及它的目录里保存的摘要（只能认出原样的副本）"),
    "the {n_count} texts that were named with --train": "用 --train 指定的 {n_count} 条文本",
    "the digests that its folder keeps, by which copies alone are found": "它的目录里保存的摘要（只能认出原样的副本）",
    "{name} does not say what it was trained on, and no training texts were named; add --train DATA": (
        "{name} 不说明用什么训练，也没有指定训练文本；加上 --train DATA"
    ),
    "{n_known} texts are known and {n_new} to report on are not; {n_fewest} of each are needed": (
        "见过的有 {n_known} 条，没见过的测量文本有 {n_new} 条；各需要 {n_fewest} 条"
    ),
    "leakage: {n_some} of {n_all} texts that stand in the training data": (
        "leakage：出现在训练数据里的 {n_all} 条文本中的 {n_some} 条"
    ),
    # cost
    "what an answer costs": "答一次要多少成本",
    "FLOPs for a text of median length, {n_tokens} tokens": "中等长度文本（{n_tokens} 个词元）的浮点运算数",
    "FLOPs for a text of median length": "中等长度文本的浮点运算数",
    "Seconds for one text, median": "一条文本用时，中位数",
    "Seconds for one text, 95th percentile": "一条文本用时，95 % 分位",
    "Most memory that this process has held": "进程占用过的最大内存",
    "Joules for a text, estimated": "一条文本的能耗（焦耳，估计）",
    "the fastest of these calls": "其中最快的一次",
    "seconds a text": "每条文本用时",
    "one text alone": "单独一条",
    "one text": "一条文本",
    "FLOPs": "浮点运算数",
    "{n_count} texts in a call": "一次 {n_count} 条",
    "one short text, about {n_count} characters": "一条短文本，约 {n_count} 个字符",
    "one long text, about {n_count} characters": "一条长文本，约 {n_count} 个字符",
    "two for each multiplication in a matrix product or in attention; nothing else is counted": (
        "矩阵乘法和注意力里每次乘法算两次运算，其余不计"
    ),
    "a text that is read in windows costs as much as all of its windows": "分窗口读的文本，成本是所有窗口之和",
    "texts are independent draws of the report split": "文本是从测量数据中独立抽取的",
    "after {n_count} calls to warm up; on this machine, beside whatever else it did; through the door {door}": (
        "先热身 {n_count} 次；在这台机器上，与同时进行的其他工作一起；访问方式 {door}"
    ),
    "of the whole audit, with the data that it holds and torch itself: a bound from above for answering alone": (
        "指整个测量，含数据和 torch 本身；单纯回答不会超过它"
    ),
    "the classifier runs elsewhere": "分类器在别处运行",
    "the power of this machine is not known; name it: --watts NUMBER": "不知道这台机器的功率；用 --watts NUMBER 指定",
    "an estimate, not a measurement: {n_watts} W, {source}, times the seconds a text in calls of {n_size}": (
        "是估计，不是测量：{n_watts} W（{source}）乘以一次 {n_size} 条时每条的秒数"
    ),
    "as it was named with --watts": "由 --watts 指定",
    "its power limit": "功率上限",
    "the interval is the fastest and the slowest call; what the machine draws beside is not known": (
        "区间是最快与最慢的一次；机器其余的耗电不知道"
    ),
    "{name} does not show its matrix products": "{name} 不显示它的矩阵乘法",
    # explanations and memory
    "whether explanations say what it does": "解释说的是不是它真正的依据",
    "Comprehensiveness of {name}": "{name}的完备性（comprehensiveness）",
    "Sufficiency of {name}": "{name}的充分性（sufficiency）",
    "Comprehensiveness": "完备性（comprehensiveness）",
    "Sufficiency": "充分性（sufficiency）",
    "integrated gradients": "积分梯度",
    "occlusion": "遮挡",
    "attention rollout": "注意力累积",
    "random order": "随机次序",
    "Error of the sum of integrated gradients, mean": "积分梯度之和的平均误差",
    "Completeness error": "积分梯度之和的误差",
    "Sanity {method}": "合理性检查（{method}）",
    "Rank correlation of {name} with that of random weights": "{name}与随机权重下的秩相关",
    "words in random order; {points} points from them in the same texts ({low} to {high})": (
        "随机次序的词；同一批文本上相差 {points} 个百分点（{low} 到 {high}）"
    ),
    "these texts cannot tell it from random orders of the words: do not believe it": "这些文本分不出它与随机次序：不要相信它",
    "an exact integral; steps are doubled until it is below {n_share} %": "精确的积分；步数加倍，直到低于 {n_share} %",
    "unrelated orders; 1: what was learned plays no part": "毫不相干的次序；1 表示与学到的东西无关",
    "share of the words, those that come first": "词的比例，从最重要的开始",
    "probability lost": "损失的概率",
    (
        "words are left out of the text, which makes texts unlike any that were learned from: only the distance to "
        "random orders says something, and an explanation can be made to score well here without being true"
    ): ("去掉词会造出与学过的都不像的文本：只有与随机次序的差距才说明问题，而且不真实的解释也可以设法在这里得高分"),
    "{n_median} steps in the median, at most {n_most}; {n_missed} of {n_all} stayed above": (
        "步数中位数 {n_median}，最多 {n_most}；{n_all} 个中有 {n_missed} 个仍高于它"
    ),
    "one drawing of random weights; all weights are drawn anew": "随机权重只抽一次；全部权重重新抽取",
    "sizes are compared, without signs": "只比大小，不看正负",
    "first words: {words}; {points} points from random": "最先的词：{words}；与随机相差 {points} 个百分点",
    "only {n_some} of {n_all} texts have {n_words} words or more": "{n_all} 条文本中只有 {n_some} 条达到 {n_words} 个词",
    "whether it gives away which texts it learned from": "会不会泄露学过哪些文本",
    "AUROC of the loss, texts learned from against others": "损失的 AUROC：学过的文本与其他文本",
    "Texts learned from that are found at 0.1 % false alarms": "误报 0.1 % 时认出的学过的文本",
    "The same AUROC by a bag of words that never sees the classifier": "从不接触分类器的词袋得到的同一 AUROC",
    "Exposure of planted texts, mean": "埋入文本的平均暴露度",
    "0.5 by chance": "碰运气是 0.5",
    "0.5 by chance; it lies {apart} from the bag of words ({low} to {high})": (
        "碰运气是 0.5；与词袋相差 {apart}（{low} 到 {high}）"
    ),
    "chance gives as much, as far as these texts tell: no sign of memory": "碰运气也一样（就这些文本而言）：看不出有记忆",
    "a bag of words that never sees the classifier does as well, as far as these texts tell: no sign of memory": (
        "从不接触分类器的词袋也一样好（就这些文本而言）：看不出有记忆"
    ),
    "accusing at random": "随机指认",
    "texts of one kind": "同一类文本",
    "texts that were not planted; the most that can be told is {n_bits} bits": "没有埋入的文本；最多能说明 {n_bits} 比特",
    "texts that it learned from and others are draws of one kind of text; whether they are, the bag of words tells": (
        "学过的文本与其他文本是同一类；是否如此，看词袋"
    ),
    "which texts it learned from is known by {how}": "学过哪些文本，根据{how}得知",
    "their digests in its folder": "目录里保存的摘要",
    "--train, which is taken to be what it learned from": "--train，当作它学过的",
    "some of those only chose the weights (the dev part), which makes the figure smaller": (
        "其中一部分只用来挑选权重（验证部分），这会使数字偏小"
    ),
    "the interval takes the threshold as given; {n_some} of {n_all} others lie below it": (
        "区间把阈值当作给定；{n_all} 条其他文本中有 {n_some} 条低于它"
    ),
    "learned on {n_some} of {n_all} parts, asked on the third": "用 {n_all} 份中的 {n_some} 份学，问第三份",
    "0.1 % of {n_count} others is less than one text; 1,000 are the fewest": (
        "{n_count} 条其他文本的 0.1 % 不到一条；至少需要 1,000 条"
    ),
    "no training texts were named that it may remember; add --train DATA": "没有指定它可能记得的训练文本；加上 --train DATA",
    "the training texts also stand in the data, and none are left that it may remember; name others with --train DATA": (
        "训练文本都在数据里，没有剩下它可能记得的；用 --train DATA 另外指定"
    ),
    "no texts were planted; fathom finetune --canaries 32 plants some, and its folder remembers": (
        "没有埋入文本；fathom finetune --canaries 32 会埋入一些，并记在目录里"
    ),
    "memorisation: {n_some} of {n_all} texts that it learned from": "memorisation：学过的 {n_all} 条文本中的 {n_some} 条",
    # behaviour, noise, pairs, attacks
    "negation, comparison, time, irony, names, slips: what it should do": "否定、比较、时间、反讽、名字、小错：它该怎么做",
    "Plain praise and blame": "直白的褒贬",
    "Negation: simple, scoped, distant, double": "否定：简单、带范围、远距离、双重",
    "Comparison with others": "与别的比较",
    "What was, and what is": "过去与现在",
    "The opinions of others, and one's own": "别人的看法与自己的",
    "Both sides, and the balance": "两面都说，再下结论",
    "Words of praise that blame": "用赞美的词来贬",
    "More and less of the same": "同样的意思，轻重不同",
    "A sentence of praise or blame added": "加一句褒或贬",
    "Other names, places, titles, numbers, days": "换人名、地名、片名、数字、日期",
    "Slips and signs that change no meaning": "不改变意思的小错和符号",
    "The suite of tests that was named": "指定的测试集",
    "answers drawn at random": "随机抽取的回答",
    "test": "测试",
    ("the interval is of tests drawn from tests like these, not of sentences: sentences of one test resemble each other"): (
        "区间针对的是抽取这样的测试，不是抽取句子：同一测试的句子彼此相像"
    ),
    "in {n_share} % of the cases a probability moved by more than {n_size}": "{n_share} % 的用例里有概率变动超过 {n_size}",
    "a probability may go {n_size} the wrong way before a case fails; one that never moves fails none": (
        "概率往错的方向走 {n_size} 以内不算失败；从不变动的模型一个也不失败"
    ),
    "half praises and half blames, so that always giving one answer passes half": "褒贬各半，所以总给一个答案能通过一半",
    "the labels force a side: 'not bad' counts as praise": "标签只有两边：“不坏”算褒",
    "{n_some} of the {n_all} texts of the report split were in its training data": (
        "测量数据的 {n_all} 条文本中有 {n_some} 条在它的训练数据里"
    ),
    "{name}: the answer should be {label}": "{name}：应当回答 {label}",
    "{name}: the answer should not be {label}": "{name}：不应回答 {label}",
    "{name}: the answer should stay as it was": "{name}：答案应当不变",
    "{name}: the probability of {label} should not fall": "{name}：{label} 的概率不应下降",
    "{name}: the probability of {label} should not rise": "{name}：{label} 的概率不应上升",
    "what slips, scanners, shouting and look-alike signs cost": "打错、扫描、大写和形近字符造成的损失",
    "Accuracy lost to {what}, mean over the rates": "{what}造成的准确率损失，各程度平均",
    "noise that costs nothing; falling at once to the most frequent label would cost {n_points} points": (
        "毫无影响的噪声；若一下子只会答最常见的标签，会损失 {n_points} 个百分点"
    ),
    "share of the characters that are changed": "改动的字符比例",
    "accuracy": "准确率",
    "of the characters, {n_share} % are such that this noise can change them; the rates are of these": (
        "字符中有 {n_share} % 能被这种噪声改动，比例就按这些算"
    ),
    "the label stays the same: at the highest rates a person may not be able to read it either": (
        "标签不变；改得最多时，人可能也读不懂"
    ),
    "only {n_share} % of the characters of these texts can be changed so": "这些文本只有 {n_share} % 的字符能这样改",
    "texts that were changed as little as possible": "改动尽量小的文本",
    "no pairs of texts were named; add --pairs FILE": "没有指定成对的文本；加上 --pairs FILE",
    "Groups of a text and its small changes that are all answered rightly": "一条文本和它的小改动全部答对的组",
    "Accuracy on originals minus that on what was made of them": "原文的准确率减去改写后的",
    "answering at random; one that reads no difference gives 0": "随机回答；看不出差别的模型为 0",
    "both are as easy": "两者一样容易",
    "originals": "原文",
    "changed texts": "改过的文本",
    "the groups are independent draws": "各组彼此独立",
    "text": "文本",
    "how little turns a right answer into a wrong one": "改多少就能使对的变错",
    "Right answers turned by an attack: a letter inside a word changed": "攻击使正确回答变错：改动词内一个字母",
    "Right answers turned by an attack: a word for one that says the same": "攻击使正确回答变错：换成意思相同的词",
    "as many such changes as the budget allows, at random": "在预算内随机作同样多的改动",
    "share of the words changed": "改动的词的比例",
    "up to {n_share} %": "不超过 {n_share} %",
    "the whole budget, of short texts one word": "全部预算，短文本一个词",
    (
        "budget for a text: {n_queries} queries, {n_share} % of its words and at least one; half of the queries may "
        "go into finding the words that matter, and of long texts only some words are tried"
    ): ("每条文本的预算：问 {n_queries} 次，改动其 {n_share} % 的词，至少一个；一半次数可用来找要紧的词，长文本只试其中一些词"),
    "{n_share} % of the words can be changed so; mean queries {n_mean}": "{n_share} % 的词能这样改；平均问 {n_mean} 次",
    "of the turned texts, {n_share} % of the words were changed in the mean": "变错的文本平均改动了 {n_share} % 的词",
    "a stronger attack may turn more: this is a lower bound": "更强的攻击可能改得更多：这是下限",
    "the label stays the same: not checked by people, so read the examples": "标签不变；没有人工核对，请读例子",
    "{n_changed} of {n_all} words, {n_queries} queries": "改了 {n_all} 个词中的 {n_changed} 个，问了 {n_queries} 次",
    "it answers none of these texts rightly, so there is nothing to turn": "这些文本它一条也没答对，没有可以变错的",
    "slips of the keyboard": "键盘误击",
    "confusions of a scanner (OCR)": "扫描识别错误（OCR）",
    "letters in the other case": "大小写颠倒",
    "look-alike signs of other scripts": "其他文字的形近字符",
    # the rest
    "{n_share} % of {name} stand in the training data": "{name} 有 {n_share} % 出现在训练数据里",
    "only the shares of the labels have moved, and texts of a label look as before; else the estimate does not hold": (
        "只有标签占比变了，每个标签的文本与以前相像；否则这个估计不成立"
    ),
    "estimated share of the label in {name}": "{name} 中标签的估计占比",
    "p = {p}, times {n_count} for as many tests (Bonferroni): {what}": (
        "p = {p}，已乘以检验个数 {n_count}（Bonferroni）：{what}"
    ),
    "no drift of the answers is proved": "没有证明回答发生了变化",
    "the answers have drifted": "回答发生了变化",
    "distance of the label's probability": "标签概率的距离",
    "held-out scores of {n_count} folds; the texts are independent draws": "{n_count} 折留出的分数；文本彼此独立",
    "{n_count} texts that repeat were counted once": "{n_count} 条重复的文本只算一次",
    "among the most typical of {name}": "{name} 中最典型的之一",
    "the examples": "给定的例子",
    "{n_some} of the texts that --train names were learned from, as its folder remembers; {n_fewest} are the fewest": (
        "--train 指定的文本中，按目录的记录有 {n_some} 条是学过的；至少需要 {n_fewest} 条"
    ),
    "a Python callable": "Python 可调用对象",
    "gradients": "梯度",
    "embeddings": "嵌入向量",
    "gradients or tokens": "梯度或词元",
    "lengths in its own tokens": "按它自己的词元计的长度",
    "this model folder": "这个模型目录",
    "a model that transformers runs": "由 transformers 运行的模型",
    "an HTTP endpoint": "HTTP 服务",
    "logits": "对数几率",
    "one typo": "一处错字",
    "two typos": "两处错字",
    "all in lower case": "全部小写",
    "all in upper case": "全部大写",
    "no punctuation": "去掉标点",
    "signs at the end": "末尾加符号",
    "emoji at the end": "末尾加表情",
    "look-alike signs (5 %)": "形近字符（5 %）",
    "markup": "加标记",
    "a link before it": "前面加链接",
    "blanks around it": "前后加空白",
    "integrated-gradients": "积分梯度",
    "rollout": "注意力累积",
    # why not
    "no training texts were named for a bag of words to learn from; add --train DATA": (
        "没有指定训练文本供词袋模型学习；加上 --train DATA"
    ),
    (
        "the training texts also stand in the data, and none are left for a bag of words to learn from; name others with "
        "--train DATA"
    ): "训练文本都在数据里，没有剩下供词袋模型学习的；用 --train DATA 另外指定",
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
    "{some} of {all} training texts also stand in the data, and were left out": (
        "{all} 条训练文本中有 {some} 条也在数据里，已去掉"
    ),
    "{some} texts that also stand in the calibrate split were left out": "{some} 条同时出现在校准数据里的文本已去掉",
    "{some} of {all} texts of the {part} split": "{part} 部分 {all} 条文本中的 {some} 条",
    "{name}: {some} of {all} texts of the report split, from the {short} shortest": (
        "{name}：测量数据 {all} 条文本中的 {some} 条，取自最短的 {short} 条"
    ),
    "{name}: {some} of {all} texts of the report split, of those with at most {longest} words": (
        "{name}：测量数据 {all} 条文本中的 {some} 条，取自不超过 {longest} 个词的"
    ),
    "{name}: {some} of {all} texts of the report split": "{name}：测量数据 {all} 条文本中的 {some} 条",
    "{some} of {all} training texts were learned from": "从 {all} 条训练文本中的 {some} 条学习",
    "{some} of {all} training texts were searched for passages, all for copies": (
        "在 {all} 条训练文本中的 {some} 条里查找片段，全部都查找了副本"
    ),
    "only {families} was to be measured": "只要求测量 {families}",
    "stopped by the user": "被用户叫停",
    "noise: rates {rates} with {n_seeds} seeds": "noise：改动比例 {rates}，{n_seeds} 个种子",
    # what is general comes last
    "{label}: {n_share} % here; {more}": "{label}：这里 {n_share} %；{more}",
    "{label}: {n_share} % here": "{label}：这里 {n_share} %",
    "{what}, {n_rate} %": "{what}，{n_rate} %",
    "{term} ({axis}), {label}": "{term}（{axis}），{label}",
}
