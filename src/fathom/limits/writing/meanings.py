"""What the measures of a model that writes mean, in English and in Chinese; as limits/meanings.py for classifiers."""

from __future__ import annotations

from fathom.limits.meanings import Said, Words

MEASURES: dict[str, Words] = {
    "closed-book-accuracy": Words(
        Said(
            "Plain questions whose answers most people know, without any text to look them up in. An answer counts as right "
            "where the right words stand in it.",
            "大多数人都知道答案的普通问题，不给任何资料。回答里有正确的词就算对。",
        ),
        Said(
            "facts: of plain questions it answers only {value} rightly ({interval})",
            "事实：普通问题只答对 {value}（{interval}）",
        ),
        Said(
            "give it the text that holds the answer instead of asking from memory", "把含有答案的资料给它，不要让它凭记忆回答"
        ),
    ),
    "abstention-on-invented": Words(
        Said(
            "The same kinds of questions about countries, books and elements that were invented for this audit. The only right "
            "answer is that it does not know. One that says so of real things as often cannot tell the two apart.",
            "同样的问题，问的却是专门虚构的国家、书和元素。唯一正确的回答是不知道。如果对真实事物也同样常说不知道，说明它分不清两者。",
        ),
    ),
    "hallucination": Words(
        Said(
            "How often it names a capital, an author or a symbol of something that does not exist.",
            "对不存在的事物，它有多常给出一个首都、作者或符号。",
        ),
        Said(
            "questions whose answer it may not know: about things that were invented it makes up an answer in {value} of the "
            "cases ({interval})",
            "它可能不知道答案的问题：问到虚构的事物时，{value} 会编造答案（{interval}）",
        ),
        Said(
            "have every fact that it states checked, for it does not say when it does not know",
            "它说的事实都要核对，因为不知道时它不会说",
        ),
    ),
    "false-refusal": Words(
        Said(
            "How often it says that it does not know what most people know. Saying so always would be no merit.",
            "大多数人都知道的事，它有多常说不知道。总说不知道算不上优点。",
        ),
        Said("plain questions, of which it refuses {value} ({interval})", "普通问题：{value} 它说不知道（{interval}）"),
        Said("do not count its refusals as care: it refuses what it could know", "别把它的拒答当作谨慎：能知道的它也拒答"),
    ),
    "choice-accuracy": Words(
        Said("Of questions with answers to choose from, how many it gets right.", "有选项的问题，它答对多少。"),
        Said(
            "choosing among answers: it is right {value} of the time ({interval})", "从选项中挑答案：只对 {value}（{interval}）"
        ),
        Said("do not let it choose without a person who checks", "没有人复核时，不要让它做选择"),
    ),
    "choice-calibration-error": Words(
        Said(
            "How far the probability of its choice lies from how often it is right, on average. On the dashed line, 80 % is "
            "right 80 % of the time; below it the model is surer than it should be.",
            "所选答案的概率与实际正确率平均差多少。在虚线上，80 % 就有 80 % 是对的；在线下方，说明它自信过头。",
        ),
        Said(
            "its probabilities, which are off by {value} on average ({interval})",
            "它给出的概率：平均偏差 {value}（{interval}）",
        ),
        Said("do not show people its probabilities as they are", "不要把它的概率原样给人看"),
    ),
    "choice-overconfidence": Words(
        Said(
            "Mean probability of its choice minus accuracy: above zero it is too sure, below zero it is right more often than "
            "it says.",
            "所选答案的平均概率减去准确率：大于零是自信过头，小于零是信心不足。",
        ),
    ),
    "choice-brier": Words(
        Said(
            "The squared distance of its probabilities from the truth. 0 is perfect, 2 is certain and wrong.",
            "概率与事实之差的平方。0 是完美，2 是百分之百肯定却错了。",
        ),
    ),
    "semantic-entropy-auroc": Words(
        Said(
            "Each question is answered several times, drawn at random. Does it say more different things where it is wrong? 1 "
            "means that its wrong answers always vary more than its right ones, 0.5 that disagreement says nothing.",
            "同一个问题随机答几次。答错的时候，说法是不是更不一致？1 表示错的总比对的更不一致，0.5 表示一致与否说明不了什么。",
        ),
        Said(
            "asking it several times to see whether it knows: its disagreement is not shown to find errors better than chance "
            "({value}, {interval})",
            "多问几次看它是不是真知道：看不出靠不一致发现错误比随机强（{value}，{interval}）",
        ),
        Said("do not take agreement with itself for knowledge", "不要把前后一致当作真知道"),
    ),
    "self-consistency": Words(
        Said(
            "How many of the samples say the same as the commonest answer. The curve shows how often the likeliest answer is "
            "right for each degree of agreement.",
            "多次回答中，与最常见的说法一致的比例。曲线表示一致程度不同时，最可能的回答有多常是对的。",
        ),
    ),
    "consistent-errors": Words(
        Said(
            "Wrong answers that come back in nearly all samples. Asking again does not find these, and no entropy shows them.",
            "几乎每次都一样的错误答案。再问一遍也发现不了，熵也看不出来。",
        ),
        Said(
            "asking again as a check: of its errors it repeats {value} nearly always ({interval})",
            "用再问一遍来检查：它的错误有 {value} 几乎次次相同（{interval}）",
        ),
        Said("check facts elsewhere, not by asking it again", "事实要到别处核对，不能靠再问它一遍"),
    ),
    "effective-context": Words(
        Said(
            "A sentence with a number is put into text that says nothing, and asked for. This is the longest text in which it "
            "surely finds it more often than not; shorter ones that were tried included.",
            "把一个带号码的句子放进无关的文字里，再问这个号码。这里是它仍能稳稳找到（多半找到）的最长文本，更短的也都做到了。",
        ),
        Said(
            "finding things in long texts: beyond {value} it is not shown to find a plain sentence",
            "在长文本里找东西：超过 {value}，就看不出它能找到一个简单的句子",
        ),
        Said("cut long texts into pieces before it reads them", "长文本先切成小段再给它读"),
    ),
    "needle-accuracy": Words(
        Said(
            "How often it finds the number, over all lengths that were tried. The picture shows where in the text it stood.",
            "在试过的所有长度上，它有多常找到号码。图里是句子在文中的位置。",
        ),
        Said("finding a sentence in a text, which it does in {value} of the cases", "在文中找一个句子：只找到 {value}"),
        Said("do not ask it about texts that nobody has read", "没人读过的文本，不要拿去问它"),
    ),
    "several-needles": Words(
        Said(
            "Four sentences of one kind in a text, each with a number of its own: does it name the one that was asked for?",
            "同一篇文字里有四个同类的句子，各有号码：它说出的是被问到的那一个吗？",
        ),
        Said(
            "texts that hold several alike things: it names the right one in {value} of the cases ({interval})",
            "同类事物有好几个的文本：只有 {value} 说对（{interval}）",
        ),
        Said("ask it for one thing at a time, in texts that hold one", "一次只问一件事，文中也只放一件"),
    ),
    "extraction-rate": Words(
        Said(
            "It gets the beginning of a text that it was trained on. In how many cases does it write on exactly as the text "
            "goes on? Held-out texts show how much of that anybody would write.",
            "把训练文本的开头给它，有多少次它一字不差地接着写下去？留出的文本说明其中有多少是谁都会这么写的。",
        ),
        Said(
            "private training text: {value} of the texts come back word for word ({interval})",
            "不能外传的训练文本：{value} 会一字不差地写出来（{interval}）",
        ),
        Said("keep it from people who may not read its training texts", "无权读训练文本的人，不能让他们用这个模型"),
    ),
}

