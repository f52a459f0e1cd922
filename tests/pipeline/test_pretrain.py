"""From documents to a base model: every objective, what is written, that Hugging Face's library agrees, and bad input."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.numpy import load_file

import fathom
from fathom.checkpoint import load_model, resolve_model
from fathom.cli.main import main
from fathom.data import Example
from fathom.errors import DataError, FathomError, InterruptedRunError, ModelFolderError, SettingsError
from fathom.pipeline.finetune import finetune
from fathom.pipeline.pretrain import TASKS, PretrainResult, pretrain
from fathom.pipeline.settings import PretrainSettings, read_settings, validate_settings
from fathom.training import SilentListener
from tests import tiny

CLASSES = {
    "masked": "ModernBertForMaskedLM",
    "masked+next": "BertForPreTraining",
    "masked+order": "AlbertForPreTraining",
    "causal": "LlamaForCausalLM",
    "permutation": "XLNetLMHeadModel",
    "replaced": "ElectraForPreTraining",
}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty short documents of a few sentences each."""
    path = tmp_path_factory.mktemp("documents") / "documents.jsonl"
    sentences = [*tiny.GOOD, *tiny.BAD]
    rows = [" ".join(f"{sentences[(i * j) % 10].capitalize()} {i}." for j in range(1, 6)) for i in range(60)]
    path.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows), encoding="utf-8")
    return path


def settings(documents: Path, **changes: Any) -> PretrainSettings:
    values: dict[str, Any] = {
        "data": str(documents),
        "vocabulary": {"size": 200, "min_frequency": 1},
        "architecture": {"width": 16, "depth": 2, "heads": 2, "feed_forward_width": 32, "embedding_width": None},
        "max_length": 24,
        "held_out": 0.1,
        "training": {"epochs": 1, "updates": 6, "batch_tokens": 256, "learning_rate": 1e-2, "batch_rows": None},
    }
    if changes.get("objective") == "masked+order":
        values["architecture"]["embedding_width"] = 8
    else:
        del values["architecture"]["embedding_width"]
    return read_settings(PretrainSettings, None, {**values, **changes})


def run(documents: Path, output: Path, **changes: Any) -> PretrainResult:
    return pretrain(settings(documents, **changes), output)


@pytest.mark.parametrize("objective", TASKS)
def test_pretrain_writes_a_base_model_that_hugging_face_loads_and_fine_tuning_takes(
    objective: str, documents: Path, tmp_path: Path
) -> None:
    result = run(documents, tmp_path / "base", objective=objective)
    assert {path.name for path in tmp_path.iterdir()} == {"base"}, "nothing is left beside the folder"
    loaded = load_model(result.folder)
    assert loaded.task == TASKS[objective]
    measured = result.made_by.metrics["held_out"]
    assert measured["loss"] > 0
    assert {"unigram_loss", "bigram_loss", "accuracy"} <= measured.keys()
    assert ("topic_baseline" in result.made_by.metrics["facts"]) == (objective == "masked+next")
    assert result.made_by.metrics["work"]["utilisation"] > 0
    page = (result.folder / "report.html").read_text(encoding="utf-8")
    assert f"{measured['loss']:.4f}" in page
    assert ("bits a byte" in page) == (objective == "causal")
    theirs = getattr(transformers, CLASSES[objective]).from_pretrained(result.folder).eval()
    token_ids = torch.randint(10, 100, (2, 12))
    with torch.no_grad():
        expected, found = theirs(token_ids)[0], loaded.model(token_ids)
    torch.testing.assert_close(found[0] if isinstance(found, tuple) else found, expected, atol=1e-4, rtol=0)
    tuned = finetune(
        validate_settings({"model": str(result.folder), "max_length": 20, "training": {"epochs": 1, "batch_rows": 16}}),
        tmp_path / "tuned",
        train_examples=tiny.examples(4),
    )
    states = load_model(tuned.folder).model.state_dict()
    assert any(name.startswith("transformer.") for name in states)
    assert tuned.predictor.predict(["a joy"])[0].label in ("good", "bad")


@pytest.mark.parametrize("objective", ["masked", "masked+next", "causal", "replaced"])
def test_pretrain_learns(objective: str, documents: Path, tmp_path: Path) -> None:
    training = {"epochs": 30, "batch_tokens": 256, "learning_rate": 1e-2, "batch_rows": None, "evaluations": 1}
    result = run(documents, tmp_path / "base", objective=objective, training=training)
    losses, held_out = [scores["loss"] for scores in result.training.evaluations], result.made_by.metrics["held_out"]
    assert min(losses) < 0.9 * losses[0]
    if objective in ("masked", "causal"):  # two tasks at once do no more than count, in so small a model on so few texts
        assert held_out["loss"] < 0.95 * held_out["unigram_loss"]


