"""Small changes to a text that a reader hardly notices: slips of the finger, of a scanner, of the shift key, look-alike signs.

    edit = EDITS["keyboard"]
    edit.places(text)                      # the characters that this kind of noise can change
    noisy(text, edit, 0.05, generator)     # every such character is changed with 5 %

The tables are our own. English and Chinese have different keyboards and look-alikes: one table holds both, since a text may.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fathom.text.splitting import is_han

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    """Keys that touch: beside it, and in the rows above and below, which are shifted by half a key."""
    found = {}
    for row, keys in enumerate(_ROWS):
        for place, key in enumerate(keys):
            near = [keys[p] for p in (place - 1, place + 1) if 0 <= p < len(keys)]
            for other, shifts in ((row - 1, (0, 1)), (row + 1, (-1, 0))):
                if 0 <= other < len(_ROWS):
                    near += [_ROWS[other][place + s] for s in shifts if 0 <= place + s < len(_ROWS[other])]
            found[key] = "".join(near)
    return found


KEYS = _neighbours()

# What a scanner takes for one another, as it is: as it is read. A sign may become two.
_SCANNED = """
o:0 0:o l:1 l:i 1:l i:l i:1 m:rn w:vv d:cl e:c c:e h:b b:6 b:h n:ri n:u u:n u:ii a:o s:5 t:f f:t g:9 g:q q:g r:i v:y y:v k:lc
O:0 I:l I:1 S:5 B:8 Z:2 G:6 E:F D:O 5:S 8:B 2:Z 6:b 9:g
"""
# Characters that differ by a stroke or two.
_STROKES = """
未末 土士 日曰 己已 人入 大太 太犬 王玉 目自 千干 天夫 刀力 午牛 石右 免兔 鸟乌 今令 贝见 历厉 找我 卖买 处外 拔拨
治冶 析折 侯候 哀衰 即既 未木 休体 问间 可司 无元 平乎 情惰 晴睛 请清 该孩 很狠 没设 住往 观现 看着 老考 困因 田由
甲申 书节 电龟 影彭 剧刷 乐东 烂拦 酒洒 店占 务条 服报 质贡 量童 快块 慢漫
"""
# Characters of one syllable: what a Chinese writer is offered beside the right one.
_SYLLABLES = """
的得地 在再 做作坐座 他她它 那哪 是事室市式试 有又友 像向象相 很狠 和合何河 已以一意 没每美 到道倒 看刊 好号
不步部布 了乐 非飞肥 常长场 真针 心新欣 情请清轻 影应硬 电店点 房方放 服福复 务物误 早找 餐参 干甘 静净竟 舒书输
适试式 差茶查 烂滥 值直 快块 慢漫 贵归 便变边 买卖 用永 屏平 本笨 机鸡几 内类 容荣 剧句据 演言眼 员原圆 无五 聊料
推退 见建件
"""


def _table(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for sign, other in pairs:
        found[sign] = tuple(dict.fromkeys((*found.get(sign, ()), other)))
    return found


def _look_alikes() -> dict[str, tuple[str, ...]]:
    """Other code points of the same look: Cyrillic and Greek for Latin letters, Kangxi radicals for Chinese characters."""
    latin, other = "acehijopsuvxyABCEHIJKMNOPSTXYZ", "асеһіјорѕυνхуАВСЕНІЈКМΝОРЅТХУΖ"
    radicals = map(chr, range(0x2F00, 0x2FD6))
    return _table([*zip(latin, other, strict=True), *((unicodedata.normalize("NFKC", sign), sign) for sign in radicals)])


SCANNED = _table(
    [
        *((pair.split(":")[0], pair.split(":")[1]) for pair in _SCANNED.split()),
        *((pair[place], pair[1 - place]) for pair in _STROKES.split() for place in (0, 1)),
    ]
)
TYPED = _table((sign, other) for group in _SYLLABLES.split() for sign in group for other in group if other != sign)
LOOK_ALIKES = _look_alikes()


@dataclass(frozen=True)
class Edit:
    """One kind of noise."""

    name: str
    what: str  # for a person
    at: Callable[[str, int, float], str | None]  # text, place, a draw in [0, 1) -> what stands there then; None: cannot

    def places(self, text: str) -> list[int]:
        """Where it can change something."""
        return [place for place in range(len(text)) if self.at(text, place, 0.0) is not None]


def _pick(options: Sequence[str], draw: float) -> str | None:
    return options[int(draw * len(options))] if options else None


def _keyboard(text: str, place: int, draw: float) -> str | None:
    """A neighbouring key, a key that was missed, one struck twice; in Chinese another character of the same syllable."""
    sign = text[place]
    if is_han(sign):
        return _pick(TYPED.get(sign, ()), draw)
    near = KEYS.get(sign.lower())
    if near is None:
        return None
    near = near.upper() if sign.isupper() else near
    return _pick([*near, "", sign * 2], draw)


def _scanner(text: str, place: int, draw: float) -> str | None:
    return _pick(SCANNED.get(text[place], ()), draw)


def _case(text: str, place: int, draw: float) -> str | None:
    sign = text[place]
    swapped = sign.swapcase()
    return swapped if swapped != sign and len(swapped) == 1 and sign.isascii() else None


def _twin(text: str, place: int, draw: float) -> str | None:
    return _pick(LOOK_ALIKES.get(text[place], ()), draw)


EDITS: dict[str, Edit] = {
    "keyboard": Edit("keyboard", "slips of the keyboard", _keyboard),
    "scanner": Edit("scanner", "confusions of a scanner (OCR)", _scanner),
    "case": Edit("case", "letters in the other case", _case),
    "homoglyph": Edit("homoglyph", "look-alike signs of other scripts", _twin),
}


def noisy(text: str, edit: Edit, rate: float, generator: np.random.Generator) -> str:
    """A text in which each character that can be changed is changed with probability `rate`.

    A generator in the same state changes the same characters, in the same way, at every rate: what is changed at 1 % is
    part of what is changed at 2 %, so that rates are compared on pairs.
    """
    chance, choice = generator.random((2, len(text)))
    made = (edit.at(text, place, choice[place]) if chance[place] < rate else None for place in range(len(text)))
    return "".join(sign if new is None else new for sign, new in zip(text, made, strict=True))


def typo(text: str, generator: np.random.Generator) -> str:
    """Two neighbouring letters inside a word of four or more change places; in Chinese, one character of the same syllable.

    The text itself, where it has no such place.
    """
    places = [
        place
        for word in re.finditer(r"[^\W\d_]{4,}", text)
        for place in range(word.start() + 1, word.end() - 2)
        if text[place] != text[place + 1] and not is_han(text[place]) and not is_han(text[place + 1])
    ]
    if places:
        place = places[int(generator.integers(len(places)))]
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    places = [place for place, sign in enumerate(text) if sign in TYPED]
    if not places:
        return text
    place = places[int(generator.integers(len(places)))]
    return text[:place] + (_pick(TYPED[text[place]], float(generator.random())) or "") + text[place + 1 :]
