"""A model folder: Hugging Face's files, ours beside them, written whole and read strictly.

config.json  model.safetensors  tokenizer.json …   Hugging Face's: `transformers` loads the folder as it is
fathom.json  made_by.json  README.md  SHA256SUMS   ours
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from fathom.checkpoint.about import ABOUT, CLASSIFIERS, MADE_BY, About, MadeBy, read_json, to_json
from fathom.checkpoint.catalogue import SUFFIX
from fathom.checkpoint.weights import WEIGHTS, LeftUninitialised, fill_model, read_weights, write_weights
from fathom.errors import ModelFolderError
from fathom.families import FAMILIES, NATIVE, Family
from fathom.folders import verifying, write_folder
from fathom.model import Model, Task, TransformerConfig, make_model
from fathom.text import Tokenizer

CONFIG = "config.json"
GENERATION = "generation_config.json"


@dataclass(frozen=True)
class LoadedModel:
    """What a folder holds."""

    model: Model
    task: Task
    tokenizer: Tokenizer
    labels: list[str]  # of classifiers, by class number
    about: About | None  # None: a folder that fathom did not write
    made: list[str]  # tensors that were started afresh
    end_ids: list[int]  # tokens that end what a model writes


def load_model(
    folder: Path,
    *,
    task: Task | None = None,
    labels: list[str] | None = None,
    allow_new_head: bool = False,
    training: Mapping[str, Any] | None = None,
) -> LoadedModel:
    """Reads a model folder, ours or Hugging Face's.

    Args:
        folder: as `resolve_model` gives it: a folder or a GGUF file.
        task: what the model is for; None: what the folder says or, with `labels`, "sequence".
        labels: the classes of a new task. A head that the folder has for the same task and the same labels is taken over.
            Where it has none, one is started afresh.
        allow_new_head: also start a head afresh where the folder has one that does not fit.
        training: fields of `TransformerConfig` to set before loading; for probabilities of dropout.

    Returns:
        The model in evaluation mode, float32.

    Raises:
        ModelFolderError: damaged or missing files, unknown or unsupported configuration keys, tensors that do not fit, a
            tokenizer that does not fit, no head for the task.
    """
    with verifying(folder):
        return _load(folder, task, labels, allow_new_head, training)


def _load(
    folder: Path, task: Task | None, labels: list[str] | None, allow_new_head: bool, training: Mapping[str, Any] | None
) -> LoadedModel:
    raw, tensors, tokenizer, about = _read(folder)
    family = FAMILIES.get(str(raw.get("model_type")))
    if family is None:
        raise ModelFolderError(
            f"{folder / CONFIG} describes a {raw.get('model_type')!r} model, which fathom does not implement",
            expected=f"one of {', '.join(FAMILIES)}",
        )
    config = family.read_config({key: value for key, value in raw.items() if key not in _TASK_KEYS})
    if training:
        config = replace(config, **training)
    if tokenizer.vocab_size > config.vocab_size:
        raise ModelFolderError(
            f"the tokenizer in {folder} has {tokenizer.vocab_size:,} tokens, but the model embeds {config.vocab_size:,}",
            expected="a tokenizer that belongs to this model",
            do="restore the tokenizer.json that the model was trained with",
        )
    held = about.task if about is not None else family.task_of(_architectures(raw))
    elsewhere = held is not None or labels is not None  # whether a head that is not for `task` is for something else
    task = task or ("sequence" if labels is not None else held)
    if task is None:
        raise ModelFolderError(
            f"{folder} holds a bare {raw['model_type']!r} model, without a head for any task",
            expected="a model that classifies, tags, extracts or writes",
            do=f"fine-tune it first: fathom finetune DATA --model {folder} --output NEW",
        )
    if task not in family.heads:
        raise ModelFolderError(
            f"a {raw['model_type']!r} model has no head for the task {task!r}", expected=f"one of {', '.join(family.heads)}"
        )
    fresh = allow_new_head or (labels is not None and held != task)
    known = folder_labels(raw, about, folder) if task in CLASSIFIERS and (labels is None or held == task) else labels or []
    labels = known if labels is None else labels
    if held == task and labels != known and not allow_new_head:
        raise ModelFolderError(
            f"{folder} already classifies, into {_some(known)}, and the data has {_some(labels)}",
            expected="the labels that its head was trained for, or a base model",
            do="add --allow-new-head to put a fresh head in its place",
        )
    try:
        with nullcontext() if fresh else LeftUninitialised():
            model = make_model(task, config, len(labels))
    except ValueError as error:
        raise ModelFolderError(f"{folder} holds no model for the task {task!r}: {error}") from error
    translation = family.to_ours(tensors, config, task)
    del tensors  # the translation alone holds them now, and is emptied as the model is filled
    foreign = _LAST_MAPS if (held != task and elsewhere) or labels != known else ()
    made = fill_model(model, translation, config=config, new_head=fresh, without=foreign, source=str(folder))
    return LoadedModel(model.eval(), task, tokenizer, labels, about, made, _end_ids(folder, raw, tokenizer))


# what a head ends in: never taken over from a model for another task or other labels, even where the shape would fit
_LAST_MAPS = ("classifier.", "span.", "relation.", "detector.")


def save_model(
    folder: Path,
    *,
    model: Model,
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
    family = family_of(model.config, about.task)
    config = family.write_config(model.config) | {
        "architectures": [f"{family.architecture}{family.heads[about.task].suffix}"],
        **{role: token for role, token in _special_ids(tokenizer).items() if token is not None},
    }
    if about.task in CLASSIFIERS:
        names = {str(number): label for number, label in enumerate(about.labels)}
        config |= {"id2label": names, "label2id": {label: int(number) for number, label in names.items()}}
    if about.task == "sequence":
        config["problem_type"] = "single_label_classification"
    theirs = family.to_theirs(model.state_dict(), model.config, about.task)
    with write_folder(folder, overwrite=overwrite) as temporary:
        write_weights(temporary / WEIGHTS, theirs)
        tokenizer.save(temporary)
        texts = {CONFIG: to_json(config), ABOUT: to_json(about), MADE_BY: to_json(made_by), "README.md": card}
        for name, text in (texts | dict(files or {})).items():
            (temporary / name).write_text(text, encoding="utf-8")
        for name, write in (writers or {}).items():
            write(temporary / name)


def family_of(config: TransformerConfig, task: Task) -> Family:
    """The family that a model is saved as."""
    published = (family for family in FAMILIES.values() if family is not NATIVE and task in family.heads)
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


def _special_ids(tokenizer: Tokenizer) -> dict[str, int | None]:
    """Where a text starts and ends, which Hugging Face's library reads from config.json."""
    return {"bos_token_id": tokenizer.bos_id, "eos_token_id": tokenizer.eos_id}