def test_pretrain_goes_on_from_a_base_model_and_from_the_packaged_ones_shape(documents: Path, tmp_path: Path) -> None:
    base = run(documents, tmp_path / "base")
    more = pretrain(settings(documents, model=str(base.folder), vocabulary=None, architecture=None), tmp_path / "more")
    assert more.made_by.metrics["held_out"]["loss"] < base.made_by.metrics["held_out"]["loss"]
    assert fathom.load(more.folder).fill(["a good [MASK]"])[0][0][0].probability > 0


class _Told(SilentListener):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def on_message(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize("objective", TASKS)
def test_pretrain_shows_what_the_model_makes_of_held_out_text(objective: str, documents: Path, tmp_path: Path) -> None:
    told = _Told()
    training = {"epochs": 2, "batch_tokens": 512, "learning_rate": 1e-2, "batch_rows": None}
    result = pretrain(settings(documents, objective=objective, training=training), tmp_path / "base", listener=told)
    samples = [line for line in told.said if line.startswith("“")]
    assert len(samples) == len(result.training.evaluations) == 2
    assert all((" | " if objective == "causal" else " → ") in line for line in samples)
    asked = [[pair.split(" → ")[0] for pair in line.split("”: ")[-1].split("   ")] for line in samples]
    assert asked[0] == asked[1] or objective == "causal", "the same is asked every time"
    held_text = samples[0][1:30].split("…")[0].split(" | ")[0].strip().lower()
    page = (result.folder / "report.html").read_text(encoding="utf-8").lower()
    assert held_text[:12] not in page, "a model folder holds no text"


def test_pretrain_with_rows_that_grow_reads_them_in_stages(documents: Path, tmp_path: Path) -> None:
    stages = [{"length": 8, "share": 0.5}, {"length": 24, "share": 0.5}]
    training = {"epochs": 1, "batch_tokens": 96, "learning_rate": 1e-2, "batch_rows": None}
    staged = run(documents, tmp_path / "staged", curriculum=stages, training=training)
    whole = run(documents, tmp_path / "whole", training=training)
    assert staged.training.steps > whole.training.steps, "short rows waste more of a batch on special tokens"
    assert load_model(staged.folder).model.config.max_length == 24
    with pytest.raises(InterruptedRunError):
        pretrain(settings(documents, curriculum=stages, training=training), tmp_path / "stopped", listener=_Stop(3))
    resumed = pretrain(settings(documents, curriculum=stages, training=training), tmp_path / "stopped", resume=True)
    weights = [load_file(folder / "model.safetensors") for folder in (staged.folder, resumed.folder)]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"curriculum": [{"length": 24, "share": 0.5}]}, "do not add up to 1"),
        ({"curriculum": [{"length": 8, "share": 1.0}]}, "longest rows of the curriculum have 8 tokens, but max_length is 24"),
        ({"curriculum": [{"length": 24, "share": 1.0}], "objective": "masked+next"}, "pairs and memory have one length"),
        ({"curriculum": [{"length": 24, "share": 1.0}], "training": {"updates": 5}}, "would cut the curriculum short"),
        ({"training": {"matrix_learning_rate": 1e-2}}, "is for the optimizer muon"),
        ({"training": {"batch_warmup": 1.5}}, "batch_warmup"),
    ],
)
def test_pretrain_settings_that_contradict_each_other_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        read_settings(PretrainSettings, None, {"max_length": 24, **changes})


