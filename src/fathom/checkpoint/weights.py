"""Weight files: safetensors only, read strictly, with every complaint in one error."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from fathom.errors import ModelFolderError
from fathom.families.family import Translation
from fathom.folders import sha256_of_file
from fathom.model import TransformerConfig

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("pytorch_model.bin", "model.bin", "model.pt", "model.pth", "pytorch_model.pt")
STACK = ("transformer.", "encoder.", "decoder.")  # where a model's stacks are; anything else is its head


def read_weights(folder: Path) -> Mapping[str, Tensor]:
    """The tensors of a model folder, by the names they have in its files; each is read when it is asked for.

    Raises:
        ModelFolderError: as for `weight_files`, or a damaged file.
    """
    files = {name: path for path in weight_files(folder) for name in _names_in(path)}
    if not (folder / WEIGHTS).is_file() and (misplaced := sorted(files.keys() ^ _places(folder).keys())):
        raise ModelFolderError(
            f"{INDEX} and the files of {folder} disagree about {', '.join(misplaced[:8])}",
            expected="an index that belongs to these files",
            do="download the folder again",
        )
    return _InFiles(files)


@dataclass(frozen=True)
class _InFiles(Mapping[str, Tensor]):
    """Tensors that stay on the disk until they are asked for, so that memory never holds a model twice."""

    files: dict[str, Path]  # by the names of tensors
    opened: dict[Path, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Tensor:
        path = self.files[name]
        if path not in self.opened:
            # read, not mapped: a file that is written to meanwhile can neither change a model nor end the process
            self.opened[path] = safe_open(path, framework="pt", backend="pread")
        tensor: Tensor = self.opened[path].get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


def weight_files(folder: Path) -> list[Path]:
    """model.safetensors, or the files that an index lists (which Hugging Face's library writes for large models).

    Raises:
        ModelFolderError: none there, some missing, or only a pickle (never read: loading one runs code).
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    found = sorted(entry.name for entry in folder.iterdir())
    if INDEX in found:
        names = sorted(set(_places(folder).values()))
        absent = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
        if absent:
            raise ModelFolderError(
                f"{folder} lacks {', '.join(map(repr, absent))}, which {INDEX} lists",
                expected=f"all {len(names)} files beside the index",
                do="download the folder again",
            )
        return [folder / name for name in names]
    if any(name in PICKLES or name.startswith("pytorch_model-") for name in found):
        raise ModelFolderError(
            f"{folder} holds its weights only as a pickle, and reading a pickle can run any code in it",
            expected=WEIGHTS,
            do=f'on a machine where you trust the file: python -c "import transformers; transformers.{_class_in(folder)}'
            f".from_pretrained('{folder}').save_pretrained('{folder}-safe')\"; then copy the tokenizer's files there",
        )
    raise ModelFolderError(
        f"{folder} has no {WEIGHTS}; it holds {', '.join(found) or 'nothing'}",
        expected=WEIGHTS,
        do="restore the file, under its own name, or point to the right folder",
    )


def _class_in(folder: Path) -> str:
    """Hugging Face's class that reads a folder with its head, as its config.json names it."""
    try:
        name = json.loads((folder / "config.json").read_text(encoding="utf-8"))["architectures"][0]
    except (OSError, ValueError, LookupError, TypeError):
        return "AutoModel"
    return name if isinstance(name, str) and name.isidentifier() else "AutoModel"


def hash_of_weights(folder: Path) -> str:
    """SHA-256 of model.safetensors (or a GGUF file), or of the sums of several files."""
    sums = [sha256_of_file(path) for path in ([folder] if folder.is_file() else weight_files(folder))]
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()


def _places(folder: Path) -> dict[str, str]:
    """Which tensor is in which file."""
    try:
        places: dict[str, str] = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"]
        if not all(isinstance(name, str) for name in places.values()):
            raise TypeError("file names must be text")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFolderError(
            f"{folder / INDEX} cannot be read: {error!r}", expected="a JSON object whose weight_map says which tensor is where"
        ) from error
    return places


def _names_in(path: Path) -> list[str]:
    try:
        with safe_open(path, framework="pt", backend="pread") as file:
            return list(file.keys())
    except SafetensorError as error:
        with path.open("rb") as file:
            start = file.read(2)
        kind = "is a pickle or zip file under another name" if start in (b"\x80\x02", b"PK") else "is cut off or damaged"
        raise ModelFolderError(
            f"{path} {kind} ({path.stat().st_size:,} bytes; safetensors says: {error})",
            expected="a whole safetensors file",
            do="download or write the folder again",
        ) from error


def write_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors as safetensors; "format: pt" is what Hugging Face's library looks for."""
    save_file({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}, path, {"format": "pt"})


def fill_model(
    model: nn.Module,
    translation: Translation,
    *,
    config: TransformerConfig,
    new_head: bool,
    source: str,
    without: tuple[str, ...] = (),
) -> list[str]:
    """Copies tensors into a model, strictly, one after the other: memory never holds all of them twice.

    Args:
        model: filled in place; its parameters keep their type.
        translation: the tensors, by our names.
        new_head: tensors of the head (all but the stack's) that are missing, or whose shape differs, keep their fresh
            values instead of being an error.
        without: tensors whose names begin so are taken for missing.
        source: what the error calls the tensors' origin.

    Returns:
        The names (ours) of the tensors that were started afresh.

    Raises:
        ModelFolderError: missing, unexpected and wrong-shape tensors, all of them in one message.
    """
    wanted = model.state_dict(keep_vars=True)
    complaints = [f"unexpected: {name}" for name in translation.unknown]
    placed = set()  # names of ours that something was there for

    def may_be_fresh(name: str) -> bool:
        return new_head and not name.startswith(STACK)

    for name in translation.ours:  # in the order of the file: what one of its tensors holds comes together
        if name.startswith(without):
            continue
        if name not in wanted:
            copied = name == "output.weight" and config.tied
            if not (copied or name.startswith("pooler.") or may_be_fresh(name)):
                complaints.append(f"unexpected: {name}")
            continue
        tensor, target = translation.ours[name], wanted[name]
        if tensor.shape == target.shape:
            with torch.no_grad():
                target.copy_(tensor)
            placed.add(name)
        elif not may_be_fresh(name):
            complaints.append(f"wrong shape: {name} is {list(tensor.shape)}, expected {list(target.shape)}")
            placed.add(name)
    made = [name for name in wanted if name not in placed and may_be_fresh(name)]
    complaints += [f"missing: {name}" for name in wanted if name not in placed and not may_be_fresh(name)]
    if complaints:
        raise ModelFolderError(
            f"the weights of {source} do not fit the model that its config.json describes:\n    "
            + "\n    ".join(sorted(complaints, key=lambda line: line.partition(":")[0])),
            expected=f"exactly the {len(wanted)} tensors of the model",
            do="point to a folder whose files belong together"
            + ("" if new_head else ", or start a fresh head: fathom finetune … --allow-new-head"),
        )
    return made


class LeftUninitialised(TorchFunctionMode):
    """While it is entered, nothing is drawn for the weights of a model that is made: `fill_model` will fill them all."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Leaves a tensor as it is where it would be filled at random."""
        if func in (nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_, Tensor.normal_, Tensor.uniform_):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))
