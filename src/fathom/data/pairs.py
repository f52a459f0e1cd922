"""Two texts in a row and what relates them, for the second task of BERT and of ALBERT.

    [CLS] some sentences [SEP] some more [SEP]

    next sentence    0: the second follows the first in its document    1: it comes from another document
    (Devlin et al. 2019, 1810.04805, section 3.1)
    sentence order   0: the two follow each other                       1: the same two, swapped
    (Lan et al. 2020, 1909.11942, section 3.1)

Sentences of a document are taken together until they fill a row, and that chunk is cut in two between two of them. Where the
second text comes from elsewhere, the sentences that it took the place of start the next chunk. As many rows have label 0 as 1.
A sentence that is left alone at the end of a document makes no pair, for either label: otherwise its length would tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch

from fathom.data.batches import Batch, padded_length
from fathom.data.corpus import Corpus, Part
from fathom.errors import DataError, SettingsError
from fathom.text import Tokenizer

Relation = Literal["next_sentence", "sentence_order"]

Stretch = tuple[int, int, int]  # a document, and from where to where in it, in tokens


class SentencePairs:
    """The pairs of one epoch, drawn by seed and epoch.

    Args:
        part: of a corpus that was built with sentences.
        length: tokens of a row at most, special ones included. Of two texts that are too long, the longer one loses tokens,
            at its start or at its end.
        short: the share of pairs that are drawn for a random shorter length, as the papers do to see short texts too.

    Attributes:
        labels: (rows,) 0 or 1.
        lengths: (rows,) tokens of each.
        read_share: tokens of text in all rows for each of the part. What was cut off or stood alone is missing from it; second
            texts from elsewhere are read more than once.

    Raises:
        DataError: no document with two sentences, or (for the next sentence) only one document.
        SettingsError: a length that leaves no room, or a tokenizer that does not tell two texts apart.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        part: Part = "train",
        *,
        relation: Relation,
        length: int,
        short: float = 0.1,
        seed: int = 0,
        epoch: int = 0,
    ) -> None:
        self._corpus, self._pad_id = corpus, tokenizer.pad_id
        self._frame = tokenizer.frame(pair=True)
        around = len(self._frame.before) + len(self._frame.between) + len(self._frame.after)
        if not self._frame.between:
            raise SettingsError(
                "the tokenizer puts nothing between two texts", expected="one that does, such as BERT's [CLS] a [SEP] b [SEP]"
            )
        if length - around < 2:
            raise SettingsError(f"rows of {length} tokens leave no room for two texts", expected=f"at least {around + 2}")
        documents = corpus.documents(part)
        if relation == "next_sentence" and len(documents) < 2:
            raise DataError(
                f"{corpus.folder} has one {part} document",
                expected="two or more, to take a second text from another one",
                do="hand in documents one a row, or train without next sentences",
            )
        generator = np.random.default_rng([seed, epoch])
        drawn = list(_draw(corpus, documents, relation, length - around, short, generator))
        if not drawn:
            raise DataError(
                f"{corpus.folder}: none of its {len(documents):,} {part} documents has two sentences",
                expected="documents of several sentences, and a corpus that was built with sentences",
                do="build it with the language of the texts as `sentences`, or train without pairs",
            )
        firsts, seconds, labels = zip(*drawn, strict=True)
        order = generator.permutation(len(drawn))
        self._first, self._second = np.array(firsts)[order], np.array(seconds)[order]
        self.labels: np.ndarray = np.array(labels, dtype=np.int64)[order]
        self.lengths: np.ndarray = self._first[:, 2] - self._first[:, 1] + self._second[:, 2] - self._second[:, 1] + around
        self._longest = int(self.lengths.max())
        self.read_share = float((self.lengths - around).sum() / corpus.lengths[documents].sum())

    def __len__(self) -> int:
        return len(self.labels)

    def stretches(self, row: int) -> tuple[Stretch, Stretch]:
        """Where the two texts of a row come from."""
        first, second = ((int(one[0]), int(one[1]), int(one[2])) for one in (self._first[row], self._second[row]))
        return first, second

    def batch(self, rows: np.ndarray) -> Batch:
        """The rows as one batch, padded to the longest of them (see `padded_length`)."""
        lengths = self.lengths[rows]
        longest = padded_length(int(lengths.max()), self._longest)
        token_ids = np.full((len(rows), longest), self._pad_id, dtype=np.int64)
        segment_ids = np.zeros((len(rows), longest), dtype=np.int64)
        word_starts = np.ones((len(rows), longest), dtype=bool)
        frame = self._frame
        for place, row in enumerate(rows.tolist()):
            texts = [self._corpus.tokens(*stretch) for stretch in self.stretches(row)]
            words = [self._corpus.word_starts(*stretch) for stretch in self.stretches(row)]
            parts = (frame.before, texts[0], frame.between, texts[1], frame.after)
            sizes = [len(part) for part in parts]
            here = (place, slice(0, sum(sizes)))
            token_ids[here] = np.concatenate(parts)
            segment_ids[here] = frame.segments(sizes[1], sizes[3])
            for begin, starts in ((sizes[0], words[0]), (sum(sizes[:3]), words[1])):
                word_starts[place, begin + 1 : begin + len(starts)] = starts[1:]  # a text starts with a word
        padding = None if (lengths == longest).all() else np.arange(longest) >= lengths[:, None]
        return Batch(
            token_ids=torch.from_numpy(token_ids),
            padding_mask=None if padding is None else torch.from_numpy(padding),
            segment_ids=torch.from_numpy(segment_ids),
            labels=torch.from_numpy(self.labels[rows]),
            example_ids=rows.tolist(),
            tokens=int(lengths.sum()),
            word_starts=torch.from_numpy(word_starts),
        )


