"""Files → batches: readers that stream, splits that share nothing, and batches with little padding."""

from fathom.data.batches import (
    Batch,
    Epochs,
    OrderedRows,
    Rows,
    padding_share,
    plan_batches,
    random_padding_share,
)
from fathom.data.canaries import CANARIES, Canary, canaries_to_json, make_canaries, planted, read_canaries
from fathom.data.catalogue import CatalogueEntry, entries, open_data, splits_of
from fathom.data.corpus import Corpus, CorpusSettings, Part
from fathom.data.corpus_building import build_corpus
from fathom.data.curriculum import Stage, StagedRows
from fathom.data.duplicates import Duplicates, SharedPassages, find_duplicates, find_shared_passages, passage_shares
from fathom.data.examples import Columns, Example
from fathom.data.packing import DocumentFrame, EachEpoch, PackedRows
from fathom.data.pairs import Relation, SentencePairs
from fathom.data.sources import Source, open_file
from fathom.data.splits import Overlap, assign_parts, normalise_for_matching, overlap, split_key, text_digest
from fathom.data.streams import Streams
from fathom.data.tokenized import TokenizedDataset

__all__ = [
    "CANARIES",
    "Batch",
    "Canary",
    "CatalogueEntry",
    "Columns",
    "Corpus",
    "CorpusSettings",
    "DocumentFrame",
    "Duplicates",
    "EachEpoch",
    "Epochs",
    "Example",
    "OrderedRows",
    "Overlap",
    "PackedRows",
    "Part",
    "Relation",
    "Rows",
    "SentencePairs",
    "SharedPassages",
    "Source",
    "Stage",
    "StagedRows",
    "Streams",
    "TokenizedDataset",
    "assign_parts",
    "build_corpus",
    "canaries_to_json",
    "entries",
    "find_duplicates",
    "find_shared_passages",
    "make_canaries",
    "normalise_for_matching",
    "open_data",
    "open_file",
    "overlap",
    "padding_share",
    "passage_shares",
    "plan_batches",
    "planted",
    "random_padding_share",
    "read_canaries",
    "split_key",
    "splits_of",
    "text_digest",
]