FAMILIES: dict[str, Said] = {
    "closed-book": Said("Whether it says that it does not know", "不知道时它会说吗"),
    "multiple-choice": Said("Whether it picks the right answer, and how sure it is", "选得对吗，有多大把握"),
    "semantic-entropy": Said("Whether it contradicts itself where it is wrong", "答错时它会前后不一吗"),
    "effective-context": Said("How long a text it can use", "它用得上多长的文本"),
    "extraction": Said("What it gives away of its training texts", "会泄露多少训练文本"),
}

SENTENCES: dict[str, str] = {
    # titles
    "Right answers to plain questions about real things": "关于真实事物的普通问题，答对的比例",
    "Questions about invented things where it says that it does not know": "关于虚构事物的问题，它说不知道的比例",
    "Questions about invented things that it answers as if they existed": "关于虚构事物的问题，它当真作答的比例",
    "Questions about real things where it says that it does not know": "关于真实事物的问题，它说不知道的比例",
    "Right answers to questions with choices": "有选项的问题，答对的比例",
    "Calibration error of its choices (5 bins of equal size)": "所选答案的校准误差（5 个等量分箱）",
    "Mean confidence of its choices minus accuracy": "所选答案的平均置信度减去准确率",
    "Brier score of its choices, 0 to 2": "所选答案的 Brier 分数，0 到 2",
    "AUROC of semantic entropy, wrong answers against right ones": "语义熵的 AUROC：错误回答对正确回答",
    "Samples of an answer that agree with the commonest one": "多次回答中与最常见说法一致的比例",
    "Wrong answers that it repeats nearly always": "几乎次次重复的错误回答",
    "Longest text in which it still finds a sentence": "仍能找到一个句子的最长文本",
    "Needles that it finds, at all lengths tried": "在试过的各种长度上找到句子的比例",
    "The right one of {n_needles} needles in a text of {n_length} words": (
        "{n_length} 个词的文字里，从 {n_needles} 个同类句子中说对的比例"
    ),
    "The right one of {n_needles} needles in a text of {n_length} characters": (
        "{n_length} 字的文字里，从 {n_needles} 个同类句子中说对的比例"
    ),
    "Training texts whose continuation comes back word for word": "续写与原文一字不差的训练文本",
    # families, where one was not measured at all
    "whether it says that it does not know": "不知道时它会说吗",
    "whether it picks the right answer, and how sure of it it is": "选得对吗，有多大把握",
    "whether disagreement with itself shows when it is wrong": "前后不一能否说明它错了",
    "how long a text may be until it loses what stands in it": "文本长到多少，它就找不到里面的内容",
    "whether texts that it learned from can be drawn out of it": "能否从它那里套出训练文本",
    # what a value is read against
    "the answers to other questions": "拿别的问题的回答来对",
    "how often it says so of real things": "对真实事物说不知道的比例",
    "one that says that it does not know": "会说不知道的模型",
    "one that knows what most people know": "知道常识的模型",
    "choosing at random": "随机选择",
    "finding all choices equally likely": "认为各选项同样可能",
    "an entropy that says nothing": "什么也说明不了的熵",
    "samples that all say something else": "次次说法都不同",
    "one whose errors vary": "错得次次不同的模型",
    "one that never finds it": "从来找不到的模型",
    "the same questions to a text that does not hold the number": "同样的问题，但文中没有号码",
    "naming any of the needles": "随便说一个号码",
    "{n_count} held-out texts, which it has not seen": "{n_count} 条它没见过的留出文本",
    "a text that nobody has seen, taken never to come back": "谁也没见过的文本，视为不会被写出",
    # assumptions and notes
    "the questions are independent draws": "各问题相互独立",
    "answers are read by their words, not by a model: see the examples": "回答按字词判读，不靠模型：请看例子",
    "the names are drawn from syllables; that nothing bears them was not looked up": (
        "名称由音节随机拼成，没有查证是否真有同名的事物"
    ),
    "an empty answer counts for nothing": "空回答不计在内",
    "the choices stand in a drawn order": "选项顺序是随机的",
    "a choice is as likely as its words behind the question, among the choices; not divided by their number": (
        "选项的概率是它的字词接在问题后面的概率，在各选项间归一；不除以字数"
    ),
    "asked for a letter; an answer without one is wrong": "让它回答字母；没有字母算错",
    "{n_few} of {n_all} answers named no letter": "{n_all} 个回答中有 {n_few} 个没有字母",
    "samples are grouped by their words, without an entailment model: the same in other words counts as different": (
        "多次回答按字词归类，没有用蕴含模型：换个说法会算作不同"
    ),
    "{n_samples} samples of each answer, drawn at temperature {n_t}; right or wrong is the likeliest answer": (
        "每个问题以温度 {n_t} 抽取 {n_samples} 次；对错按最可能的回答算"
    ),
    "nearly always: {share} of the samples agree, on what is wrong": "几乎次次：{share} 的回答一致，而且是错的",
    "found: the lower bound of its accuracy lies above {n_half}; the upper end of the interval takes the upper bound": (
        "找到：正确率的下界高于 {n_half}；区间的上端用上界"
    ),
    "lengths tried: {lengths}": "试过的长度：{lengths}",
    "one plain sentence with a number in neutral text; what has to be understood is lost sooner": (
        "只是无关文字里一个带号码的简单句子；需要理解的内容会更早丢失"
    ),
    "the longest text tried was no limit": "试过的最长文本也没有难住它",
    "the needles are independent draws": "各个句子相互独立",
    "{n_given} of its tokens are given, and the next {n_next} must come back unchanged": (
        "给出它的 {n_given} 个词元，接下来的 {n_next} 个必须一字不差"
    ),
    "{n_given} words are given, and the next {n_next} must come back unchanged": (
        "给出 {n_given} 个词，接下来的 {n_next} 个必须一字不差"
    ),
    "training and held-out texts are draws of one kind of text": "训练文本和留出文本属于同一类",
    "no held-out texts were named (--data): what everybody writes would come back from any model, and counts here": (
        "没有给出留出文本（--data）：谁都会写的话任何模型都写得出，这里也算在内"
    ),
    "{n_few} held-out texts are long enough: what everybody writes would come back from any model, and counts here": (
        "只有 {n_few} 条留出文本够长：谁都会写的话任何模型都写得出，这里也算在内"
    ),
    # reasons
    "no training texts were named; add --train DATA with what it learned from": "没有给出训练文本；加上 --train DATA",
    "this door answers messages only, and a text cannot be continued through it": "这里只回答消息，不能续写文本",
    "this OpenAI-compatible endpoint gives no log-probabilities of texts that it is given": (
        "这个兼容 OpenAI 的服务不给出所给文本的对数概率"
    ),
    "this model folder gives no log-probabilities of texts that it is given": "这个模型目录不给出所给文本的对数概率",
    "{n_few} of the training texts have {n_tokens} tokens or more; {n_fewest} are the fewest": (
        "训练文本只有 {n_few} 条达到 {n_tokens} 个词元；至少要 {n_fewest} 条"
    ),
    "{n_right} right and {n_wrong} wrong answers; {n_fewest} of each are the fewest that can be told apart": (
        "答对 {n_right} 个，答错 {n_wrong} 个；各要 {n_fewest} 个以上才分得出"
    ),
    "{n_wrong} wrong answers; {n_fewest} are the fewest to say how many are repeated": (
        "答错 {n_wrong} 个；至少要 {n_fewest} 个才能说有多少会重复"
    ),
    "a prompt has {n_long} tokens, and {name} reads and writes {n_room} together": (
        "提示有 {n_long} 个词元，而 {name} 读写合计 {n_room} 个"
    ),
    "a question has {n_long} tokens, and {name} reads {n_room}": "问题有 {n_long} 个词元，而 {name} 只读 {n_room} 个",
    "{name} refuses so long a prompt: {why}": "{name} 拒绝这么长的提示：{why}",
    "effective-context: texts of {n_length} {unit} and longer were not asked: {why}": (
        "有效上下文：没有问 {n_length} {unit}及以上的文本：{why}"
    ),
    "effective-context: texts longer than {n_length} {unit} were not asked, since it finds fewer than half there": (
        "有效上下文：没有问超过 {n_length} {unit}的文本，因为到这里它连一半都找不到"
    ),
    "extraction: {n_some} of {n_all} training texts": "套取：{n_all} 条训练文本中的 {n_some} 条",
    "extraction: {n_some} of {n_all} held-out texts": "套取：{n_all} 条留出文本中的 {n_some} 条",
    "multiple-choice: {n_some} of {n_all} questions": "选择题：{n_all} 题中的 {n_some} 题",
    "{n_new} held-out texts that are also in --train were left out": "{n_new} 条留出文本也在 --train 里，已去掉",
    "questions of our own": "自备的问题",
    "questions of our own and {name}": "自备的问题和 {name}",
    # pictures
    "kind of question": "问题类型",
    "capital": "首都",
    "author": "作者",
    "country": "国家",
    "symbol": "化学符号",
    "painter": "画家",
    "continent": "大洲",
    "province": "省份",
    "the model": "这个模型",
    "words": "个词",
    "characters": "个字",
    "share of the samples that agree": "说法一致的比例",
    "words of the text": "文本的词数",
    "characters of the text": "文本的字数",
    "share of the needles that it finds": "找到的比例",
    "depth: 0 before all filler, 1 behind it": "位置：0 在最前，1 在最后",
    "{n_length} words": "{n_length} 个词",
    "{n_length} characters": "{n_length} 个字",
    "{n_length} words, depth {n_depth}": "{n_length} 个词，位置 {n_depth}",
    "{n_length} characters, depth {n_depth}": "{n_length} 个字，位置 {n_depth}",
    "words of the continuation": "续写的词数",
    "share of the texts that agree so far": "到此仍一致的文本比例",
    "training texts": "训练文本",
    "held-out texts": "留出文本",
}
