"""Every encoder family beside Hugging Face's, weight for weight, in one battery: a family is a row of ROWS."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from fathom.checkpoint import load_model, save_model
from fathom.checkpoint.about import About, MadeBy, machine
from fathom.errors import ModelFolderError
from fathom.families import FAMILIES, NATIVE
from fathom.model import SequenceClassifier, TransformerConfig
from tests.tiny import tokenizer

BERT_LIKE: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 48,
}
ROWS: dict[str, dict[str, Any]] = {
    "bert": BERT_LIKE,
    "bert with one segment": {**BERT_LIKE, "type_vocab_size": 1, "hidden_act": "relu"},
    "roberta": {**BERT_LIKE, "pad_token_id": 1, "type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "distilbert": {"dim": 24, "n_layers": 3, "n_heads": 4, "hidden_dim": 40, "max_position_embeddings": 48},
    "electra": {**BERT_LIKE, "embedding_size": 16, "hidden_act": "gelu_new"},
    "electra as wide as its embeddings": {**BERT_LIKE, "embedding_size": 24},
    "albert": {**BERT_LIKE, "embedding_size": 16},
    "albert with groups": {**BERT_LIKE, "embedding_size": 16, "num_hidden_layers": 5, "num_hidden_groups": 2},
    "albert with inner groups": {
        **BERT_LIKE,
        "embedding_size": 24,
        "num_hidden_layers": 4,
        "num_hidden_groups": 2,
        "inner_group_num": 2,
    },
}
METRICS = {"dev": {"accuracy": 0.5}, "facts": {"dev_rows": 1, "train_rows": 1}}
MADE_BY = MadeBy(command="test", version="0", seed=0, data={}, machine=machine(), seconds=0, settings={}, metrics=METRICS)


def reference(row: str, kind: Any = AutoModelForSequenceClassification, **changes: Any) -> PreTrainedModel:
    """A small random model of Hugging Face's, without dropout."""
    torch.manual_seed(1)
    common = {"vocab_size": 200, "initializer_range": 0.3, "id2label": {0: "bad", 1: "fair", 2: "good"}, "pad_token_id": 0}
    config = AutoConfig.for_model(row.split()[0], **{**common, **ROWS[row], **changes})
    for name in vars(config):
        if "dropout" in name:
            setattr(config, name, 0.0)
    model = kind.from_config(config)
    for parameter in model.parameters():  # norms and biases, too, so that none can be mistaken for another
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def saved(model: PreTrainedModel, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer().save(folder)
    return folder


def batch(pad_id: int, lengths: tuple[int, ...] = (20, 13, 7, 1), length: int = 20) -> tuple[torch.Tensor, torch.Tensor]:
    """(token ids, True where padding), of rows of different lengths."""
    token_ids = torch.randint(5, 200, (len(lengths), length))
    padding = torch.arange(length) >= torch.tensor(lengths)[:, None]
    return token_ids.masked_fill(padding, pad_id), padding


@pytest.mark.parametrize("row", ROWS)
def test_encoder_hidden_states_logits_and_gradients_equal_the_reference(row: str, tmp_path: Path) -> None:
    model = reference(row)
    ours = load_model(saved(model, tmp_path)).model
    token_ids, padding = batch(ours.config.pad_id)
    expected = model(token_ids, (~padding).long(), output_hidden_states=True)
    states = ours.transformer.hidden_states(token_ids, padding)
    theirs = expected.hidden_states[:: ours.config.blocks_in_group]  # they also show what is inside a group
    for their_state, our_state in zip(theirs, states, strict=True):
        torch.testing.assert_close(our_state[~padding], their_state[~padding], atol=1e-4, rtol=0)
    logits = ours(token_ids, padding)
    torch.testing.assert_close(logits, expected.logits, atol=1e-4, rtol=0)
    labels = torch.tensor([0, 2, 1, 2])
    torch.nn.functional.cross_entropy(expected.logits, labels).backward()
    torch.nn.functional.cross_entropy(logits, labels).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    names = FAMILIES[row.split()[0]].to_theirs(ours.state_dict(), ours.config)
    assert set(names.values()) == set(gradients)
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[names[name]], atol=1e-3, rtol=0, msg=name)


