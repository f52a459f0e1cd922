"""Sentence order (Lan et al. 2020, 1909.11942, section 3.1): do two texts stand as in their document, or the other way round?

Label 0: in order; 1: swapped. Both come from one place of one document, so that common words do not give the answer away.
"""

from __future__ import annotations

from dataclasses import dataclass

from fathom.objectives.relation import Relation


@dataclass(frozen=True)
class SentenceOrder(Relation):
    """−log p(in order or swapped | both texts)."""
