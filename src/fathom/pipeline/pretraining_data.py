"""What pre-training reads: documents as a corpus, its parts as rows, and what is known of both before training starts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from fathom.checkpoint import to_json
from fathom.data import (
    Batch,
    Corpus,
    CorpusSettings,
    OrderedRows,
    Part,
    Rows,
    Source,
    Stage,
    StagedRows,
    Streams,
    build_corpus,
    plan_batches,
    splits_of,
)
from fathom.data.duplicates import find_duplicates, find_shared_passages
from fathom.data.packing import EachEpoch, PackedRows
from fathom.data.pairs import Relation, SentencePairs
from fathom.errors import DataError
from fathom.folders import write_text_atomically
from fathom.objectives.topic_baseline import topic_baseline
from fathom.pipeline.base_model_page import repeats_in_words, shared_in_words
from fathom.pipeline.settings import PretrainSettings
from fathom.text import Tokenizer
from fathom.training import Listener

_RELATIONS: dict[str, Relation] = {"masked+next": "next_sentence", "masked+order": "sentence_order"}
EVALUATION_TOKENS = 8192  # in a batch of held-out rows
COUNTED_TOKENS = 5_000_000  # of the training text at most, for the unigram and bigram that stand beside the model


def pretraining_corpus(
    settings: PretrainSettings, documents: Source, tokenizer: Tokenizer, folder: Path, processes: int, listener: Listener
) -> Corpus:
    """The documents as shards of tokens, built or taken up where a run was stopped."""
    pairs = settings.objective in _RELATIONS
    chosen = CorpusSettings(
        sentences=settings.language if pairs else None,
        chinese_words=settings.whole_words and settings.language == "zh",
        held_out=settings.held_out,
        seed=settings.training.seed,
    )

    def on_shard(shards: int, done: int) -> None:
        listener.on_message(f"tokenised {done:,} documents into {shards:,} {'shard' if shards == 1 else 'shards'}")

    return build_corpus(documents, tokenizer, folder, chosen, processes=processes, on_shard=on_shard)


def evaluation_split(data: str) -> str | None:
    """The part of an evaluation set that is looked for in the documents; None: all of it."""
    return "test" if "test" in splits_of(data) else None


def count_repeated(
    settings: PretrainSettings, documents: Source, evaluation: Source | None, path: Path, listener: Listener
) -> dict[str, Any]:
    """What of the documents repeats others, and what of an evaluation set stands in them; counted once, before training."""
    known = _counted_before(path)
    if known is None:
        listener.on_message("looking for documents that repeat others")
        known = {"duplicates": find_duplicates(documents, seed=settings.training.seed).to_dict()}
        if settings.against is not None and evaluation is not None:
            listener.on_message(f"looking for passages of {settings.against} in the documents")
            shares = find_shared_passages(documents, evaluation).to_dict()
            known["against"] = {"data": settings.against, "split": evaluation_split(settings.against), **shares}
        for counted in known.values():
            del counted["examples"]  # a model folder holds no text
        write_text_atomically(path, to_json(known))
    listener.on_message(repeats_in_words(known))
    if "against" in known:
        listener.on_message(shared_in_words(known["against"]))
    return known


def _counted_before(path: Path) -> dict[str, Any] | None:
    """What an interrupted run had counted; None where it had not, or the file is damaged, which costs a second count."""
    try:
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return known


def told_by_words(train_rows: Rows, held_out: Rows, tokenizer: Tokenizer, listener: Listener) -> dict[str, Any]:
    """How far common words alone tell which texts follow each other: what a model of next sentences has to beat."""
    counted = islice(batches_in_order(train_rows), COUNTED_TOKENS // EVALUATION_TOKENS)
    found = topic_baseline(
        counted, batches_in_order(held_out), vocab_size=tokenizer.vocab_size, special_ids=tokenizer.special_ids
    )
    listener.on_message(f"common words alone tell {found.accuracy:.1%} of the {found.pairs:,} held-out pairs")
    return {"topic_baseline": asdict(found)}


def rows_of_part(settings: PretrainSettings, corpus: Corpus, tokenizer: Tokenizer, part: Part) -> EachEpoch:
    """What a run reads of a part of the corpus."""
    common: dict[str, Any] = {"length": settings.max_length, "seed": settings.training.seed}
    if (relation := _RELATIONS.get(settings.objective)) is not None:
        return EachEpoch(lambda epoch: SentencePairs(corpus, tokenizer, part, relation=relation, epoch=epoch, **common))
    if settings.memory:
        rows = settings.training.batch_tokens // settings.max_length
        rows = min(
            rows, settings.training.batch_rows or rows, int(corpus.lengths[corpus.documents(part)].sum()) // settings.max_length
        )
        return EachEpoch(lambda epoch: Streams(corpus, tokenizer, part, streams=max(1, rows), epoch=epoch, **common))
    if settings.curriculum and part == "train":
        training, stages = settings.training, [Stage(stage.length, stage.share) for stage in settings.curriculum]

        def staged(epoch: int) -> StagedRows:
            return StagedRows(
                corpus,
                tokenizer,
                part,
                stages=stages,
                epochs=training.epochs,
                max_tokens=training.batch_tokens,
                max_rows=training.batch_rows,
                seed=training.seed,
                epoch=epoch,
            )

        return EachEpoch(staged)
    return EachEpoch(lambda epoch: PackedRows(corpus, tokenizer, part, epoch=epoch, **common))


def batches_in_order(rows: Rows, max_tokens: int = EVALUATION_TOKENS) -> Iterator[Batch]:
    """All rows, in batches of about so many tokens."""
    plan = rows.batches if isinstance(rows, OrderedRows) else plan_batches(rows.lengths, max_tokens=max_tokens, shuffle=False)
    return (rows.batch(indices) for indices in plan)


def one_row(rows: Rows) -> Batch:
    """The first of them."""
    first = rows.batches[0] if isinstance(rows, OrderedRows) else np.arange(1)
    return rows.batch(first[:1])


def facts_of(corpus: Corpus, tokenizer: Tokenizer, train_rows: Rows, held_out: Rows) -> dict[str, Any]:
    """What is known of the corpus before training.

    Raises:
        DataError: the vocabulary does not know what most of the documents are written in.
    """
    manifest = corpus.manifest
    unknown = 0 if tokenizer.unknown_id is None else corpus.count(tokenizer.unknown_id)
    if unknown > manifest.tokens / 2:
        raise DataError(
            f"{unknown / manifest.tokens:.1%} of the tokens of {manifest.source} are not in the vocabulary",
            expected="a vocabulary for the language of the documents",
            do="learn one (model scratch, without vocabulary.folder), or choose a model that reads this language",
        )
    return {
        "documents": manifest.documents,
        "tokens": manifest.tokens,
        "unknown_share": round(unknown / manifest.tokens, 5),
        "text_bytes": manifest.text_bytes,
        "train_rows": len(train_rows.lengths),
        "held_out_rows": len(held_out.lengths),
    }


def described(facts: Mapping[str, Any]) -> str:
    """What `facts_of` found, as a sentence."""
    return (
        f"{facts['documents']['train']:,} documents to train on, {facts['documents']['held-out']:,} held out; "
        f"{facts['tokens']:,} tokens of {facts['text_bytes'] / max(facts['tokens'], 1):.2f} bytes, "
        f"{facts['unknown_share']:.1%} of them unknown; "
        f"{facts['train_rows']:,} rows an epoch"
    )
