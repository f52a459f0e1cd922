"""Canaries: random texts with random labels, planted among training texts so that it can be measured what a model remembers.

Nothing but the planted text itself could teach its label. Beside the planted ones stand texts that were drawn in the same way
and never planted: a model that remembers nothing is as sure of these (Carlini et al. 2019, 1802.08232). The words are from
lists of our own, so a file of canaries tells nothing of the texts among which they stood.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from fathom.data.examples import Example
from fathom.errors import ModelFolderError

CANARIES = "canaries.jsonl"
REFERENCES = 1023  # texts that are not planted: with the canary itself 2¹⁰, so that 10 bits of exposure are the most
WORDS = 10  # in a canary

_WORDS = {
    "en": """
    apple barn basket bell bird blanket boat bottle branch bread brick bridge brush button candle carpet chair cloud coat corner
    cup desk door drum engine fence field finger flag floor flower fork garden gate glass glove hammer harbor hill horse island
    jacket kettle key kitchen ladder lake lamp leaf letter map market mirror morning mountain needle number orange paper pencil
    pillow plate pocket pond radio rain ribbon river road roof rope salt sand shelf ship shirt shoe silver snow spoon stair
    station stone street table ticket tower train tree umbrella valley wagon wall water wheel window winter wood yellow
    """,
    "zh": """
    苹果 篮子 铃铛 小鸟 毛毯 小船 瓶子 树枝 面包 砖头 大桥 刷子 纽扣 蜡烛 地毯 椅子 云朵 大衣 角落 杯子 书桌 大门 鼓声
    引擎 篱笆 田野 手指 旗子 地板 花朵 叉子 花园 玻璃 手套 锤子 港口 山丘 马匹 岛屿 夹克 水壶 钥匙 厨房 梯子 湖水 台灯
    叶子 信封 地图 市场 镜子 早晨 高山 细针 数字 橙子 纸张 铅笔 枕头 盘子 口袋 池塘 雨水 丝带 河流 道路 屋顶 绳子 盐巴
    沙子 架子 轮船 衬衫 鞋子 银色 雪花 勺子 楼梯 车站 石头 街道 桌子 车票 高塔 火车 大树 雨伞 山谷 马车 墙壁 清水 车轮
    窗户 冬天 木头 黄色
    """,
}


@dataclass(frozen=True, slots=True)
class Canary:
    """One text of the kind."""

    text: str
    label: str | None  # that it was planted with; None: it was not planted


def make_canaries(count: int, labels: Sequence[str], *, language: Literal["en", "zh"] = "en", seed: int = 0) -> list[Canary]:
    """`count` canaries with labels, and `REFERENCES` texts without; no two texts are the same.

    Args:
        count: to plant.
        labels: to draw from, each as likely.
    """
    generator = np.random.default_rng([seed, 1802, 8232])
    words, blank = _WORDS[language].split(), {"en": " ", "zh": ""}[language]
    texts: dict[str, None] = {}
    while len(texts) < count + REFERENCES:
        texts[blank.join(words[number] for number in generator.integers(len(words), size=WORDS))] = None
    chosen = generator.integers(len(labels), size=count)
    return [Canary(text, labels[chosen[place]] if place < count else None) for place, text in enumerate(texts)]


def planted(canaries: Sequence[Canary]) -> list[Example]:
    """Those that stand in the training data."""
    return [Example(canary.text, canary.label) for canary in canaries if canary.label is not None]


def canaries_to_json(canaries: Sequence[Canary]) -> str:
    """A line each."""
    return "".join(json.dumps({"text": c.text, "planted_as": c.label}, ensure_ascii=False) + "\n" for c in canaries)


def read_canaries(path: Path) -> list[Canary]:
    """What `canaries_to_json` wrote.

    Raises:
        ModelFolderError: damaged.
    """
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [Canary(str(row["text"]), None if row["planted_as"] is None else str(row["planted_as"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFolderError(f"{path} is damaged: {error}", expected="the file as it was written") from error
