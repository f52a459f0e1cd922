"""Which texts a model was trained on, as digests, so that any later measurement can say how many of its texts were seen.

A digest is 64 bits of SHA-256 over the text without case, punctuation, markup and white space. The file holds no text, but
whoever has a text can find out with it whether the model saw that text.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from fathom.data import Example, text_digest
from fathom.errors import ModelFolderError

SEEN = "seen_texts.safetensors"


class SeenTexts:
    """A set of digests."""

    def __init__(self, digests: Iterable[int] = ()) -> None:
        self.digests = set(digests)

    def add(self, example: Example) -> int:
        """Adds an example's text (and second text); returns its digest."""
        digest = text_digest(example)
        self.digests.add(digest)
        return digest

    def __contains__(self, example: object) -> bool:
        return isinstance(example, Example) and text_digest(example) in self.digests

    def __len__(self) -> int:
        return len(self.digests)

    def save(self, path: Path) -> None:
        """Sorted, as safetensors."""
        save_file({"digests": np.array(sorted(self.digests), dtype=np.uint64)}, path)

    @classmethod
    def load(cls, path: Path) -> SeenTexts:
        """What `save` wrote.

        Raises:
            ModelFolderError: damaged.
        """
        try:
            return cls(map(int, load_file(path)["digests"]))
        except (SafetensorError, KeyError) as error:
            raise ModelFolderError(f"{path} is damaged: {error}", expected="the file as it was written") from error
