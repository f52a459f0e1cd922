"""Text that runs on from batch to batch, for models with a memory (Dai et al. 2019, 1901.02860; Yang et al. 2019, 1906.08237).

    all documents, one after the other     a b c d e f g h i j k l m n o p q r
    cut into streams                       a b c d e f g h i | j k l m n o p q r
    batches of segments                    [a b c   [d e f   [g h i
                                            j k l]   m n o]   p q r]

Row 0 of a batch goes on where row 0 of the batch before it ended.
"""

from __future__ import annotations

import numpy as np
import torch

from fathom.data.batches import Batch
from fathom.data.corpus import Corpus, Part
from fathom.data.packing import DocumentFrame
from fathom.errors import DataError, SettingsError
from fathom.text import Tokenizer


class Streams:
    """The segments of one epoch; documents in an order drawn by seed and epoch, each with its special tokens.

    Args:
        part: of the corpus.
        streams: rows of a batch. Where tokens cannot be dealt out evenly, fewer than `streams` of them stay unread.
        length: tokens of a segment; the last one of all streams may be shorter.
        frame: special tokens; None: the tokenizer's.

    Attributes:
        batches: the rows of each batch. Memory holds only what came just before, so they are read in this order.
        text_bytes: of the documents, for bits per byte.

    Raises:
        DataError: fewer tokens than streams, or an empty part.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        part: Part = "train",
        *,
        streams: int,
        length: int,
        seed: int = 0,
        epoch: int = 0,
        frame: DocumentFrame | None = None,
    ) -> None:
        if streams < 1 or length < 1:
            raise SettingsError(f"{streams} streams in segments of {length} tokens", expected="at least one of each")
        self._corpus = corpus
        self._frame = DocumentFrame.of(tokenizer) if frame is None else frame
        self._documents = np.random.default_rng([seed, epoch]).permutation(corpus.documents(part))
        self._ends = np.cumsum(corpus.lengths[self._documents] + len(self._frame))
        self._stream = int(self._ends[-1]) // streams  # tokens of each
        if not self._stream:
            raise DataError(
                f"{corpus.folder} has {int(self._ends[-1]):,} {part} tokens for {streams:,} streams",
                expected="at least one each",
                do="hand in more text, or make batches smaller",
            )
        self._length = length
        segments = -(-self._stream // length)
        self.batches: list[np.ndarray] = list(np.arange(segments * streams).reshape(segments, streams))
        self._streams = streams
        self.text_bytes = int(corpus.text_bytes[self._documents].sum())

    def __len__(self) -> int:
        return len(self.batches) * self._streams

    @property
    def lengths(self) -> np.ndarray:
        """(rows,) tokens of each segment."""
        starts = np.repeat(np.arange(len(self.batches)) * self._length, self._streams)
        return np.minimum(self._stream - starts, self._length)

    def batch(self, rows: np.ndarray) -> Batch:
        """Some segments of the same length, usually one of `batches`."""
        segment, stream = np.divmod(rows, self._streams)
        starts = stream * self._stream + segment * self._length
        read = [self._read(int(start), int(start + length)) for start, length in zip(starts, self.lengths[rows], strict=True)]
        token_ids = np.stack([ids for ids, _ in read])
        return Batch(
            token_ids=torch.from_numpy(token_ids),
            padding_mask=None,
            segment_ids=None,
            labels=None,
            example_ids=rows.tolist(),
            tokens=token_ids.size,
            word_starts=torch.from_numpy(np.stack([words for _, words in read])),
            continues=torch.from_numpy(segment > 0),
        )

    def _read(self, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Ids and word starts of a stretch of all documents, one after the other."""
        first, last = np.searchsorted(self._ends, [start, end - 1], side="right").tolist()
        begins = [int(self._ends[place - 1]) if place else 0 for place in range(first, last + 1)]
        documents = self._documents[first : last + 1].tolist()
        read = [self._part(*one, start, end) for one in zip(documents, begins, strict=True)]
        return np.concatenate([ids for ids, _ in read]), np.concatenate([words for _, words in read])

    def _part(self, document: int, begin: int, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """What lies between `start` and `end` of a document, with its special tokens, that begins at `begin`."""
        before, after = self._frame.before, self._frame.after + self._frame.end
        length = int(self._corpus.lengths[document])

        def within(place: int) -> slice:  # of something that begins there
            return slice(max(start - place, 0), max(end - place, 0))

        content = within(begin + len(before))
        here = (document, min(content.start, length), content.stop)
        around = before[within(begin)], after[within(begin + len(before) + length)]
        ids = np.concatenate([around[0], self._corpus.tokens(*here), around[1]]).astype(np.int64)
        words = np.ones(len(ids), dtype=bool)
        words[len(around[0]) : len(ids) - len(around[1])] = self._corpus.word_starts(*here)
        return ids, words
