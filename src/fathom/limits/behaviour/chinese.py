"""Templates in Chinese. Our own sentences and words; anybody may use them for anything (CC0)."""

from __future__ import annotations

from fathom.limits.behaviour.wording import Directed, Language, Sided, Swapped

_WORDS = {
    "thing": (
        "这家酒店",
        "这部电影",
        "这本书",
        "这家餐厅",
        "这台电脑",
        "这次旅行",
        "这里的服务",
        "这部手机",
        "这场演出",
        "这顿饭",
    ),
    # each fits behind 很 and behind 不
    "good": ("好", "出色", "让人满意", "值得推荐", "让人喜欢", "舒心", "精彩", "让人开心"),
    "bad": ("差", "糟糕", "让人失望", "让人讨厌", "让人后悔", "让人难受", "让人生气", "让人厌烦"),
    "love": ("很喜欢", "非常喜欢", "很满意", "很欣赏"),
    "hate": ("很讨厌", "非常反感", "很不满意", "很失望"),
    "name": ("小王", "李明", "张丽", "陈老师", "阿强", "刘芳", "老赵", "小梅", "周姐", "马丁"),
    "place": ("北京", "成都", "广州", "哈尔滨", "昆明", "西安", "青岛", "拉萨", "厦门", "长沙"),
    "title": ("蓝色港湾", "七扇窗", "北方来信", "钟表匠", "长桌", "纸桥", "第四封信", "石板街"),
    "day": ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日"),
    "number": ("十一", "十七", "二十三", "三十八", "四十二", "五十六", "六十四", "七十九"),
}


def _said(capability: str, name: str, praise: str, blame: str, *, mild: str = "") -> Sided:
    return Sided(capability, name, praise, blame, "praise" in mild, "blame" in mild)


_SIDED = (
    _said("vocabulary", "很", "{thing}很{good}。", "{thing}很{bad}。"),
    _said("vocabulary", "真", "{thing}真{good}！", "{thing}真{bad}！"),
    _said("vocabulary", "我喜欢, 我讨厌", "我对{thing}{love}。", "我对{thing}{hate}。"),
    _said(
        *("vocabulary", "在事实之后"),
        "{day}我和{name}还有{number}个人一起去的，{thing}很{good}。",
        "{day}我和{name}还有{number}个人一起去的，{thing}很{bad}。",
    ),
    _said("negation", "并不", "{thing}并不{bad}。", "{thing}并不{good}。", mild="praise"),
    _said("negation", "一点也不", "{thing}一点也不{bad}。", "{thing}一点也不{good}。", mild="praise"),
    _said("negation", "从来没有", "{thing}从来没有{bad}过。", "{thing}从来没有{good}过。", mild="praise"),
    _said("negation", "没有哪里", "{thing}没有哪里{bad}。", "{thing}没有哪里{good}。", mild="praise"),
    _said("negation", "没有人会说", "没有人会说{thing}{bad}。", "没有人会说{thing}{good}。", mild="praise"),
    _said("negation", "我不觉得（范围）", "我不觉得{thing}{bad}。", "我不觉得{thing}{good}。", mild="praise"),
    _said("negation", "不能不说（双重）", "我不能不说，{thing}很{good}。", "我不能不说，{thing}很{bad}。"),
    _said("negation", "不是不（双重）", "谁都不会不觉得{thing}{good}。", "谁都不会不觉得{thing}{bad}。"),
    _said(
        *("negation", "隔得很远"),
        "我并没有像{name}上个{day}在{place}跟我说的那样，觉得{thing}很{bad}。",
        "我并没有像{name}上个{day}在{place}跟我说的那样，觉得{thing}很{good}。",
        mild="praise",
    ),
    _said(
        "negation", "以为，其实不", "我以为{thing}会很{bad}，其实不是。", "我以为{thing}会很{good}，其实不是。", mild="praise"
    ),
    _said("negation", "问和答", "{thing}{bad}吗？一点也不。", "{thing}{good}吗？一点也不。", mild="praise"),
    _said("negation", "不但，而且", "{thing}不但{good}，而且{good2}。", "{thing}不但{bad}，而且{bad2}。"),
    _said("comparison", "比别的", "{thing}比别的都好。", "{thing}比别的都差。"),
    _said("comparison", "别的都比", "别的都比{thing}差。", "别的都比{thing}好。"),
    _said("comparison", "再好不过", "没有比{thing}更{good}的了。", "没有比{thing}更{bad}的了。"),
    _said("comparison", "比想象的", "{thing}比我想象的好得多。", "{thing}比我想象的差得多。"),
    _said("time", "以前，现在", "以前觉得{thing}很{bad}，现在觉得很{good}。", "以前觉得{thing}很{good}，现在觉得很{bad}。"),
    _said("time", "开始，最后", "开始觉得{thing}{bad}，最后才发现很{good}。", "开始觉得{thing}{good}，最后才发现很{bad}。"),
    _said("time", "现在，虽然以前", "{thing}现在很{good}，虽然以前很{bad}。", "{thing}现在很{bad}，虽然以前很{good}。"),
    _said("time", "不再", "{thing}不再{bad}了。", "{thing}不再{good}了。", mild="praise"),
    _said(
        "who-says-it",
        "他说，我觉得",
        "{name}说{thing}很{bad}，我却觉得很{good}。",
        "{name}说{thing}很{good}，我却觉得很{bad}。",
    ),
    _said(
        *("who-says-it", "都说，我发现"),
        "大家都说{thing}{bad}，去了才知道很{good}。",
        "大家都说{thing}{good}，去了才知道很{bad}。",
    ),
    _said("who-says-it", "说错了", "说{thing}{bad}的人都错了。", "说{thing}{good}的人都错了。", mild="praise blame"),
    _said(
        "concession",
        "虽然，但是",
        "虽然有些地方{bad}，但是{thing}总的来说很{good}。",
        "虽然有些地方{good}，但是{thing}总的来说很{bad}。",
    ),
    _said("concession", "尽管", "{thing}总的来说很{good}，尽管开头{bad}。", "{thing}总的来说很{bad}，尽管开头{good}。"),
    _said("concession", "不过", "开头{bad}，不过后面都很{good}。", "开头{good}，不过后面都很{bad}。"),
    # blame in words of praise, beside the same words meant as they stand
    _said("sarcasm", "真是太…了", "{thing}真是太{good}了，下次还来。", "{thing}真是太{good}了，好到我马上要求退钱。"),
    _said("sarcasm", "所谓", "说{thing}“{good}”，果然如此。", "说{thing}“{good}”，呵呵，骗谁呢。"),
    _said("sarcasm", "以至于", "{thing}{good}得我第二天又来了。", "{thing}“{good}”得我十分钟就走了。"),
    _said("sarcasm", "谢谢", "谢谢，{thing}这么{good}。", "谢谢，{thing}这么{bad}。"),
)


