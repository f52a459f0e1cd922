"""`fathom models`: what is known by name, and what a model folder holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fathom.cli.console import emit, file_size, table
from fathom.cli.options import Json

if TYPE_CHECKING:
    from pathlib import Path


def models(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="A folder, .gguf file, name or hf:owner/name.")] = None,
    json: Json = False,
) -> None:
    """List the models known by name; with MODEL, tell what its folder or GGUF file holds and check it.

    A folder is checked against its SHA256SUMS, a GGUF file against its own table; weights are not loaded.
    """
    from fathom.checkpoint import known_models, resolve_model

    if model is None:
        listed = [
            {
                "name": known.name,
                "what": known.what,
                "parameters": known.parameters,
                "licence": known.licence,
                "megabytes": known.megabytes,
                "how_to_get": known.how_to_get,
                "path": None if (path := known.path()) is None else str(path),
            }
            for known in known_models()
        ]
        emit({"models": listed}, json=json, text=_list(listed))
    elif (path := resolve_model(model)).is_file():
        facts = describe_gguf(path)
        emit(facts, json=json, text=_gguf_description(facts))
    else:
        facts = describe(path)
        emit(facts, json=json, text=_description(facts))


def describe(folder: Path) -> dict[str, Any]:
    """What a model folder holds; `labels`, `fathom` and `made_by` are None where it is not a classifier of ours.

    Raises:
        ModelFolderError: files that are damaged, or that a model folder must have and this one has not.
    """
    import json
    import math

    from safetensors import SafetensorError, safe_open

    from fathom.checkpoint.about import ABOUT, MADE_BY, About, MadeBy, read_json
    from fathom.checkpoint.model_folder import CONFIG, folder_labels
    from fathom.checkpoint.weights import WEIGHTS, weight_files
    from fathom.errors import ModelFolderError
    from fathom.folders import verify_folder

    verify_folder(folder)
    about = read_json(folder / ABOUT, About) if (folder / ABOUT).is_file() else None
    made_by = read_json(folder / MADE_BY, MadeBy) if (folder / MADE_BY).is_file() else None
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        parameters = 0
        for path in weight_files(folder):
            with safe_open(path, framework="numpy") as weights:
                tensors = [weights.get_slice(name) for name in weights.keys()]  # noqa: SIM118 (not a mapping)
                # whole numbers are tables such as BERT's position_ids, not parameters
                parameters += sum(math.prod(part.get_shape()) for part in tensors if "F" in part.get_dtype())
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelFolderError(
            f"{folder} cannot be read: {error}", expected=f"a {CONFIG} in JSON and {WEIGHTS} in safetensors"
        ) from error
    return {
        "path": str(folder),
        "model_type": config.get("model_type"),
        "labels": folder_labels(config, about, folder) if about is not None or "id2label" in config else None,
        "parameters": parameters,
        "config": config,
        "fathom": None if about is None else about.model_dump(mode="json"),
        "made_by": None if made_by is None else made_by.model_dump(mode="json"),
        "files": {
            path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()
        },
    }


def describe_gguf(path: Path) -> dict[str, Any]:
    """What a GGUF file holds.

    Raises:
        ModelFolderError: it is damaged, or holds what fathom does not implement.
    """
    from fathom.checkpoint.gguf import read_gguf

    held = read_gguf(path)
    return {
        "path": str(path),
        "name": held.name,
        "licence": held.licence,
        "model_type": held.config["model_type"],
        "parameters": held.parameters,
        "types": held.types,
        "config": held.config,
        "chat_template": held.chat_template,
        "bytes": path.stat().st_size,
    }


def _list(models: list[dict[str, Any]]) -> str:
    blocks = []
    for known in models:
        facts = [
            ("what", known["what"]),
            ("size", f"{known['parameters']:,} parameters, {known['megabytes']} MB"),
            ("licence", known["licence"]),
            ("on this machine", known["path"] or f"no; {known['how_to_get']}"),
        ]
        blocks.append(f"{known['name']}\n" + table([(f"  {name}", value) for name, value in facts]))
    blocks.append("A model can also be a folder, a .gguf file or hf:owner/name: `fathom models MODEL` tells what it holds.")
    return "\n\n".join(blocks)


def _description(facts: dict[str, Any]) -> str:
    rows = [("folder", facts["path"]), ("family", str(facts["model_type"])), ("parameters", f"{facts['parameters']:,}")]
    rows.append(("labels", ", ".join(facts["labels"]) if facts["labels"] else "none: fine-tune it first"))
    if (about := facts["fathom"]) is not None:
        classifies = about["task"] == "sequence"
        rows.append(
            ("reads", f"{about['max_length']} tokens" + (f"; of longer texts: {about['long_text']}" if classifies else ""))
        )
        rows += [("temperature", f"{about['temperature']:.3f}")] if classifies else [("task", about["task"])]
    if (made_by := facts["made_by"]) is not None:
        rows.append(("made by", made_by["command"]))
        rows.append(("with", f"fathom {made_by['version']}, seed {made_by['seed']}, in {made_by['seconds']:,.0f} s"))
    files = [(f"  {name}", file_size(size)) for name, size in facts["files"].items()]
    return "\n".join([table(rows), "files", table(files)])


def _gguf_description(facts: dict[str, Any]) -> str:
    config = facts["config"]
    stored = ", ".join(f"{count} of {kind}" for kind, count in sorted(facts["types"].items(), key=lambda entry: -entry[1]))
    rows = [
        ("file", facts["path"]),
        ("name", facts["name"] or "not said"),
        ("licence", facts["licence"] or "not said"),
        ("family", facts["model_type"]),
        ("parameters", f"{facts['parameters']:,}"),
        ("size", file_size(facts["bytes"])),
        ("tensors", stored),
        ("blocks", f"{config['num_hidden_layers']}, {config['hidden_size']} wide"),
        ("reads", f"{config['max_position_embeddings']:,} tokens"),
        ("vocabulary", f"{config['vocab_size']:,} tokens"),
        ("chat", "yes: it holds a chat template" if facts["chat_template"] else "no: it holds no chat template"),
    ]
    return table(rows)
