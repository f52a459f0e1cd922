"""How a written answer is read: whether it admits not to know, holds what is right, and says the same as another.

No model judges here: an answer is compared by its words, which errs where the same is said in other words. The examples in the
record are there to be read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

# beginnings and parts of sentences by which a model admits not to know, or refuses; compared without case
ADMITS = (
    *("don't know", "do not know", "not know the answer", "i'm not sure", "i am not sure", "not certain", "unknown"),
    *("not aware of", "not familiar with", "unfamiliar with", "no information", "any information", "not enough information"),
    *("no record", "could not find", "couldn't find", "cannot find", "can't find", "unable to", "cannot answer"),
    *("does not exist", "doesn't exist", "is fictional", "a fictional", "is not a real", "isn't a real", "no such", "no known"),
    *("i'm sorry", "i am sorry", "can't answer", "cannot provide", "can't provide", "there is no", "抱歉"),
    *(
        "不知道",
        "不清楚",
        "不了解",
        "不确定",
        "无法",
        "没有找到",
        "找不到",
        "不存在",
        "虚构",
        "未知",
        "没有相关",
        "没有这",
        "抱歉",
    ),
)
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_]+")
_SENTENCE_END = re.compile(r"(?<=[^A-Z.][.!?])\s|(?<=[。！？])|\n")  # not behind an initial
_EMPTY = frozenset(
    word
    for line in (
        "a an the is are was were be been it its this that he she they i you we of in on at by for to from with and or as",
        "answer who what which where when would has have 的 是 在 了 和 与 这 那 一 个 为 答 案",
    )
    for word in line.split()
)


def words(text: str) -> list[str]:
    """Without case, marks and blanks; Chinese by characters."""
    return _WORD.findall(text.replace("’", "'").replace("U.S.", "US").replace("U.K.", "UK").casefold())


def admits(answer: str) -> bool:
    """Whether it says that it does not know, or refuses."""
    plain = " ".join(answer.replace("’", "'").casefold().split())
    return any(phrase in plain for phrase in ADMITS)


def holds(answer: str, accepted: Sequence[str]) -> bool:
    """Whether one of the accepted answers stands in it, as whole words."""
    found = words(answer)
    for one in accepted:
        wanted = words(one)
        if any(found[start : start + len(wanted)] == wanted for start in range(len(found) - len(wanted) + 1)):
            return True
    return False


def first_sentence(answer: str) -> str:
    """An answer without what follows it."""
    return _SENTENCE_END.split(answer.strip(), maxsplit=1)[0]


def clusters(answers: Sequence[str], question: str) -> list[int]:
    """A number for each answer, the same for answers that say the same.

    Compared are the words of the first sentence that carry meaning and do not stand in the question; of two answers that say
    the same, one holds all of the other's. All that admit not to know are one cluster.
    """
    asked = set(words(question))
    seen: list[frozenset[str]] = []
    numbers = []
    for answer in answers:
        said = words(first_sentence(answer))
        key = frozenset(word for word in said if word not in _EMPTY and word not in asked) or frozenset(said)
        key = frozenset({"?"}) if admits(answer) else key
        number = next((place for place, other in enumerate(seen) if key and (key <= other or other <= key)), len(seen))
        if number == len(seen):
            seen.append(key)
        numbers.append(number)
    return numbers


def entropy(numbers: Sequence[int]) -> float:
    """−Σ p(c) log p(c) in nats, with p(c) the share of the samples in cluster c: discrete semantic entropy (Farquhar et al.
    2024, Nature 630).
    """
    shares = np.bincount(numbers) / len(numbers)
    return float(-(shares * np.log(np.where(shares > 0, shares, 1.0))).sum())