def _stronger(name: str, word: str, *, more: bool) -> Directed:
    return Directed(
        *("intensity", name),
        ("{thing}{good}。", f"{{thing}}{word}{{good}}。"),
        ("{thing}{bad}。", f"{{thing}}{word}{{bad}}。"),
        more=more,
    )


_DIRECTED = (
    _stronger("非常", "非常", more=True),
    _stronger("确实", "确实很", more=True),
    _stronger("特别", "特别", more=True),
    Directed(
        *("intensity", "！！！"),
        ("{thing}很{good}。", "{thing}很{good}！！！"),
        ("{thing}很{bad}。", "{thing}很{bad}！！！"),
        more=True,
    ),
    Directed(
        *("intensity", "又"),
        ("{thing}很{good}。", "{thing}很{good}，又很{good2}。"),
        ("{thing}很{bad}。", "{thing}很{bad}，又很{bad2}。"),
        more=True,
    ),
    _stronger("也许", "也许", more=False),
    _stronger("有时候", "有时候", more=False),
)

_CLEAR_AND_MIXED = ("{thing}很{good}。", "{thing}很{bad}。", "{thing}还算{good}，也不全是。", "{thing}有点{bad}，也不全是。")


def _each(sentence: str) -> tuple[str, ...]:
    return tuple(sentence + end for end in _CLEAR_AND_MIXED)


_SWAPPED = (
    Swapped("entities", "人名", "name", _each("我和{name}一起，")),
    Swapped("entities", "地名", "place", _each("那时候我们在{place}，")),
    Swapped("entities", "标题", "title", _each("名字叫《{title}》，")),
    Swapped("entities", "数字", "number", _each("我们一共{number}个人，")),
    Swapped("entities", "日子", "day", _each("那天是{day}，")),
)

CHINESE = Language(
    words=_WORDS,
    sided=_SIDED,
    directed=_DIRECTED,
    swapped=_SWAPPED,
    praise=("我很喜欢。", "推荐给大家。", "真让人高兴。"),
    blame=("我很讨厌。", "大家千万别来。", "真让人失望。"),
)
