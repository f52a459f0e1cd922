"""Small things that many tests need: a tiny vocabulary, a tiny random model, a few labelled texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from fathom.checkpoint import About, MadeBy, machine, save_model
from fathom.data import Example
from fathom.model import LanguageModel, SequenceClassifier, TransformerConfig
from fathom.text import Tokenizer, train_bpe, train_wordpiece

GOOD = ("a joy from start to finish", "warm and funny", "a wonderful film", "great acting and a good story", "i loved it")
BAD = ("dull and endless", "a waste of time", "i hated every minute", "bad acting and a poor story", "terrible film")


def examples(copies: int = 8) -> list[Example]:
    """Labelled sentences, each different, half of them good."""
    made = []
    for number in range(copies):
        made += [Example(f"{text} {number}", "good") for text in GOOD]
        made += [Example(f"{text} {number}", "bad") for text in BAD]
    return made


def tokenizer() -> Tokenizer:
    return train_wordpiece([example.text for example in examples()], vocab_size=200, min_frequency=1)


def config(**changes: Any) -> TransformerConfig:
    fields: dict[str, Any] = {
        "vocab_size": 200,
        "width": 16,
        "depth": 2,
        "heads": 2,
        "feed_forward_width": 32,
        "max_length": 32,
        "segments": 2,
        "attention_dropout": 0.0,
    }
    return TransformerConfig(**{**fields, **changes})


def classifier(classes: int = 2, seed: int = 0, **changes: Any) -> SequenceClassifier:
    torch.manual_seed(seed)
    return SequenceClassifier(config(initializer_range=0.2, **changes), classes).eval()


def model_folder(folder: Path, **changes: Any) -> Path:
    """A whole model folder with random weights."""
    vocabulary = tokenizer()
    model = classifier(vocab_size=vocabulary.vocab_size, **changes)
    about = About(labels=["bad", "good"], max_length=32)
    save_model(folder, model=model, tokenizer=vocabulary, about=about, made_by=made_by(), card="# tiny\n")
    return folder


def writer_folder(folder: Path, *, chat_template: str | None = None, **changes: Any) -> Path:
    """A whole folder of a decoder with random weights, which spells bytes."""
    vocabulary = train_bpe([example.text for example in examples()], vocab_size=400, min_frequency=1)
    if chat_template is not None:
        vocabulary = Tokenizer(vocabulary._backend, {**vocabulary._config, "chat_template": chat_template})
    fields = {"vocab_size": vocabulary.vocab_size, "causal": True, "segments": 0, "max_length": 128, "initializer_range": 0.2}
    torch.manual_seed(0)
    model = LanguageModel(config(**{**fields, **changes})).eval()
    about = About(task="causal", max_length=model.config.max_length)
    save_model(folder, model=model, tokenizer=vocabulary, about=about, made_by=made_by(), card="# tiny\n")
    return folder


def made_by() -> MadeBy:
    return MadeBy(
        command="test",
        version="0",
        seed=0,
        data={},
        machine=machine(),
        seconds=0,
        settings={"model": "x", "data": None},
        metrics={"dev": {"accuracy": 0.5}, "facts": {"dev_rows": 1, "train_rows": 1}},
    )


SCRATCH: dict[str, Any] = {  # settings of a model that trains in a second
    "model": "scratch",
    "vocabulary": {"kind": "wordpiece", "size": 200, "min_frequency": 1},
    "architecture": {"width": 16, "depth": 1, "heads": 2, "feed_forward_width": 32},
    "max_length": 32,
    "dropout": {"hidden": 0.1},
    "training": {"epochs": 2, "batch_rows": 8, "learning_rate": 1e-2},
}


def flags(settings: dict[str, Any] = SCRATCH) -> list[str]:
    """The same as command-line flags."""
    found = []
    for name, value in settings.items():
        if isinstance(value, dict):
            found += [part for key, inner in value.items() for part in ("--set", f"{name}.{key}={inner}")]
        else:
            found += ["--set", f"{name}={value}"]
    return found


def csv_file(path: Path, rows: list[Example] | None = None) -> Path:
    """Labelled texts as a csv file with the columns text and label."""
    lines = [f'"{example.text}",{example.label}\n' for example in (examples() if rows is None else rows)]
    path.write_text("text,label\n" + "".join(lines), encoding="utf-8")
    return path