def _draw(
    corpus: Corpus, documents: np.ndarray, relation: Relation, room: int, short: float, generator: np.random.Generator
) -> Iterator[tuple[Stretch, Stretch, int]]:
    """First text, second text, label."""
    labels = _balanced(generator)
    for document in generator.permutation(documents).tolist():
        ends = corpus.sentence_ends(document).tolist()
        starts = [0, *ends[:-1]]
        at = 0
        while at < len(ends) - 1:
            target = int(generator.integers(2, room + 1)) if generator.random() < short else room
            last = at + 1
            while last < len(ends) - 1 and ends[last] - starts[at] < target:
                last += 1
            cut = int(generator.integers(at + 1, last + 1))
            first, second = (document, starts[at], starts[cut]), (document, starts[cut], ends[last])
            at, label = last + 1, next(labels)
            if label and relation == "next_sentence":
                second = _from_elsewhere(corpus, documents, document, target - (first[2] - first[1]), generator)
                at = cut
            first, second = _shortened(first, second, room, generator)
            yield (second, first, 1) if label and relation == "sentence_order" else (first, second, label)


def _balanced(generator: np.random.Generator) -> Iterator[int]:
    """0 and 1 in random order, again and again."""
    while True:
        yield from generator.permutation(2).tolist()


def _from_elsewhere(
    corpus: Corpus, documents: np.ndarray, document: int, wanted: int, generator: np.random.Generator
) -> Stretch:
    """Some sentences of another document, from a random one on: `wanted` tokens, or up to its end."""
    while (other := int(documents[generator.integers(len(documents))])) == document:
        pass
    ends = corpus.sentence_ends(other)
    first = int(generator.integers(len(ends)))
    start = int(ends[first - 1]) if first else 0
    last = min(max(first, int(np.searchsorted(ends, start + wanted))), len(ends) - 1)
    return other, start, int(ends[last])


def _shortened(first: Stretch, second: Stretch, room: int, generator: np.random.Generator) -> tuple[Stretch, Stretch]:
    """Both, with tokens taken from the longer one, each from its start or its end, until they fit."""
    sizes = [end - start for _, start, end in (first, second)]
    if sum(sizes) <= room:
        return first, second
    smaller = min(sizes)
    if smaller > room // 2:  # both lose some
        kept = ((room + 1) // 2, room // 2)
    else:
        kept = (room - smaller, smaller) if sizes[0] > sizes[1] else (smaller, room - smaller)
    return _cut(first, kept[0], generator), _cut(second, kept[1], generator)


def _cut(stretch: Stretch, kept: int, generator: np.random.Generator) -> Stretch:
    document, start, end = stretch
    from_start = int(generator.binomial(end - start - kept, 0.5))
    return document, start + from_start, start + from_start + kept
