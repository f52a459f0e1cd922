"""The two small files that Hugging Face's folder has no place for: fathom.json (what the model is) and made_by.json (how).

Closed schemas: a key that is not listed here is an error, so that a folder from a newer version is refused, not half read.
"""

from __future__ import annotations

import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fathom.errors import ModelFolderError
from fathom.model import Task

ABOUT = "fathom.json"
MADE_BY = "made_by.json"
CLASSIFIERS = ("sequence", "token")  # tasks with labels


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class About(_Closed):
    """fathom.json: what Hugging Face's configuration has no key for."""

    version: Literal[1] = 1
    task: Task = "sequence"
    labels: list[str] = []  # of classifiers, by class number
    temperature: float = Field(default=1.0, gt=0)  # logits are divided by it before the softmax (Guo et al. 2017)
    max_length: int = Field(ge=3)  # tokens the model was trained to read at once
    long_text: Literal["head", "head+tail", "windows"] = "head"  # what happens to longer texts
    stride: int = Field(default=64, ge=0)  # tokens that neighbouring windows share
    parents: dict[str, str] = {}  # {"model": SHA-256 of the weights it started from, …}

    @model_validator(mode="after")
    def _classes(self) -> About:
        if self.task in CLASSIFIERS and len(self.labels) < 2:
            raise ValueError(f"labels are {self.labels!r}, expected at least two, by class number")
        return self


class MadeBy(_Closed):
    """made_by.json: how a folder came to be, enough to make it again."""

    command: str
    version: str
    commit: str | None = None  # of fathom's own source, where it runs from a checkout
    seed: int
    data: dict[str, str]  # {"train": SHA-256 of what was read, …}
    machine: dict[str, str]
    seconds: float = Field(ge=0)
    settings: dict[str, Any]
    metrics: dict[str, Any]


def machine() -> dict[str, str]:
    """The processor, its kernels, the GPU if there is one, and the versions that decide a figure: beside every record."""
    import torch

    gpu = {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    versions = {name: metadata.version(name) for name in ("torch", "tokenizers", "numpy", "scikit-learn")}
    return {
        "processor": _processor(),
        "threads": str(torch.get_num_threads()),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "system": platform.system(),
        "python": platform.python_version(),
        **gpu,
        **versions,
    }


def source_commit() -> str | None:
    """The commit of fathom's source, with "+" after it where files have changed; None for an installed package."""
    here = Path(__file__).parent
    try:
        options: dict[str, Any] = {"cwd": here, "capture_output": True, "text": True, "timeout": 5, "check": True}
        tracked = subprocess.run(["git", "ls-files", "--error-unmatch", Path(__file__).name], **options)
        commit = subprocess.run(["git", "rev-parse", "HEAD"], **options).stdout.strip()
        changed = subprocess.run(["git", "status", "--porcelain", "--untracked-files=no", "."], **options).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+" if changed else "") if tracked.stdout else None


Schema = TypeVar("Schema", About, MadeBy)


def read_json(path: Path, schema: type[Schema]) -> Schema:
    """One of the two files, validated.

    Raises:
        ModelFolderError: unreadable, not JSON, an unknown or missing key, a value out of range; all complaints at once.
    """
    try:
        return schema.model_validate_json(path.read_bytes())
    except ValidationError as error:
        complaints = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise ModelFolderError(
            f"{path} cannot be used: {complaints}",
            expected=f"the keys {', '.join(schema.model_fields)}",
            do="write the folder again with this version of fathom",
        ) from error


def to_json(value: Any) -> str:
    """JSON as every file of ours has it: indented, sorted as given, real characters, one newline at the end."""
    data = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
