"""Next-sentence prediction (Devlin et al. 2019, 1810.04805, section 3.1): did the second text follow the first?

Label 0: it did; 1: it comes from another document. Texts of two documents differ in what they are about, so that most of the
task is solved by counting common words; `objectives/topic_baseline.py` says how much of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from fathom.objectives.relation import Relation


@dataclass(frozen=True)
class NextSentence(Relation):
    """−log p(followed or not | both texts)."""