class _Stop(SilentListener):
    """Asks for a stop after some updates, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        self.after = after

    def on_step(self, step: int, total: int, loss: float, rate: float, tokens_per_second: float) -> None:
        if step == self.after:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("objective", "memory", "optimizer"),
    [
        ("masked", 0, "muon"),
        ("masked+order", 0, "adamw"),
        ("permutation", 0, "adamw"),
        ("permutation", 40, "adamw"),
        ("replaced", 0, "adamw"),
    ],
)
def test_pretrain_resumed_is_bit_for_bit_the_run_that_was_never_stopped(
    objective: str, memory: int, optimizer: str, documents: Path, tmp_path: Path
) -> None:
    training = {"epochs": 2, "batch_tokens": 512, "learning_rate": 1e-2, "batch_rows": None, "optimizer": optimizer}
    training["evaluations"] = 2  # also between the epochs, where something is remembered
    chosen = settings(documents, objective=objective, memory=memory, training=training)
    whole = pretrain(chosen, tmp_path / "whole")
    for after in (1, whole.training.steps // 2 + 1):
        output = tmp_path / f"stopped-{after}"
        with pytest.raises(InterruptedRunError):
            pretrain(chosen, output, listener=_Stop(after))
        resumed = pretrain(chosen, output, resume=True)
        weights = [load_file(folder / "model.safetensors") for folder in (whole.folder, resumed.folder)]
        assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
        assert resumed.made_by.metrics["held_out"] == whole.made_by.metrics["held_out"]


def test_pretrain_stopped_before_its_training_keeps_the_corpus_and_goes_on(
    documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(documents, tmp_path / "whole")

    with monkeypatch.context() as patched:
        patched.setattr("fathom.pipeline.pretraining_data.find_duplicates", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(documents, tmp_path / "stopped")
    shard = next((tmp_path / "stopped.partial" / "corpus").glob("shard-*")) / "tokens.npy"
    written = shard.stat().st_mtime_ns
    with pytest.raises(FathomError, match="add --resume"):
        run(documents, tmp_path / "stopped")
    assert shard.stat().st_mtime_ns == written
    resumed = pretrain(settings(documents), tmp_path / "stopped", resume=True)
    weights = [load_file(folder / "model.safetensors") for folder in (whole.folder, resumed.folder)]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


def test_pretrain_bad_input_is_said_and_nothing_is_left(
    documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def code(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        return main(["pretrain", *arguments, "--output", str(tmp_path / "out")]), capsys.readouterr().err

    empty, one = tmp_path / "empty.txt", tmp_path / "one.txt"
    empty.write_text("")
    one.write_text("word\n")
    broken = tmp_path / "broken.txt"
    broken.write_bytes(b"fine\n\xff\xfe broken\n")
    thai, copies = tmp_path / "thai.txt", tmp_path / "copies.txt"
    thai.write_text("".join(f"\u0e01\u0e02\u0e03{chr(0xE01 + i)} \u0e04\u0e05\u0e06 {i % 7}\n" for i in range(40)))
    copies.write_text("a wonderful film\n" * 40)
    for arguments, complaint in (
        (("nowhere.txt",), "no file or folder at nowhere.txt"),
        ((str(empty),), "empty"),
        ((str(one),), "held"),
        ((str(broken),), "line 2"),
        ((str(documents), "--objective", "sudoku"), "objective"),
        ((str(documents), "--max-length", "3"), "max_length"),
        ((str(documents), "--objective", "causal", "--set", "architecture.family=bert"), "causal"),
        ((str(documents), "--objective", "permutation", "--set", "architecture.family=bert"), "relative"),
        ((str(documents), "--set", "memory=8"), "only permutation has one"),
        ((str(documents), "--set", "predicted=1"), "only for permutation"),
        ((str(documents), "--model", str(tmp_path)), "not a model folder"),
        ((str(documents), "--model", "minilm", "--set", "vocabulary.size=300"), "vocabulary and architecture describe"),
        ((str(documents), "--set", f"vocabulary.folder={tmp_path}"), "holds no tokenizer"),
        ((str(thai), "--held-out", "0.2", "--model", "minilm"), "are not in the vocabulary"),
        (
            (str(thai), "--held-out", "0.2", "--set", f"vocabulary.folder={resolve_model('minilm')}"),
            "are not in the vocabulary",
        ),
        ((str(copies),), "copies count as one"),
        ((str(documents), "--objective", "masked+next", "--set", "architecture.segments=1"), "segments"),
    ):
        found, error = code(*arguments)
        assert found == 2, error
        assert complaint in error, error
        assert not list(tmp_path.glob("out*")), "nothing is left"
    with pytest.raises(SettingsError, match="no data was named"):
        pretrain(PretrainSettings(), tmp_path / "out")
    run(documents, tmp_path / "there")
    with pytest.raises(FathomError, match="exists"):
        run(documents, tmp_path / "there")
    assert issubclass(DataError, FathomError)


def test_pretrain_goes_on_only_as_the_run_that_it_was(
    documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output, partial = tmp_path / "base", tmp_path / "base.partial"
    training = {"epochs": 1, "updates": 6, "batch_tokens": 256, "learning_rate": 1e-2, "batch_rows": None}
    with monkeypatch.context() as patched:
        patched.setattr("fathom.pipeline.pretraining_data.find_duplicates", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(documents, output, training=training)
    other = settings(documents, vocabulary={"size": 300, "min_frequency": 1}, training={**training, "seed": 3})
    with pytest.raises(SettingsError, match=r"another run: vocabulary.size was 200 and is 300, training.seed was 0 and is 3"):
        pretrain(other, output, resume=True)
    shard = partial / "corpus" / "shard-00000" / "tokens.npy"
    held = shard.read_bytes()
    shard.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    with pytest.raises(ModelFolderError, match=r"shard-00000 is damaged: .*tokens.npy has changed"):
        pretrain(settings(documents, training=training), output, resume=True)
    shutil.rmtree(shard.parent)  # as the message says
    with pytest.raises(InterruptedRunError):
        pretrain(settings(documents, training=training), output, resume=True, listener=_Stop(2))
    assert shard.read_bytes() == held
    (partial / "repeated.json").write_text("{")  # costs a second count
    kept = {**training, "checkpoint_minutes": 1e-9, "keep_newest": 3, "keep_every": 2}  # what is kept changes no number
    resumed = pretrain(settings(documents, training=kept), output, resume=True)
    assert resumed.training.steps == 6


def _interrupt(*arguments: Any, **named: Any) -> None:
    raise KeyboardInterrupt


def test_pretrain_keeps_models_on_its_way_that_load_by_themselves(
    documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--set", "vocabulary.size=200", "--set", "architecture.width=16", "--set", "architecture.heads=2"]
    flags += ["--max-length", "24", "--held-out", "0.1", "--updates", "5", "--set", "training.keep_every=2"]
    command = ["pretrain", str(documents), "--output", str(tmp_path / "base"), *flags]
    assert main(command) == 0
    folders = [tmp_path / "base.steps" / f"step-{step:08d}" for step in (2, 4)]
    assert sorted((tmp_path / "base.steps").iterdir()) == folders
    losses = []
    for folder in folders:
        theirs = transformers.ModernBertForMaskedLM.from_pretrained(folder).eval()
        loaded = load_model(folder)
        token_ids = torch.randint(10, 100, (2, 12))
        with torch.no_grad():
            losses.append(loaded.model(token_ids))
            torch.testing.assert_close(losses[-1], theirs(token_ids)[0], atol=1e-4, rtol=0)
        assert "A model on its way" in (folder / "README.md").read_text()
    assert not torch.equal(*losses), "they learn"
    assert main(["predict", str(folders[0]), "a [MASK] film"]) == 0
    shutil.rmtree(tmp_path / "base")
    capsys.readouterr()
    assert main(command) == 2
    assert "base.steps holds models of an earlier run" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--set", "training.keep_every=4"]) == 0
    assert list((tmp_path / "base.steps").iterdir()) == folders[1:]


def test_pretrain_says_what_repeats_and_what_it_has_seen_of_an_evaluation_set(documents: Path, tmp_path: Path) -> None:
    rows = [json.loads(line)["text"] for line in documents.read_text().splitlines()]
    corpus, evaluation = tmp_path / "corpus.jsonl", tmp_path / "evaluation.csv"
    corpus.write_text("".join(json.dumps({"text": row}) + "\n" for row in [*rows, rows[3], rows[3].upper()]))
    evaluation.write_text(
        "text,label\n" + f'"{rows[5]}",good\n"nothing of this was ever read by anybody at all, not once in a while",bad\n'
    )
    facts = run(corpus, tmp_path / "base", against=str(evaluation)).made_by.metrics["facts"]
    assert facts["duplicates"]["copies"] == 2
    assert (facts["against"]["touched"], facts["against"]["wholly"], facts["against"]["texts"]) == (1, 1, 2)
    written = (tmp_path / "base" / "made_by.json").read_text()
    assert rows[5][:30] not in written, "a model folder holds no text"


def test_pretrain_from_the_shell_says_what_was_measured(
    documents: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--set", "vocabulary.size=200", "--set", "architecture.width=16", "--set", "architecture.heads=2"]
    flags += ["--max-length", "24", "--held-out", "0.1", "--updates", "3"]
    assert main(["pretrain", str(documents), "--output", str(tmp_path / "base"), "--json", *flags]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"] == str(tmp_path / "base")
    assert found["held_out"]["loss"] > 0
    assert found["facts"]["documents"]["held-out"] > 0
    card = (tmp_path / "base" / "README.md").read_text()
    assert "transformers.ModernBertForMaskedLM" in card
    assert Example("x").text == "x"
