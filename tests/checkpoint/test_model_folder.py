"""A folder is whole or not there, and one that is damaged, foreign or dangerous is refused with the reason."""

import json
import pickle
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fathom.checkpoint import known_models, load_model, resolve_model
from fathom.errors import FathomError, MachineError, ModelFolderError
from fathom.folders import MANIFEST, verify_folder, write_folder, write_text_atomically
from tests.tiny import classifier, model_folder, writer_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return model_folder(tmp_path / "model")


def without_manifest(folder: Path) -> Path:
    (folder / MANIFEST).unlink()
    return folder


def test_folder_manifest_is_what_sha256sum_checks(folder: Path) -> None:
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--quiet", MANIFEST], cwd=folder, check=True)
    verify_folder(folder)


def test_folder_that_fathom_alone_can_express_goes_there_and_back(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "m", pooling="mean", pooler=False, norm_position="before", segments=0)
    assert json.loads((folder / "config.json").read_text())["model_type"] == "fathom"
    loaded = load_model(folder)
    expected = classifier(
        vocab_size=loaded.tokenizer.vocab_size, pooling="mean", pooler=False, norm_position="before", segments=0
    )
    for name, tensor in expected.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor), name


def test_folder_of_a_model_with_global_tokens_and_random_blocks_answers_as_before(tmp_path: Path) -> None:
    shape = {"pattern": "l", "window": 4, "global_tokens": 1, "random_blocks": 2, "max_length": 600}
    loaded = load_model(model_folder(tmp_path / "m", **shape))
    expected = classifier(vocab_size=loaded.tokenizer.vocab_size, **shape)
    assert loaded.model.config == expected.config
    token_ids = torch.randint(5, loaded.tokenizer.vocab_size, (1, 600))
    assert torch.equal(loaded.model(token_ids), expected(token_ids))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "fathom.json"])
def test_folder_with_one_changed_byte_is_refused_and_the_file_named(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ModelFolderError, match=f"{name} has changed"):
        load_model(folder)


@pytest.mark.parametrize("keep", [0, 1, 8, 100, -1])
def test_weights_that_are_cut_off_are_refused(folder: Path, keep: int) -> None:
    path = without_manifest(folder) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ModelFolderError, match="cut off or damaged"):
        load_model(folder)


def test_weights_under_another_name_are_refused_and_what_is_there_is_listed(folder: Path) -> None:
    (without_manifest(folder) / "model.safetensors").rename(folder / "weights.safetensors")
    with pytest.raises(ModelFolderError, match=r"has no model\.safetensors; it holds .*weights\.safetensors"):
        load_model(folder)


