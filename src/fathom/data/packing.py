"""Whole documents side by side in rows of one length, so that nearly nothing of a batch is padding.

    long document ──cut──► pieces ┐
    short documents ──────────────┴─best fit─► rows      [CLS] a b c [SEP] [CLS] d e [SEP] [PAD]
                                   documents              0    0 0 0 0     1    1 1 1      -1
                                   position_ids           0    1 2 3 4     0    1 2 3      0

With `documents` and `position_ids`, each piece is read as if it stood alone (Krell et al. 2021, 2107.02027). The longest
pieces are placed first, each into the row that it fills best. All is decided by seed and epoch; a row is read from the
corpus when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from fathom.data.batches import Batch, Rows
from fathom.data.corpus import Corpus, Part, ramps
from fathom.errors import SettingsError
from fathom.text import Tokenizer


@dataclass(frozen=True)
class DocumentFrame:
    """The special tokens that stand with documents."""

    before: tuple[int, ...]  # each piece
    after: tuple[int, ...]  # each piece
    end: tuple[int, ...]  # a document's last piece

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> DocumentFrame:
        """What the tokenizer puts around a text ([CLS] … [SEP]); where it puts nothing, its end-of-text token, if any."""
        frame = tokenizer.frame()
        end = () if frame.before or frame.after or tokenizer.eos_id is None else (tokenizer.eos_id,)
        return cls(tuple(frame.before), tuple(frame.after), end)

    def __len__(self) -> int:
        return len(self.before) + len(self.after) + len(self.end)


@dataclass
class EachEpoch:
    """Rows that are drawn anew for every epoch, by the function that draws them."""

    draw: Callable[[int], Rows]
    _last: tuple[int, Rows] | None = field(default=None, init=False)

    def epoch(self, number: int) -> Rows:
        """The rows of an epoch; those of the last one asked for are kept."""
        if self._last is None or self._last[0] != number:
            self._last = number, self.draw(number)
        return self._last[1]


class PackedRows:
    """The rows of one epoch: every token of a part once.

    Args:
        part: of the corpus.
        length: tokens of every row, padding included. A longer document is cut into pieces that fill a row each, and one
            that holds the rest.
        between: two shares of the epoch's documents in their order; what lies between them is read.
        frame: special tokens; None: the tokenizer's.

    Attributes:
        padding_share: of all tokens of the rows.
        unpacked_padding_share: the same if every piece had a row of its own.
        text_bytes: of the documents, for bits per byte.

    Raises:
        DataError: the part is empty.
        SettingsError: a length that leaves no room for text.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        part: Part = "train",
        *,
        length: int,
        seed: int = 0,
        epoch: int = 0,
        between: tuple[float, float] = (0.0, 1.0),
        frame: DocumentFrame | None = None,
    ) -> None:
        self._corpus, self._pad_id = corpus, tokenizer.pad_id
        self.length = length
        self._frame = DocumentFrame.of(tokenizer) if frame is None else frame
        room = length - len(self._frame)
        if room < 1:
            raise SettingsError(f"rows of {length} tokens leave no room for text", expected=f"more than {len(self._frame)}")
        generator = np.random.default_rng([seed, epoch])
        documents = generator.permutation(corpus.documents(part))
        documents = documents[round(between[0] * len(documents)) : round(between[1] * len(documents))]
        self.text_bytes = int(corpus.text_bytes[documents].sum())
        whole = corpus.lengths[documents]
        counts = -(-whole // room)
        document = np.repeat(documents, counts)
        start = (np.arange(len(document)) - np.repeat(np.cumsum(counts) - counts, counts)) * room
        end = np.minimum(start + room, np.repeat(whole, counts))
        size = end - start + len(self._frame.before) + len(self._frame.after)
        size[np.cumsum(counts) - 1] += len(self._frame.end)
        row = best_fit(size, length)
        rows = int(row.max()) + 1
        row = generator.permutation(rows)[row]
        order = np.argsort(row, kind="stable")
        self._document, self._start, self._end = document[order], start[order], end[order]
        self._row_ends = np.cumsum(np.bincount(row, minlength=rows))  # in pieces
        self.padding_share = 1 - int(size.sum()) / (rows * length)
        self.unpacked_padding_share = 1 - int(size.sum()) / (len(size) * length)

    def __len__(self) -> int:
        return len(self._row_ends)

    @property
    def lengths(self) -> np.ndarray:
        """(rows,) tokens of each row: all the same."""
        return np.full(len(self), self.length)

    def pieces(self, row: int) -> list[tuple[int, int, int]]:
        """The document, start and end of each piece of a row, in tokens of the corpus."""
        places = range(int(self._row_ends[row - 1]) if row else 0, int(self._row_ends[row]))
        return [(int(self._document[place]), int(self._start[place]), int(self._end[place])) for place in places]

    def batch(self, rows: np.ndarray) -> Batch:
        """The rows as one batch."""
        shape = (len(rows), self.length)
        token_ids = np.full(shape, self._pad_id, dtype=np.int64)
        documents = np.full(shape, -1, dtype=np.int64)
        position_ids = np.zeros(shape, dtype=np.int64)
        word_starts = np.ones(shape, dtype=bool)
        before, after, last = self._frame.before, self._frame.after, self._frame.end
        # of each piece: where it stands among all pieces, which of its row's it is, and what it holds
        first = self._row_ends[rows - 1] * (rows > 0)
        counts = self._row_ends[rows] - first
        number = ramps(counts)
        piece = np.repeat(first, counts) + number
        document, start, end = self._document[piece], self._start[piece], self._end[piece]
        content, is_last = end - start, end == self._corpus.lengths[document]
        size = content + len(before) + len(after) + len(last) * is_last
        # places in the batch, counted through its rows
        skipped = np.cumsum(size) - size
        of_row = np.repeat(np.arange(len(rows)), counts)
        begin = of_row * self.length + skipped - skipped[np.cumsum(counts) - counts][of_row]
        inside = ramps(size)
        here = np.repeat(begin, size) + inside
        documents.flat[here], position_ids.flat[here] = np.repeat(number, size), inside
        begin_content = begin + len(before)
        here = np.repeat(begin_content, content) + ramps(content)
        token_ids.flat[here], word_starts.flat[here] = self._corpus.stretches(document, start, end)
        word_starts.flat[begin_content] = True  # a piece starts with a word
        end_content = begin_content + content
        for places, special in ((begin, before), (end_content, after), (end_content[is_last] + len(after), last)):
            for offset, token_id in enumerate(special):
                token_ids.flat[places + offset] = token_id
        padding = documents < 0
        return Batch(
            token_ids=torch.from_numpy(token_ids),
            padding_mask=torch.from_numpy(padding) if padding.any() else None,
            segment_ids=None,
            labels=None,
            example_ids=rows.tolist(),
            tokens=int((~padding).sum()),
            documents=torch.from_numpy(documents),
            position_ids=torch.from_numpy(position_ids),
            word_starts=torch.from_numpy(word_starts),
        )


def best_fit(sizes: np.ndarray, length: int) -> np.ndarray:
    """(pieces,) the row that each goes to: longest pieces first, each to the row where it leaves least room, or a new one."""
    order = np.argsort(-sizes, kind="stable")
    full = int((sizes == length).sum())
    row = np.empty(len(sizes), dtype=np.int64)
    row[order[:full]] = np.arange(full)
    with_room: list[list[int]] = [[] for _ in range(length + 1)]  # rows by what is free in them
    rooms, rows, placed = 0, full, []  # a bit of `rooms` for each kind of room that some row has
    for size in sizes[order[full:]].tolist():
        fitting = rooms >> size
        if fitting:
            room = size + (fitting & -fitting).bit_length() - 1
            chosen = with_room[room].pop()
            if not with_room[room]:
                rooms &= ~(1 << room)
        else:
            room, chosen, rows = length, rows, rows + 1
        placed.append(chosen)
        if left := room - size:
            with_room[left].append(chosen)
            rooms |= 1 << left
    row[order[full:]] = placed
    return row