@pytest.mark.parametrize("row", ROWS)
def test_encoder_reads_its_longest_text_and_padding_on_either_side(row: str, tmp_path: Path) -> None:
    model = reference(row)
    ours = load_model(saved(model, tmp_path)).model
    longest = torch.randint(5, 200, (2, ours.config.max_length))
    left, padding = batch(ours.config.pad_id)
    left, padding = left.flip(1), padding.flip(1)
    with torch.no_grad():
        for token_ids, padded in ((longest, torch.zeros_like(longest, dtype=torch.bool)), (left, padding)):
            expected = model(token_ids, (~padded).long(), output_hidden_states=True).hidden_states[-1]
            found = ours.transformer(token_ids, padded)
            torch.testing.assert_close(found[~padded], expected[~padded], atol=1e-4, rtol=0)


@pytest.mark.parametrize("row", ROWS)
def test_encoder_folder_goes_there_and_back_byte_for_byte(row: str, tmp_path: Path) -> None:
    model = reference(row)
    loaded = load_model(saved(model, tmp_path / "theirs"))
    about = About(labels=loaded.labels, max_length=40)
    save_model(tmp_path / "ours", model=loaded.model, tokenizer=loaded.tokenizer, about=about, made_by=MADE_BY, card="# c\n")
    files = [load_file(tmp_path / side / "model.safetensors") for side in ("theirs", "ours")]
    assert files[0].keys() == files[1].keys()
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])
    back = AutoModelForSequenceClassification.from_pretrained(tmp_path / "ours").eval()
    assert type(back) is type(model)
    assert back.config.id2label == {0: "bad", 1: "fair", 2: "good"}
    token_ids, padding = batch(loaded.model.config.pad_id)
    with torch.no_grad():
        expected = model(token_ids, (~padding).long()).logits
        torch.testing.assert_close(back(token_ids, (~padding).long()).logits, expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(load_model(tmp_path / "ours").model(token_ids, padding), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("row", ROWS)
def test_encoder_trained_five_steps_loses_what_the_reference_loses(row: str, tmp_path: Path) -> None:
    model = reference(row)
    ours = load_model(saved(model, tmp_path)).model.train()
    model.train()
    optimizers = [torch.optim.AdamW(side.parameters(), lr=1e-3) for side in (model, ours)]
    for step in range(5):
        token_ids, padding = batch(ours.config.pad_id, lengths=(20, 9, 15, 4 + step))
        labels = torch.randint(0, 3, (4,))
        losses = []
        for logits, optimizer in zip(
            (model(token_ids, (~padding).long()).logits, ours(token_ids, padding)), optimizers, strict=True
        ):
            loss = torch.nn.functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(losses[1], abs=1e-4), step


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("kind", [AutoModel, AutoModelForMaskedLM, AutoModelForPreTraining])
def test_encoder_without_a_classifier_starts_one_and_says_so(row: str, kind: Any, tmp_path: Path) -> None:
    model = reference(row, kind)
    folder = saved(model, tmp_path)
    loaded = load_model(folder, labels=["a", "b"])
    assert {"classifier.weight", "classifier.bias"} <= set(loaded.made)
    assert all(name.startswith(("classifier.", "pooler.")) for name in loaded.made)
    theirs = load_file(folder / "model.safetensors")
    translation = FAMILIES[row.split()[0]].to_ours(theirs, loaded.model.config)
    states = loaded.model.state_dict()
    assert all(torch.equal(states[ours], theirs[name]) for name, ours in translation.ours.items() if ours in states)
    with pytest.raises(ModelFolderError, match=r"missing: classifier\.weight"):
        load_model(folder)


@pytest.mark.parametrize("row", ROWS)
def test_encoder_setting_that_nobody_reads_is_an_error(row: str, tmp_path: Path) -> None:
    raw = {key: value for key, value in reference(row).config.to_dict().items() if key not in ("id2label", "label2id")}
    family = FAMILIES[row.split()[0]]
    assert family.read_config(family.write_config(family.read_config(raw))) == family.read_config(raw)
    with pytest.raises(ModelFolderError, match="rotary_base is a key that nothing reads"):
        family.read_config({**raw, "rotary_base": 1})


def test_encoder_families_do_not_take_each_others_models() -> None:
    for row in ROWS:
        raw = {key: value for key, value in reference(row).config.to_dict().items() if key not in ("id2label", "label2id")}
        config = FAMILIES[row.split()[0]].read_config(raw)
        able = [name for name, family in FAMILIES.items() if family is not NATIVE and family.can_express(config)]
        assert able == [row.split()[0]], row


def test_albert_shares_what_it_says_and_its_gradients_are_sums() -> None:
    shared = TransformerConfig(
        vocab_size=20, width=8, depth=4, heads=2, feed_forward_width=12, max_length=9, groups=2, dropout=0, attention_dropout=0
    )
    own = replace(shared, groups=None)
    torch.manual_seed(0)
    models = [SequenceClassifier(config, 2).eval() for config in (shared, own)]
    block = sum(parameter.numel() for parameter in models[0].transformer.blocks[0].parameters())
    sizes = [sum(parameter.numel() for parameter in model.parameters()) for model in models]
    assert sizes[1] - sizes[0] == 2 * block
    states = models[0].state_dict()
    copied = {}
    for name in models[1].state_dict():
        found = re.search(r"blocks\.(\d)", name)
        copied[name] = states[name.replace(found[0], f"blocks.{int(found[1]) // 2}") if found else name]
    models[1].load_state_dict(copied)
    token_ids = torch.randint(1, 20, (3, 9))
    logits = [model(token_ids) for model in models]
    torch.testing.assert_close(logits[0], logits[1], atol=0, rtol=0)
    for found_logits in logits:
        found_logits.square().sum().backward()
    for group in range(2):
        for name, parameter in models[0].transformer.blocks[group].named_parameters():
            parts = [models[1].transformer.blocks[2 * group + half].get_parameter(name).grad for half in range(2)]
            torch.testing.assert_close(parameter.grad, parts[0] + parts[1], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("changes", [{"groups": 0}, {"groups": 5}, {"blocks_in_group": 2}, {"groups": 2, "blocks_in_group": 0}])
def test_albert_groups_that_do_not_fit_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        TransformerConfig(vocab_size=9, width=8, depth=4, heads=2, feed_forward_width=12, max_length=9, **changes)


def test_sharded_weights_are_read_whole_or_not_at_all(tmp_path: Path) -> None:
    model = reference("bert")
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    tokenizer().save(tmp_path)
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 2
    token_ids, padding = batch(0)
    with torch.no_grad():
        expected = model(token_ids, (~padding).long()).logits
        torch.testing.assert_close(load_model(tmp_path).model(token_ids, padding), expected, atol=1e-4, rtol=0)
    index = tmp_path / "model.safetensors.index.json"
    kept, listed = index.read_text(), json.loads(index.read_text())
    listed["weight_map"]["bert.pooler.dense.bias"] = "../elsewhere.safetensors"
    index.write_text(json.dumps(listed))
    with pytest.raises(ModelFolderError, match=r"lacks '\.\./elsewhere\.safetensors'"):
        load_model(tmp_path)
    listed["weight_map"]["bert.pooler.dense.bias"] = shards[0].name
    listed["weight_map"]["sparkle"] = shards[0].name
    index.write_text(json.dumps(listed))
    with pytest.raises(ModelFolderError, match="disagree about sparkle"):
        load_model(tmp_path)
    index.write_text("[]")
    with pytest.raises(ModelFolderError, match="cannot be read"):
        load_model(tmp_path)
    index.write_text(kept)
    shards[1].unlink()
    with pytest.raises(ModelFolderError, match=shards[1].name):
        load_model(tmp_path)