class _Touch:
    """Unpickling this would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_weights_that_are_a_pickle_are_refused_and_never_run(folder: Path, tmp_path: Path, name: str) -> None:
    (without_manifest(folder) / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(_Touch(tmp_path / "ran")))
    with pytest.raises(ModelFolderError, match="pickle"):
        load_model(folder)
    assert not (tmp_path / "ran").exists()


def test_tensors_that_do_not_fit_are_all_in_one_error(folder: Path) -> None:
    path = without_manifest(folder) / "model.safetensors"
    tensors = load_file(path)
    del tensors["bert.pooler.dense.bias"]
    tensors["surprise"] = torch.zeros(1)
    tensors["classifier.weight"] = torch.zeros(3, 16)
    save_file(tensors, path)
    with pytest.raises(ModelFolderError) as caught:
        load_model(folder)
    text = str(caught.value)
    assert "unexpected: surprise" in text
    assert "missing: pooler.layer.dense.bias" in text
    assert "wrong shape: classifier.weight is [3, 16], expected [2, 16]" in text


def test_tokenizer_that_is_too_large_for_the_model_is_refused(folder: Path) -> None:
    config = json.loads((without_manifest(folder) / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 20}))
    with pytest.raises(ModelFolderError, match=r"the tokenizer in .* but the model embeds 20"):
        load_model(folder)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("config.json", "{", "cannot be read"),
        ("config.json", "[]", "holds a list"),
        ("config.json", '{"model_type": "mamba"}', "'mamba' model, which fathom does not implement"),
        ("fathom.json", '{"labels": ["a", "b"], "max_length": 8, "script": "x"}', "script"),
        ("fathom.json", '{"labels": ["a"], "max_length": 8}', "labels"),
        ("tokenizer.json", "{}", "tokenizer"),
    ],
)
def test_files_that_do_not_follow_their_schema_are_refused(folder: Path, name: str, text: str, reason: str) -> None:
    (without_manifest(folder) / name).write_text(text)
    with pytest.raises(ModelFolderError, match=reason):
        load_model(folder)


def test_what_ends_a_text_is_said_by_the_tokenizer_and_both_configurations(tmp_path: Path) -> None:
    folder = without_manifest(writer_folder(tmp_path / "writer"))
    assert load_model(folder).end_ids == [3]  # [SEP], where the vocabulary has no token for it
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"eos_token_id": 7}))
    assert load_model(folder).end_ids == [3, 7]
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [8, 9, 10**6], "temperature": 0.6}))
    assert load_model(folder).end_ids == [3, 8, 9]


def test_resolve_says_what_is_there_instead_of_a_model(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(ModelFolderError, match="no model at"):
        resolve_model(tmp_path / "nowhere")
    with pytest.raises(ModelFolderError, match=r"is not a model folder: it is a folder with notes\.txt"):
        resolve_model(tmp_path)
    with pytest.raises(ModelFolderError, match="it is a file"):
        resolve_model(tmp_path / "notes.txt")


def test_resolve_of_an_absent_hub_model_says_what_to_do() -> None:
    with pytest.raises(ModelFolderError, match="hf download nobody/nothing"):
        resolve_model("hf:nobody/nothing")


def test_known_models_are_installed_with_the_tests() -> None:
    for model in known_models():
        path = resolve_model(model.name)
        weights = path if path.is_file() else path / "model.safetensors"
        assert round(weights.stat().st_size / 1e6) == model.megabytes


def test_write_folder_leaves_nothing_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), write_folder(tmp_path / "out") as temporary:
        (temporary / "half").write_text("x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_write_folder_replaces_only_what_it_may(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with write_folder(out) as temporary:
        (temporary / "a").write_text("1")
    with pytest.raises(FathomError, match="already exists"), write_folder(out):
        pass
    with write_folder(out, overwrite=True) as temporary:
        (temporary / "b").write_text("2")
    assert sorted(path.name for path in out.iterdir()) == [MANIFEST, "b"]
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.doc").write_text("years of work")
    with pytest.raises(FathomError, match="was not written by fathom"), write_folder(foreign, overwrite=True):
        pass
    assert (foreign / "thesis.doc").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foreign", "out"]


def test_write_folder_on_a_full_disk_is_the_machines_fault_and_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = model_folder(tmp_path / "out")
    before = (out / MANIFEST).read_bytes()

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fathom.folders._fsync", full)
    with pytest.raises(MachineError, match="the disk is full"):
        model_folder_again(out)
    assert (out / MANIFEST).read_bytes() == before
    verify_folder(out)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def model_folder_again(out: Path) -> None:
    with write_folder(out, overwrite=True) as temporary:
        (temporary / "a").write_text("1")


def test_write_folder_clears_up_after_a_process_that_was_killed(tmp_path: Path) -> None:
    out, other = model_folder(tmp_path / "out"), tmp_path / ".other.abcdefgh.partial"
    aside, half = tmp_path / ".out.abcdefgh.replaced", tmp_path / ".out.abcdefgh.partial"
    before = (out / MANIFEST).read_bytes()
    for left in (aside, half, other):
        left.mkdir()
    out.rename(aside / "out")  # killed between the two renames
    with pytest.raises(FathomError, match="already exists"), write_folder(out):
        pass
    assert (out / MANIFEST).read_bytes() == before, "the old one is back"
    assert {path.name for path in tmp_path.iterdir()} == {"out", other.name}, "what another process writes is left alone"
    model_folder_again(out)
    assert (out / "a").is_file()


def test_verify_folder_strictly_knows_every_file(tmp_path: Path) -> None:
    with write_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("1")
    out = tmp_path / "out"
    verify_folder(out, strict=True)
    (out / "b").write_text("2")
    verify_folder(out)
    with pytest.raises(ModelFolderError, match="b is not in SHA256SUMS"):
        verify_folder(out, strict=True)
    (out / MANIFEST).unlink()
    verify_folder(out)
    with pytest.raises(ModelFolderError, match="SHA256SUMS is missing"):
        verify_folder(out, strict=True)


def test_write_text_atomically_keeps_the_old_text_on_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_text_atomically(path, "old")

    def fail(*arguments: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(MachineError, match="read-only"):
        write_text_atomically(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("line", ["zz", "00  /etc/passwd", "00  ../other"])
def test_manifest_that_points_outside_is_refused(folder: Path, line: str) -> None:
    (folder / MANIFEST).write_text(line + "\n")
    with pytest.raises(ModelFolderError, match="line 1"):
        verify_folder(folder)
