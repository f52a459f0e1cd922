"""`fathom tokenizer`: texts to a vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from fathom.cli.console import emit, percent, say, table
from fathom.cli.options import Json, Overwrite


def tokenizer(
    corpora: Annotated[list[str], typer.Argument(metavar="CORPUS...", help="Texts: names, paths or hf:owner/name.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write.")] = Path("runs/tokenizer"),
    kind: Annotated[str, typer.Option(help="wordpiece, bpe (byte-level), unigram or words.")] = "wordpiece",
    size: Annotated[int, typer.Option(help="Entries at most; for words, without the special ones.")] = 25_000,
    language: Annotated[str, typer.Option(help="How words are split: spaCy's code; zh goes through jieba.")] = "en",
    lowercase: Annotated[bool, typer.Option("--lowercase/--no-lowercase", help="Whether case is dropped.")] = True,
    min_frequency: Annotated[int | None, typer.Option(help="How often an entry must occur. [default: the kind's own]")] = None,
    split: Annotated[str | None, typer.Option(help="Which part of the data. [default: train]")] = None,
    text: Annotated[str | None, typer.Option(help="The column with the texts. [default: found]")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Learn a vocabulary from texts and write it as a standard tokenizer.json.

    A model from scratch takes it with --set vocabulary.folder=FOLDER; Hugging Face's AutoTokenizer reads it too.

    Example: fathom tokenizer reviews.csv --kind bpe --size 8000 --output runs/vocabulary
    """
    from fathom.data import Columns, open_data
    from fathom.pipeline.settings import read_vocabulary_settings
    from fathom.pipeline.vocabulary import write_vocabulary

    settings = read_vocabulary_settings(
        {"kind": kind, "size": size, "language": language, "lowercase": lowercase, "min_frequency": min_frequency}
    )
    sources = [open_data(corpus, split=split, columns=Columns(text=text), labelled=False) for corpus in corpora]

    class Texts:
        """The texts of all sources, to be read as often as needed."""

        def __iter__(self) -> Iterator[str]:
            return (example.text for source in sources for example in source)

    learned, fit = write_vocabulary(output, settings, Texts(), overwrite=overwrite, on_phase=say)
    rows = [
        ["entries", f"{learned.vocab_size:,}"],
        ["tokens a word", f"{fit.tokens_per_word:.2f}"],
        ["characters a token", f"{fit.characters_per_token:.2f}"],
        ["unknown", percent(fit.unknown_share, 2)],
        ["for example", " ".join(fit.example)],
    ]
    measured = f"measured on the first {fit.texts:,} texts"
    emit(
        {"tokenizer": str(output), "kind": kind, "size": learned.vocab_size, **fit.to_dict()},
        json=json,
        text=f"{output}: a vocabulary of kind {kind}, {measured}\n{table(rows)}\n"
        f"next: fathom finetune DATA --model scratch --set vocabulary.folder={output} --output runs/mine",
    )
