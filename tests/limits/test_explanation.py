"""Explanations in words and on a page: whole, escaped, and honest about themselves."""

from __future__ import annotations

import dataclasses

from fathom.inference import Explanation, Faithfulness, Word
from fathom.limits.explanation import belief, is_believable, pieces, render_explanations, strongest
from tests.limits.test_report import HOSTILE, Tags


def explanation(text: str = "a joy <b>to</b> watch", unread: int = 2) -> Explanation:
    words = [
        Word("a", 0, 1, 0.1),
        Word("joy", 2, 5, 2.0),
        Word("to", 9, 11, -1.0),
        Word("watch", 16, 21, None),
    ]
    return Explanation(
        text, "good", 0.9, "integrated-gradients", words, unread, 0.2, 0.003, 16, Faithfulness(0.3, 0.1, 0.05, 0.2)
    )


def test_pieces_are_the_text() -> None:
    found = list(pieces(explanation()))
    assert "".join(piece.text for piece in found) == explanation().text
    assert [piece.strength for piece in found if piece.score is not None] == [0.05, 1.0, 0.5]
    assert [piece.text for piece in found if not piece.read] == ["</b> ", "watch"]
    assert strongest(explanation())[0] == ("joy", 2.0)


def test_belief_says_what_the_figures_say() -> None:
    said = belief(explanation())
    assert "loses 30.0 points of confidence, without random words 5.0" in said[0]
    assert "within 0.3 % (16 steps)" in said[1]
    assert "2 tokens were not read" in said[2]
    doubtful = dataclasses.replace(explanation(unread=1), faithfulness=Faithfulness(0.05, 0.1, 0.05, 0.2), error=0.2)
    assert not is_believable(doubtful)
    said = belief(doubtful)
    assert said[1] == "Random words matter as much: do not believe these numbers."
    assert "they are 20.0 % off after 16 steps" in said[2]
    assert "1 token was not read" in said[3]
    assert "fewer than two words" in belief(dataclasses.replace(explanation(), faithfulness=None))[0]


def test_page_is_escaped_and_fetches_nothing() -> None:
    hostile = dataclasses.replace(
        explanation(),
        text=HOSTILE,
        label=HOSTILE,
        words=[Word(HOSTILE[:20], 0, 20, -1.0), Word(HOSTILE[20:], 20, len(HOSTILE), None)],
    )
    page = render_explanations([explanation(), hostile], model=HOSTILE, version="0")
    tags = Tags()
    tags.feed(page)
    assert "<script" not in page
    assert "<img" not in page
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert page.count('class="against"') == 3  # of the legend, of either text
    assert "src=" not in page.replace("src=x onerror=&#34;", "")
    assert 'title="+2.000"' in page
