"""What an answer is worth without some of its words, or with them alone: whether an explanation says what the classifier does.

    words = readable_words(text)                    # [(0, 1), (2, 5), …]
    kept(text, words, {0, 2})                       # the text with these two words only
    erasure_scores(ask, text, words, orders, label) # comprehensiveness and sufficiency of each order of the words

A text with holes is unlike the texts that a classifier has read, and loses confidence whatever is missing (Hooker et al. 2019,
1806.10758; Hsia et al. 2023, 2308.14272). So every figure here means something beside that of random orders only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from fathom.text.splitting import Span, is_han

Ask = Callable[[Sequence[str]], np.ndarray]  # texts -> (n, K) probabilities
SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)  # of the words, at least one of them (DeYoung et al. 2020, section 5)


@dataclass(frozen=True)
class ErasureScores:
    """Of some orders of a text's words, the most important one first (DeYoung et al. 2020, 1911.03429)."""

    comprehensiveness: np.ndarray  # (orders, shares) p(text) − p(text without the first words): the higher, the better
    sufficiency: np.ndarray  # (orders, shares) p(text) − p(the first words alone): the lower, the better


def kept(text: str, words: Sequence[Span], numbers: Collection[int]) -> str:
    """The text with some of its words only: each with the blanks before it, and a blank where two words would grow together.

    What stands behind the last word is white space, and left out.
    """
    pieces: list[str] = []
    last = None
    for number, (start, end) in enumerate(words):
        if number not in numbers:
            continue
        piece = text[words[number - 1][1] if number else 0 : end]
        glued = last is not None and last != number - 1 and piece == text[start:end]
        if glued and _is_letter(pieces[-1][-1]) and _is_letter(piece[0]):
            piece = " " + piece
        pieces.append(piece)
        last = number
    return "".join(pieces).lstrip()


def erasure_scores(
    ask: Ask, text: str, words: Sequence[Span], orders: Sequence[Sequence[int]], label: int, read: Collection[int] | None = None
) -> ErasureScores:
    """Asks for the text without, and with only, the first 1, 5, 10, 20 and 50 % of the words of each order.

    DeYoung's AOPC is the mean over the shares; theirs also counts the empty share, whose value is 0.

    Args:
        ask: answers texts.
        words: where they stand, at least two.
        orders: of numbers of words, each holding all words that are read.
        label: the class whose probability is looked at.
        read: numbers of the words that the classifier reads; the others are left out of every text, so that none of them
            moves into the room that an erased word leaves. None: all.
    """
    whole = set(range(len(words)) if read is None else read)
    counts = [math.ceil(share * len(whole)) for share in SHARES]
    texts = [kept(text, words, whole)]
    for order in orders:
        for count in counts:
            first = set(order[:count])
            texts += [kept(text, words, whole - first), kept(text, words, first)]
    found = ask(texts)[:, label]
    drops = (found[0] - found[1:]).reshape(len(orders), len(SHARES), 2)
    return ErasureScores(drops[..., 0], drops[..., 1])


def occlusion(ask: Ask, text: str, words: Sequence[Span], label: int, read: Sequence[int]) -> np.ndarray:
    """(words that are read,) by how much the log-odds of a label fall when a word alone is left out (Zeiler and Fergus 2014,
    1311.2901, for images; Li et al. 2016, 1612.08220, for words). `read`: as for `erasure_scores`.
    """
    whole = set(read)
    found = log_odds(ask([kept(text, words, whole), *(kept(text, words, whole - {number}) for number in read)]), label)
    drops: np.ndarray = found[0] - found[1:]
    return drops


def log_odds(probabilities: np.ndarray, label: int) -> np.ndarray:
    """(n,) log p(label) − log p(any other), in nats, from (n, K) probabilities."""
    smallest = np.finfo(np.float64).tiny
    others = np.delete(probabilities, label, axis=1).sum(axis=1)
    odds: np.ndarray = np.log(np.maximum(probabilities[:, label], smallest)) - np.log(np.maximum(others, smallest))
    return odds


def _is_letter(sign: str) -> bool:
    return sign.isalnum() and not is_han(sign)
