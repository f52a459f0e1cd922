"""`hf:owner/name` with no network: what is in the cache works, what is not there says so."""

import json
from pathlib import Path

import pytest
import torch

from fathom.checkpoint import load_model, resolve_model
from fathom.errors import FathomError, ModelFolderError
from tests.tiny import model_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return cache


def cached(cache: Path, source: Path, *, without: tuple[str, ...] = ()) -> Path:
    """The layout of huggingface-hub's cache: files by content, and a snapshot that links to them."""
    repository = cache / "models--somebody--tiny-model"
    snapshot, blobs, refs = repository / "snapshots" / COMMIT, repository / "blobs", repository / "refs"
    for folder in (snapshot, blobs, refs):
        folder.mkdir(parents=True)
    (refs / "main").write_text(COMMIT)
    for file in source.iterdir():
        if file.name not in without:
            (blobs / file.name).write_bytes(file.read_bytes())
            (snapshot / file.name).symlink_to(Path("../../blobs") / file.name)
    return snapshot


def test_hub_model_in_the_cache_is_read_without_a_network(cache: Path, tmp_path: Path) -> None:
    source = model_folder(tmp_path / "source")
    snapshot = cached(cache, source, without=("fathom.json", "made_by.json", "SHA256SUMS"))
    folder = resolve_model("hf:somebody/tiny-model")
    assert folder.resolve() == snapshot.resolve()
    found, expected = load_model(folder), load_model(source)
    assert found.labels == ["bad", "good"]
    assert found.about is None
    token_ids = torch.randint(5, 100, (2, 9))
    assert torch.equal(found.model(token_ids), expected.model(token_ids))


def test_hub_model_that_is_not_in_the_cache_says_what_to_do(cache: Path) -> None:
    with pytest.raises(ModelFolderError) as caught:
        resolve_model("hf:somebody/tiny-model")
    text = str(caught.value)
    assert "hf:somebody/tiny-model is not in the local cache and could not be fetched" in text
    assert "hf download somebody/tiny-model" in text
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["", "a/b/c", "no spaces", "../up"])
def test_hub_name_that_is_none_is_refused(cache: Path, name: str) -> None:
    with pytest.raises(FathomError, match="is not a repository name"):
        resolve_model(f"hf:{name}")


def test_hub_model_without_safetensors_is_refused_with_the_reason(cache: Path, tmp_path: Path) -> None:
    source = model_folder(tmp_path / "source")
    (source / "pytorch_model.bin").write_bytes(b"\x80\x02")
    cached(cache, source, without=("model.safetensors",))
    with pytest.raises(ModelFolderError, match=r"no weights as safetensors; it holds (?s:.*)pickles are not fetched"):
        resolve_model("hf:somebody/tiny-model")


def test_hub_model_that_was_fetched_in_part_is_refused(cache: Path, tmp_path: Path) -> None:
    source = model_folder(tmp_path / "source")
    (source / "model.safetensors").rename(source / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (source / "model.safetensors.index.json").write_text(json.dumps(index))
    cached(cache, source, without=("SHA256SUMS",))
    with pytest.raises(ModelFolderError, match=r"lacks 'model-00002-of-00002\.safetensors'"):
        load_model(resolve_model("hf:somebody/tiny-model"))
