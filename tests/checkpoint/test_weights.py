"""Tensors that do not fit, weights that are pickles, and heads that belong to something else: refused, and said why."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from fathom.checkpoint import load_model, save_model
from fathom.checkpoint.about import About
from fathom.errors import ModelFolderError
from fathom.model import Task, make_model
from tests.families.reference import MADE_BY, reference, saved
from tests.tiny import config, tokenizer


def edited(folder: Path, **changes: Any) -> Path:
    """The folder with other keys in config.json; None takes one away."""
    path = folder / "config.json"
    written = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in written.items() if value is not None}))
    return folder


def tensors_of(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def write_tensors(folder: Path, tensors: dict[str, Tensor]) -> None:
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


# --- tensors ---


def test_decoder_that_does_not_fit_has_all_complaints_in_one_error(tmp_path: Path) -> None:
    folder = saved(reference("gpt2", "causal"), tmp_path)
    tensors = tensors_of(folder)
    del tensors["transformer.h.1.ln_1.weight"]
    del tensors["transformer.h.2.attn.c_attn.bias"]  # three of ours
    tensors["transformer.h.0.mlp.c_fc.weight"] = torch.zeros(24, 40)
    tensors["transformer.h.3.ln_1.weight"] = torch.zeros(24)  # of a fourth block
    tensors["transformer.wpe.weight"] = torch.zeros(50, 24)
    tensors["sparkle"] = torch.zeros(1)
    write_tensors(folder, tensors)
    with pytest.raises(ModelFolderError) as caught:
        load_model(folder)
    lines = [line.strip() for line in str(caught.value).splitlines()]
    assert lines[0] == f"the weights of {folder} do not fit the model that its config.json describes:"
    assert sorted(line for line in lines if line.startswith(("missing", "unexpected", "wrong"))) == [
        "missing: transformer.blocks.1.norm_before_attention.weight",
        "missing: transformer.blocks.2.attention.key.bias",
        "missing: transformer.blocks.2.attention.query.bias",
        "missing: transformer.blocks.2.attention.value.bias",
        "unexpected: sparkle",
        "unexpected: transformer.h.3.ln_1.weight",
        "wrong shape: transformer.blocks.0.feed_forward.up.weight is [40, 24], expected [96, 24]",
        "wrong shape: transformer.embeddings.position.weight is [50, 24], expected [48, 24]",
    ]
    with pytest.raises(ModelFolderError, match="unexpected: sparkle"):  # a fresh head excuses nothing of the stack
        load_model(folder, labels=["a", "b"], allow_new_head=True)


@pytest.mark.parametrize(
    ("row", "task", "denied", "example"),
    [
        ("llama tied", "causal", {"attention_bias": False}, "blocks.0.attention.output.bias"),
        ("llama tied", "causal", {"mlp_bias": False}, "blocks.0.feed_forward.gate.bias"),
        ("modernbert with every bias", "sequence", {"norm_bias": False}, "blocks.0.norm_before_feed_forward.bias"),
        ("modernbert with every bias", "masked", {"attention_bias": False}, "blocks.1.attention.query.bias"),
        ("modernbert with every bias", "masked", {"decoder_bias": False}, "output.bias"),
        ("modernbert with every bias", "masked", {"classifier_bias": False}, "output.layer.dense.bias"),
    ],
)
def test_bias_that_the_configuration_denies_is_unexpected(
    row: str, task: Task, denied: dict[str, bool], example: str, tmp_path: Path
) -> None:
    folder = saved(reference(row, task), tmp_path)
    load_model(folder)
    with pytest.raises(ModelFolderError, match=rf"unexpected: \S*{example}"):
        load_model(edited(folder, **denied))


def test_bias_that_the_configuration_promises_is_missing(tmp_path: Path) -> None:
    folder = edited(saved(reference("llama", "causal"), tmp_path), mlp_bias=True)
    with pytest.raises(ModelFolderError, match=r"missing: transformer\.blocks\.2\.feed_forward\.up\.bias"):
        load_model(folder)


def test_output_map_that_the_configuration_promises_is_missing(tmp_path: Path) -> None:
    folder = edited(saved(reference("llama tied", "causal"), tmp_path), tie_word_embeddings=False)
    with pytest.raises(ModelFolderError, match=r"missing: output\.weight"):
        load_model(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_become_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    folder = saved(reference("bert", "sequence"), tmp_path)
    write_tensors(folder, {name: tensor.to(dtype) for name, tensor in tensors_of(folder).items()})
    model = load_model(folder).model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    expected = tensors_of(folder)["classifier.weight"].float()
    assert torch.equal(model.state_dict()["classifier.weight"], expected)


# --- pickles ---


@pytest.mark.parametrize(
    "names",
    [
        ("pytorch_model.bin",),
        ("pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin", "pytorch_model.bin.index.json"),
        ("model.pt",),
    ],
)
def test_pickles_are_refused_with_the_reason_and_the_command(names: tuple[str, ...], tmp_path: Path) -> None:
    folder = saved(reference("bert", "token"), tmp_path)
    (folder / "model.safetensors").unlink()
    for name in names:
        (folder / name).write_bytes(pickle.dumps({}))
    with pytest.raises(ModelFolderError) as caught:
        load_model(folder)
    text = str(caught.value)
    assert "only as a pickle, and reading a pickle can run any code in it" in text
    assert f"transformers.BertForTokenClassification.from_pretrained('{folder}').save_pretrained('{folder}-safe')" in text
    for architectures in (["os; x"], [], 3, [7], None):
        edited(folder, architectures=architectures)
        with pytest.raises(ModelFolderError, match=r"transformers\.AutoModel\.from_pretrained"):
            load_model(folder)


# --- heads ---


def heads_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return torch.equal(one["classifier.weight"], other["classifier.weight"])


def test_head_for_the_same_labels_is_taken_over(tmp_path: Path) -> None:
    folder = saved(reference("bert", "sequence"), tmp_path)
    expected = tensors_of(folder)
    for options in ({}, {"labels": ["bad", "fair", "good"]}, {"labels": ["bad", "fair", "good"], "allow_new_head": True}):
        loaded = load_model(folder, **options)
        assert loaded.made == []
        assert heads_equal(loaded.model.state_dict(), expected)


@pytest.mark.parametrize("labels", [["fair", "bad", "good"], ["a", "b", "c"], ["a", "b"], ["bad", "fair", "good", "best"]])
def test_head_for_other_labels_is_refused_and_replaced_only_when_asked(labels: list[str], tmp_path: Path) -> None:
    folder = saved(reference("roberta", "sequence"), tmp_path)
    with pytest.raises(ModelFolderError) as caught:
        load_model(folder, labels=labels)
    assert f"already classifies, into bad, fair, good, and the data has {', '.join(labels)}" in str(caught.value)
    assert "add --allow-new-head" in str(caught.value)
    loaded = load_model(folder, labels=labels, allow_new_head=True)
    assert loaded.labels == labels
    assert {"classifier.weight", "classifier.bias"} <= set(loaded.made)
    if len(labels) == 3:
        assert not heads_equal(
            loaded.model.state_dict(), {"classifier.weight": tensors_of(folder)["classifier.out_proj.weight"]}
        )


@pytest.mark.parametrize(("held", "wanted"), [("sequence", "token"), ("token", "sequence")])
def test_head_for_another_task_is_never_taken_over_even_where_names_and_shapes_fit(
    held: Task, wanted: Task, tmp_path: Path
) -> None:
    folder = saved(reference("bert", held), tmp_path)
    for options in ({"labels": ["bad", "fair", "good"]}, {"labels": ["bad", "fair", "good"], "allow_new_head": True}):
        loaded = load_model(folder, task=wanted, **options)
        assert {"classifier.weight", "classifier.bias"} <= set(loaded.made)
        assert not heads_equal(loaded.model.state_dict(), tensors_of(folder))
    with pytest.raises(ModelFolderError, match=r"missing: classifier\.weight"):
        load_model(folder, task=wanted)


def test_head_of_unknown_purpose_is_never_taken_over_silently(tmp_path: Path) -> None:
    """Nothing says what the classifier in the file is for; it has as many classes as the data."""
    folder = edited(saved(reference("bert", "sequence"), tmp_path), architectures=None, id2label=None, label2id=None)
    loaded = load_model(folder, labels=["a", "b", "c"])
    assert loaded.made == ["classifier.weight", "classifier.bias"]
    assert not heads_equal(loaded.model.state_dict(), tensors_of(folder))
    with pytest.raises(ModelFolderError, match="without a head for any task"):
        load_model(folder)
    with pytest.raises(ModelFolderError, match="says nothing about labels"):
        load_model(folder, task="sequence")
    named = edited(folder, id2label={"0": "x", "1": "y", "2": "z"})
    assert heads_equal(load_model(named, task="sequence").model.state_dict(), tensors_of(folder)), "asked for by name"


def test_head_of_pretraining_serves_the_part_that_it_shares(tmp_path: Path) -> None:
    folder = saved(reference("bert", "pretraining"), tmp_path)
    expected = load_model(folder).model.state_dict()
    found = load_model(folder, task="masked")
    assert found.made == []
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.model.state_dict().items())
    with pytest.raises(ModelFolderError, match=r"missing: span\.weight"):
        load_model(folder, task="span")
    assert load_model(folder, task="span", allow_new_head=True).made == ["span.weight", "span.bias"]


def test_tasks_that_a_family_does_not_have_are_refused(tmp_path: Path) -> None:
    folder = saved(reference("gpt2", "causal"), tmp_path)
    with pytest.raises(ModelFolderError, match="a 'gpt2' model has no head for the task 'masked'"):
        load_model(folder, task="masked")


@pytest.mark.parametrize("names", ["BertForSequenceClassification", 3, [3, None], {"a": 1}])
def test_architectures_that_are_no_list_of_names_say_nothing(names: object, tmp_path: Path) -> None:
    folder = edited(saved(reference("bert", "sequence"), tmp_path), architectures=names)
    with pytest.raises(ModelFolderError, match="without a head for any task"):
        load_model(folder)


@pytest.mark.parametrize("kind", [["bert"], {}, 3, None])
def test_model_type_that_is_no_name_is_refused(kind: object, tmp_path: Path) -> None:
    folder = edited(saved(reference("bert", "sequence"), tmp_path), model_type=kind)
    with pytest.raises(ModelFolderError, match="which fathom does not implement"):
        load_model(folder)


@pytest.mark.parametrize(
    ("held", "shape", "wanted", "message"),
    [
        ("masked", {}, "causal", "causal is False, expected True for the task 'causal'"),
        ("causal", {"causal": True}, "masked", "causal is True, expected False for the task 'masked'"),
        ("masked", {}, "translation", "decoder_depth is 0, expected at least 1"),
        ("translation", {"decoder_depth": 1}, "sequence", "decoder_depth is 1, expected 0 for the task 'sequence'"),
    ],
)
def test_configuration_of_another_task_makes_no_model(
    held: Task, shape: dict[str, Any], wanted: Task, message: str, tmp_path: Path
) -> None:
    """A model that guesses hidden tokens has seen what comes next: asked for the next token, it would answer all the same."""
    vocabulary = tokenizer()
    model = make_model(held, config(vocab_size=vocabulary.vocab_size, pooling="mean", positions="rotary", **shape))
    about = About(task=held, max_length=32)
    save_model(tmp_path / "m", model=model, tokenizer=vocabulary, about=about, made_by=MADE_BY, card="# tiny\n")
    assert json.loads((tmp_path / "m" / "config.json").read_text())["model_type"] == "fathom"
    assert load_model(tmp_path / "m").task == held
    with pytest.raises(ModelFolderError, match=f"holds no model for the task '{wanted}': {message}"):
        load_model(tmp_path / "m", task=wanted, labels=["a", "b"] if wanted == "sequence" else None)
