"""Which label is the good one: what tests of praise and blame must know before they can call an answer wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fathom.errors import SettingsError
from fathom.limits.classifier import NotMeasurableError

# Names of a good label, and of a bad one, as they are used; compared without case, blanks and signs.
_PAIRS = (
    ("positive", "negative"),
    ("pos", "neg"),
    ("good", "bad"),
    ("fresh", "rotten"),
    ("favourable", "unfavourable"),
    ("favorable", "unfavorable"),
    ("recommended", "notrecommended"),
    ("thumbsup", "thumbsdown"),
    ("like", "dislike"),
    ("praise", "blame"),
    ("happy", "unhappy"),
    ("satisfied", "dissatisfied"),
    ("正面", "负面"),
    ("积极", "消极"),
    ("正向", "负向"),
    ("好评", "差评"),
    ("好", "坏"),
    ("推荐", "不推荐"),
    ("1", "0"),
    ("1", "-1"),
)
_GOOD = frozenset(good for good, _ in _PAIRS)
_BAD = frozenset(bad for _, bad in _PAIRS)
_NEUTRAL = frozenset({"neutral", "neither", "mixed", "none", "other", "0", "中性", "中立", "一般"})


@dataclass(frozen=True)
class Polarity:
    """Class numbers."""

    good: int
    bad: int
    neutral: int | None  # None: the classifier must take a side


def polarity_of(labels: Sequence[str], *, positive: str | None = None) -> Polarity:
    """Told by the names of the labels, or by the user.

    Args:
        labels: by class number. Two, or three of which one is neutral.
        positive: the good one, named; of two labels the other is the bad one.

    Raises:
        NotMeasurableError: the names do not tell, or there are other labels beside them.
        SettingsError: `positive` is no label.
    """
    names = [_plain(label) for label in labels]
    if positive is not None and positive not in labels:
        raise SettingsError(f"there is no label {positive!r}", expected=f"one of {', '.join(labels)}")
    for good, bad in _PAIRS:
        if positive is not None and _plain(positive) != good:
            continue
        if good in names and bad in names:
            rest = [place for place, name in enumerate(names) if name not in (good, bad)]
            if not rest or (len(rest) == 1 and names[rest[0]] in _NEUTRAL):
                return Polarity(names.index(good), names.index(bad), rest[0] if rest else None)
    if positive is not None and len(labels) == 2:
        place = list(labels).index(positive)
        return Polarity(place, 1 - place, None)
    shown = ", ".join(labels[:8]) + (", …" if len(labels) > 8 else "")
    raise NotMeasurableError(
        f"the labels {shown} do not tell which one praises and which one blames"
        + (
            "; name the one that praises: --positive LABEL"
            if len(labels) == 2
            else "; two are needed, or three with a neutral one"
        )
    )


def polarity_by_name(name: str) -> bool | None:
    """Whether a label of somebody else's data is a good one (True), a bad one (False), or cannot be told (None)."""
    plain = _plain(name)
    return True if plain in _GOOD else False if plain in _BAD else None


def _plain(label: str) -> str:
    """`-1` keeps its sign, since it is a number."""
    text = label.strip().casefold()
    return text if text.lstrip("-").isdigit() else "".join(sign for sign in text if sign.isalnum())
