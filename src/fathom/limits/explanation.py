"""Explained answers in words and as one page, each with what it says of itself: how far the explanation can be believed.

The page has no scripts, holds what it was given escaped, and its content security policy lets nothing be fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fathom.inference.attribution import LARGEST_ERROR, Explanation
from fathom.limits.report import page_template

WHAT = {  # the methods, in a sentence or two
    "integrated-gradients": "Integrated gradients: each number is the word’s share of the log-odds of the answer. Together "
    "with the log-odds where every word is hidden they sum to those of the answer.",
    "occlusion": "Occlusion: each number is by how much the log-odds of the answer fall when this word alone is left out.",
    "rollout": "Attention rollout: each number is the share of this word in what the head reads, if attention alone carried "
    "it. It has no sign, and does not know what the answer is.",
}
CAREFUL = (
    "A text with words left out is unlike any that the classifier has learned from, so a loss of confidence means something "
    "only beside that of random words; and one text is one sample: fathom limits measures the same over many."
)
STRONGEST = 5


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text as it is shown."""

    text: str
    score: float | None  # None: between words, or not read
    strength: float  # |score| over the largest of the text, 0 to 1
    read: bool = True


def pieces(explanation: Explanation) -> Iterator[Piece]:
    """The whole text, word by word and with what stands between them."""
    largest = max((abs(word.score) for word in explanation.words if word.score is not None), default=0.0) or 1.0
    end, read = 0, True
    for word in explanation.words:
        if word.start > end:
            yield Piece(explanation.text[end : word.start], None, 0.0, read and word.score is not None)
        read = word.score is not None
        yield Piece(word.text, word.score, 0.0 if word.score is None else abs(word.score) / largest, read)
        end = word.end
    if end < len(explanation.text):
        yield Piece(explanation.text[end:], None, 0.0, read)


def strongest(explanation: Explanation) -> list[tuple[str, float]]:
    """The words that count most, and what each is worth."""
    scored = [(word.text, word.score) for word in explanation.words if word.score is not None]
    return sorted(scored, key=lambda word: -abs(word[1]))[:STRONGEST]


def is_believable(explanation: Explanation) -> bool:
    """Whether the words that it puts first matter more to the answer than words drawn at random, in this text."""
    found = explanation.faithfulness
    return found is not None and found.comprehensiveness > found.random_comprehensiveness


def belief(explanation: Explanation) -> list[str]:
    """How far an explanation can be believed, in sentences."""
    said = []
    found = explanation.faithfulness
    if found is None:
        said.append("With fewer than two words there is nothing to tell apart.")
    else:
        lost, alone = found.comprehensiveness, found.sufficiency
        said.append(
            f"Without the words that count most the answer loses {_points(lost)} points of confidence, without random words "
            f"{_points(found.random_comprehensiveness)}; with them alone it loses {_points(alone)}, with random words alone "
            f"{_points(found.random_sufficiency)}."
        )
        if not is_believable(explanation):
            said.append("Random words matter as much: do not believe these numbers.")
    if found is not None and explanation.error is not None and explanation.steps is not None:
        off = f"{100 * explanation.error:.1f} %"
        if explanation.error < LARGEST_ERROR:
            said.append(f"The numbers sum to within {off} ({explanation.steps} steps).")
        else:
            said.append(f"The numbers do not sum up: they are {off} off after {explanation.steps} steps.")
    if explanation.unread:
        tokens = "1 token was" if explanation.unread == 1 else f"{explanation.unread:,} tokens were"
        said.append(f"{tokens} not read, and had no part in the answer.")
    return said


def render_explanations(explanations: Sequence[Explanation], *, model: str, version: str) -> str:
    """The page.

    Args:
        explanations: at least one, all by the same method.
        model: its name, as the page shows it.
        version: of fathom.
    """
    return page_template("explanation.html.j2").render(
        c={"title": f"What carried the answers of {model}", "making": {"version": version}},
        what=WHAT[explanations[0].method],
        careful=CAREFUL,
        explained=[
            {
                "e": one,
                "pieces": list(pieces(one)),
                "strongest": strongest(one),
                "belief": belief(one),
                "ok": is_believable(one),
            }
            for one in explanations
        ],
    )


def _points(share: float) -> str:
    return f"{100 * share:.1f}".replace("-", "\u2212")
