"""A model folder: Hugging Face's files, ours beside them, written whole and read strictly.

config.json  model.safetensors  tokenizer.json …   Hugging Face's: `transformers` loads the folder as it is
fathom.json  made_by.json  README.md  SHA256SUMS   ours
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fathom.checkpoint.about import ABOUT, MADE_BY, About, MadeBy, read_json, to_json
from fathom.checkpoint.weights import WEIGHTS, fill_model, read_weights, write_weights
from fathom.errors import ModelFolderError
from fathom.families import FAMILIES, NATIVE, Family
from fathom.folders import verify_folder, write_folder
from fathom.model import SequenceClassifier, TransformerConfig
from fathom.text import Tokenizer

CONFIG = "config.json"


@dataclass(frozen=True)
class LoadedModel:
    """What a folder holds."""

    model: SequenceClassifier
    tokenizer: Tokenizer
    labels: list[str]  # by class number
    about: About | None  # None: a folder that fathom did not write
    made: list[str]  # tensors that were started afresh


def load_model(folder: Path, *, labels: list[str] | None = None, training: Mapping[str, Any] | None = None) -> LoadedModel:
    """Reads a model folder, ours or Hugging Face's.

    Args:
        folder: as `resolve_model` gives it.
        labels: the classes of a new task. The head is then taken over if it fits and started afresh if not.
            None: the folder must be a whole classifier.
        training: fields of `TransformerConfig` to set before loading; for probabilities of dropout.

    Returns:
        The model in evaluation mode, float32.

    Raises:
        ModelFolderError: damaged or missing files, unknown or unsupported configuration keys, tensors that do not fit, a
            tokenizer that does not fit.
    """
    verify_folder(folder)
    raw = _read_config(folder)
    family = FAMILIES.get(raw.get("model_type", ""))
    if family is None:
        raise ModelFolderError(
            f"{folder / CONFIG} describes a {raw.get('model_type')!r} model, which fathom does not implement",
            expected=f"one of {', '.join(FAMILIES)}",
        )
    config = family.read_config({key: value for key, value in raw.items() if key not in _TASK_KEYS})
    if training:
        config = TransformerConfig(**{**vars(config), **training})
    tokenizer = Tokenizer.load(folder)
    if tokenizer.vocab_size > config.vocab_size:
        raise ModelFolderError(
            f"the tokenizer in {folder} has {tokenizer.vocab_size:,} tokens, but the model embeds {config.vocab_size:,}",
            expected="a tokenizer that belongs to this model",
            do="restore the tokenizer.json that the model was trained with",
        )
    about = read_json(folder / ABOUT, About) if (folder / ABOUT).is_file() else None
    new_task = labels is not None
    labels = labels if labels is not None else folder_labels(raw, about, folder)
    model = SequenceClassifier(config, len(labels))
    made = fill_model(model, read_weights(folder), family=family, config=config, new_head=new_task, source=str(folder))
    return LoadedModel(model.eval(), tokenizer, labels, about, made)


def save_model(
    folder: Path,
    *,
    model: SequenceClassifier,
    tokenizer: Tokenizer,
    about: About,
    made_by: MadeBy,
    card: str,
    files: Mapping[str, str] | None = None,
    writers: Mapping[str, Callable[[Path], None]] | None = None,
    overwrite: bool = False,
) -> None:
    """Writes a model folder, whole or not at all.

    The family is Hugging Face's where one can express the configuration, and our own (`model_type: fathom`) otherwise.

    Args:
        card: the text of README.md.
        files: further text files by name, such as the training's metrics.
        writers: functions that write further files, by name.

    Raises:
        FathomError: the folder exists and `overwrite` is not set, or it was not written by fathom.
        MachineError: the disk is full or read-only.
    """
    family = family_of(model.config)
    names = {str(number): label for number, label in enumerate(about.labels)}
    config = family.write_config(model.config) | {
        "architectures": [f"{family.architecture}ForSequenceClassification"],
        "id2label": names,
        "label2id": {label: int(number) for number, label in names.items()},
        "problem_type": "single_label_classification",
    }
    theirs = family.to_theirs(model.state_dict(), model.config)
    with write_folder(folder, overwrite=overwrite) as temporary:
        write_weights(temporary / WEIGHTS, {theirs[name]: tensor for name, tensor in model.state_dict().items()})
        tokenizer.save(temporary)
        texts = {CONFIG: to_json(config), ABOUT: to_json(about), MADE_BY: to_json(made_by), "README.md": card}
        for name, text in (texts | dict(files or {})).items():
            (temporary / name).write_text(text, encoding="utf-8")
        for name, write in (writers or {}).items():
            write(temporary / name)


def family_of(config: TransformerConfig) -> Family:
    """The family that a configuration is saved as."""
    published = (family for family in FAMILIES.values() if family is not NATIVE)
    return next((family for family in published if family.can_express(config)), NATIVE)


def folder_labels(raw: Mapping[str, Any], about: About | None, folder: Path) -> list[str]:
    """The labels of a classifier's folder, by class number: fathom.json's, or Hugging Face's id2label."""
    if about is not None:
        return about.labels
    names = raw.get("id2label")
    if not isinstance(names, dict) or sorted(map(str, names)) != sorted(str(number) for number in range(len(names))):
        raise ModelFolderError(
            f"{folder} says nothing about labels (no {ABOUT}, no id2label in {CONFIG})",
            expected="a fine-tuned classifier",
            do=f"fine-tune it first: fathom finetune DATA --model {folder} --output NEW",
        )
    return [str(names[str(number)]) for number in range(len(names))]


_TASK_KEYS = frozenset({"id2label", "label2id", "problem_type", "architectures", "model_type", "num_labels"})


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelFolderError(f"{path} cannot be read: {error}", expected="a JSON object") from error
    if not isinstance(raw, dict):
        raise ModelFolderError(f"{path} holds a {type(raw).__name__}", expected="a JSON object")
    return raw
