"""Small random models of Hugging Face's library, one for each row, and what it takes to hold ours beside them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import AutoConfig, PreTrainedModel

from fathom.checkpoint import load_model
from fathom.checkpoint.about import MadeBy, machine
from fathom.families import FAMILIES, Family
from fathom.model import Model, Task
from tests.tiny import tokenizer

BERT_LIKE: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 48,
}
LLAMA: dict[str, Any] = {**BERT_LIKE, "num_key_value_heads": 2}
MODERNBERT: dict[str, Any] = {
    **{**BERT_LIKE, "num_hidden_layers": 4},
    **{"cls_token_id": 1, "sep_token_id": 2, "local_attention": 8},
}
GPT_NEO: dict[str, Any] = {
    **{"hidden_size": 24, "num_layers": 3, "num_heads": 4, "intermediate_size": 40, "max_position_embeddings": 48},
    **{"attention_types": [[["global", "local"], 1], [["global"], 1]], "window_size": 4},
}
MARIAN: dict[str, Any] = {
    **{"d_model": 24, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 4, "decoder_attention_heads": 4},
    **{"encoder_ffn_dim": 40, "decoder_ffn_dim": 40, "max_position_embeddings": 48, "scale_embedding": True},
    **{"decoder_start_token_id": 0, "activation_function": "swish"},
}

# a family is a row: the first word is Hugging Face's model_type
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
    "xlnet": {"d_model": 24, "n_layer": 3, "n_head": 4, "d_inner": 40},
    "modernbert": MODERNBERT,
    "modernbert with every bias": {
        **MODERNBERT,
        **{"norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True, "classifier_pooling": "mean"},
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"],
    },
    "gpt2": {"n_embd": 24, "n_layer": 3, "n_head": 4, "n_positions": 48},
    "gpt2 with a width of its own": {"n_embd": 24, "n_layer": 2, "n_head": 2, "n_positions": 48, "n_inner": 40},
    "gpt_neo": GPT_NEO,
    "llama": LLAMA,
    "llama tied": {**LLAMA, "tie_word_embeddings": True, "head_dim": 8, "attention_bias": True, "mlp_bias": True},
    "llama with linear scaling": {**LLAMA, "rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 5e3}},
    "llama with llama3 scaling": {
        **LLAMA,
        "head_dim": 16,
        "rope_parameters": {
            **{"rope_type": "llama3", "factor": 8.0, "rope_theta": 500.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0},
            "original_max_position_embeddings": 32,
        },
    },
    "marian": MARIAN,
}
METRICS = {"dev": {"accuracy": 0.5}, "facts": {"dev_rows": 1, "train_rows": 1}}
MADE_BY = MadeBy(command="test", version="0", seed=0, data={}, machine=machine(), seconds=0, settings={}, metrics=METRICS)


def family_of_row(row: str) -> Family:
    return FAMILIES[row.split()[0]]


def cases(*tasks: Task) -> list[tuple[str, Task]]:
    """Every row with each of its family's tasks, or with these alone."""
    return [(row, task) for row in ROWS for task in family_of_row(row).heads if not tasks or task in tasks]


def architecture(row: str, task: Task) -> str:
    family = family_of_row(row)
    return f"{family.architecture}{family.heads[task].suffix}"


def reference(row: str, task: Task | str = "sequence", **changes: Any) -> PreTrainedModel:
    """A small random model of Hugging Face's, without dropout. `task`: one of ours, or the name of their class."""
    torch.manual_seed(1)
    common = {"vocab_size": 200, "initializer_range": 0.3, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    if task in ("sequence", "token"):
        common["id2label"] = {0: "bad", 1: "fair", 2: "good"}
    if row == "marian":
        common["init_std"] = common.pop("initializer_range")
    config = AutoConfig.for_model(row.split()[0], **{**common, **ROWS[row], **changes})
    for name in vars(config):
        if "dropout" in name or name.endswith("_pdrop"):
            setattr(config, name, 0.0)
    if row.split()[0] in ("gpt2", "llama"):
        config.classifier_dropout = 0.0  # their token classifiers drop where the configuration says nothing
    kind = getattr(transformers, architecture(row, task) if task in family_of_row(row).heads else task)
    model: PreTrainedModel = kind(config)
    for parameter in model.parameters():  # norms and biases, too, so that none can be mistaken for another
        if parameter.requires_grad:
            parameter.data.add_(0.1 * torch.randn_like(parameter))
    model.tie_weights()
    return model.eval()


def pair(row: str, task: Task) -> tuple[PreTrainedModel, Model]:
    """Theirs, and what we make of their folder. Built once; each call gives the same two, as they were at first."""
    torch.manual_seed(1)
    model, ours, states = _pair(row, task)
    for side, state in zip((model, ours), states, strict=True):
        side.load_state_dict(state)
        side.zero_grad()
        side.eval()
    return model, ours


@cache
def _pair(row: str, task: Task) -> tuple[PreTrainedModel, Model, list[dict[str, Tensor]]]:
    model = reference(row, task)
    with TemporaryDirectory() as folder:
        ours = load_model(saved(model, Path(folder))).model
    return model, ours, [{name: part.clone() for name, part in side.state_dict().items()} for side in (model, ours)]


def raw_config(row: str, task: Task | None = None) -> dict[str, Any]:
    """Their configuration as config.json has it, without what belongs to a task."""
    config = reference(row, task or next(iter(family_of_row(row).heads))).config.to_dict()
    return {key: value for key, value in config.items() if key not in ("id2label", "label2id")}


_tokenizer = cache(tokenizer)


def saved(model: PreTrainedModel, folder: Path, **options: Any) -> Path:
    model.save_pretrained(folder, **options)
    _tokenizer().save(folder)
    return folder


def batch(pad_id: int, lengths: tuple[int, ...] = (20, 13, 7, 1), length: int = 20) -> tuple[Tensor, Tensor]:
    """(token ids, True where padding), of rows of different lengths."""
    token_ids = torch.randint(5, 200, (len(lengths), length))
    padding = torch.arange(length) >= torch.tensor(lengths)[:, None]
    return token_ids.masked_fill(padding, pad_id), padding


def on_the_left(token_ids: Tensor, padding: Tensor) -> tuple[Tensor, Tensor]:
    """The same rows with their padding before them."""
    rolled = [torch.roll(row, int(padded.sum())) for row, padded in zip(token_ids, padding, strict=True)]
    return torch.stack(rolled), padding.flip(1)


def segments_of(row: str, token_ids: Tensor, padding: Tensor) -> Tensor | None:
    """Two texts in each row, for families that tell them apart."""
    if row.split()[0] not in ("bert", "electra", "albert", "xlnet") or row == "bert with one segment":
        return None
    return (token_ids.cumsum(1) > token_ids.sum(1, keepdim=True) // 2).long().masked_fill(padding, 0)


def scores(output: Any, task: Task) -> list[Tensor]:
    """What their model says, in the shape of ours."""
    if task == "span":
        return [torch.stack([output.start_logits, output.end_logits], dim=-1)]
    if task == "pretraining":
        return [
            output.prediction_logits,
            output.seq_relationship_logits if "seq_relationship_logits" in output else output.sop_logits,
        ]
    return [output.logits]
