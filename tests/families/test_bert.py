"""What is BERT's own: its configuration, the spelling of its first checkpoints, and the packaged MiniLM."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForPreTraining, BertForSequenceClassification

from fathom.checkpoint import known_models, load_model
from fathom.errors import ModelFolderError
from fathom.families import BERT, NATIVE
from fathom.model import TransformerConfig
from tests.tiny import tokenizer


def theirs(**changes: object) -> BertForSequenceClassification:
    torch.manual_seed(1)
    fields = {
        "vocab_size": 200,
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        "max_position_embeddings": 48,
        "type_vocab_size": 2,
        "initializer_range": 0.3,
        "num_labels": 3,
        "id2label": {0: "bad", 1: "fair", 2: "good"},
    }
    return BertForSequenceClassification(BertConfig(**{**fields, **changes})).eval()


def saved(model: torch.nn.Module, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer().save(folder)
    return folder


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    token_ids = torch.randint(5, 120, (4, 20))
    padding = torch.arange(20) >= torch.tensor([20, 13, 7, 1])[:, None]
    return token_ids.masked_fill(padding, 0), padding, torch.randint(0, 2, (4, 20))


def test_bert_of_a_pretraining_checkpoint_drops_its_heads_and_starts_a_new_one(tmp_path: Path) -> None:
    model = theirs()
    saved(BertForPreTraining(BertConfig(**{**model.config.to_dict(), "architectures": None})), tmp_path)
    loaded = load_model(tmp_path, labels=["a", "b"])
    assert loaded.made == ["classifier.weight", "classifier.bias"]
    assert load_model(tmp_path).task == "pretraining"
    with pytest.raises(ModelFolderError, match=r"missing: classifier\.weight"):
        load_model(tmp_path, task="sequence")


@pytest.mark.parametrize("key", ["position_embedding_type", "is_decoder", "hidden_act"])
def test_bert_settings_that_the_core_does_not_compute_are_refused(key: str) -> None:
    raw = theirs().config.to_dict()
    wrong = {"position_embedding_type": "relative_key", "is_decoder": True, "hidden_act": "laplace"}
    with pytest.raises(ModelFolderError, match=key):
        BERT.read_config({**raw, key: wrong[key]})


def test_bert_keys_that_nothing_reads_are_named_all_at_once() -> None:
    config = BERT.write_config(BERT.read_config({k: v for k, v in theirs().config.to_dict().items()}))
    with pytest.raises(ModelFolderError, match=r"(?s)hidden_size is missing.*sparkle is a key that nothing reads"):
        BERT.read_config({**{k: v for k, v in config.items() if k != "hidden_size"}, "sparkle": 1})


def test_bert_reads_every_key_that_hugging_face_writes() -> None:
    config = BERT.read_config(theirs().config.to_dict())
    assert config == TransformerConfig(
        vocab_size=200, width=24, depth=3, heads=4, feed_forward_width=40, max_length=48, segments=2, initializer_range=0.3
    )


@pytest.mark.parametrize("family", [BERT, NATIVE], ids=["bert", "fathom"])
def test_families_configuration_goes_there_and_back(family: object) -> None:
    config = TransformerConfig(
        vocab_size=99, width=8, depth=1, heads=2, feed_forward_width=9, max_length=7, segments=2, activation="gelu_tanh"
    )
    assert family.read_config(family.write_config(config)) == config


def test_native_expresses_what_bert_cannot() -> None:
    config = TransformerConfig(
        vocab_size=99, width=8, depth=1, heads=2, feed_forward_width=9, max_length=7, pooling="mean", norm_position="before"
    )
    assert not BERT.can_express(config)
    assert NATIVE.can_express(config)


def test_minilm_hidden_states_equal_the_reference_on_real_padded_text() -> None:
    from transformers import BertModel

    from fathom.data import TokenizedDataset, open_data

    folder = known_models()[0].path()
    assert folder is not None, "install the packaged model: make test does"
    ours = load_model(folder, labels=["fresh", "rotten"])
    texts = [example for _, example in zip(range(24), open_data("rotten-tomatoes", split="plots"), strict=False)]
    dataset = TokenizedDataset.build(texts, ours.tokenizer, max_length=128)
    made = dataset.batch(torch.arange(24).numpy())
    reference = BertModel.from_pretrained(folder, attn_implementation="sdpa").eval()
    assert made.padding_mask is not None
    real = ~made.padding_mask
    with torch.no_grad():
        out = reference(made.token_ids, real.long(), output_hidden_states=True)
        states = ours.model.transformer.hidden_states(made.token_ids, made.padding_mask)
    for their_state, our_state in zip(out.hidden_states, states, strict=True):
        torch.testing.assert_close(our_state[real], their_state[real], atol=1e-4, rtol=0)


def test_bert_of_the_first_checkpoints_spells_norms_and_poolers_its_own_way(tmp_path: Path) -> None:
    reference = theirs()
    saved(reference, tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in load_file(path).items()
    }
    save_file(tensors, path, metadata={"format": "pt"})
    config = json.loads((tmp_path / "config.json").read_text())
    chinese = {"directionality": "bidi", "pooler_fc_size": 768, "pooler_num_attention_heads": 12, "pooler_num_fc_layers": 3}
    chinese |= {"pooler_size_per_head": 128, "pooler_type": "first_token_transform"}
    (tmp_path / "config.json").write_text(json.dumps({**config, **chinese}))
    ours = load_model(tmp_path).model
    token_ids, padding, _ = batch()
    with torch.no_grad():
        expected = reference(token_ids, (~padding).long()).logits
        torch.testing.assert_close(ours(token_ids, padding), expected, atol=1e-4, rtol=0)