def _end_ids(folder: Path, raw: Mapping[str, Any], tokenizer: Tokenizer) -> list[int]:
    """The tokens that end a text: the tokenizer's, and those that generation_config.json or config.json adds.

    A vocabulary without such a token ends texts with its separator. Numbers beyond the vocabulary, which configurations of
    cut-down models keep, end nothing.
    """
    named = _read_object(folder / GENERATION).get("eos_token_id") if (folder / GENERATION).is_file() else None
    named = raw.get("eos_token_id") if named is None else named
    found = named if isinstance(named, list) else [named]
    own = tokenizer.separator_id if tokenizer.eos_id is None else tokenizer.eos_id
    return sorted({token for token in (*found, own) if isinstance(token, int) and 0 <= token < tokenizer.vocab_size})


def _architectures(raw: Mapping[str, Any]) -> list[str]:
    """Hugging Face's classes that config.json names."""
    named = raw.get("architectures")
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else []


def _some(labels: list[str]) -> str:
    return ", ".join(labels[:6]) + (f" and {len(labels) - 6} more" if len(labels) > 6 else "")


_TASK_KEYS = frozenset({"id2label", "label2id", "problem_type", "architectures", "model_type", "num_labels"})


def _read(folder: Path) -> tuple[dict[str, Any], Mapping[str, Tensor], Tokenizer, About | None]:
    """Configuration, tensors and tokenizer in Hugging Face's terms, and what fathom.json says."""
    if folder.suffix == SUFFIX:
        from fathom.checkpoint.gguf import read_gguf  # here, so that only such a file waits for its library

        file = read_gguf(folder)
        return file.config, file.tensors, file.tokenizer, None
    about = read_json(folder / ABOUT, About) if (folder / ABOUT).is_file() else None
    return _read_object(folder / CONFIG), read_weights(folder), Tokenizer.load(folder), about


def _read_object(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelFolderError(f"{path} cannot be read: {error}", expected="a JSON object") from error
    if not isinstance(raw, dict):
        raise ModelFolderError(f"{path} holds a {type(raw).__name__}", expected="a JSON object")
    return raw
