"""ModernBERT (Warner et al. 2024, 2412.13663): today's encoder: rotary, gated, most of its layers local."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fathom.families.bert import ACTIVATIONS, CLASSIFIER, SPECIAL_IDS
from fathom.families.family import Family, Head, Key, Keys, Line, constants, shortest_pattern
from fathom.families.llama import ATTENTION_BIASES
from fathom.families.steps import Stacked
from fathom.model import TransformerConfig

_LETTERS = {"full_attention": "g", "sliding_attention": "l"}


def _read_pattern(config: Mapping[str, Any]) -> dict[str, Any]:
    """`layer_types` of newer versions, or every how many layers one is global."""
    kinds = config.get("layer_types")
    if kinds is None:
        every = config["global_attn_every_n_layers"]
        kinds = ["sliding_attention" if layer % every else "full_attention" for layer in range(config["num_hidden_layers"])]
    if set(kinds) - _LETTERS.keys() or len(kinds) != config["num_hidden_layers"]:
        raise ValueError(f"layer_types is {kinds!r}, expected {' or '.join(_LETTERS)} for each layer")
    if config["local_attention"] % 2:
        raise ValueError(f"local_attention is {config['local_attention']!r}, expected an even number")
    pattern = shortest_pattern("".join(_LETTERS[kind] for kind in kinds))
    return {"pattern": pattern, "window": config["local_attention"] // 2}  # theirs counts both sides


def _write_pattern(config: TransformerConfig) -> dict[str, Any]:
    if config.window is None:
        raise ValueError("window is None; a 'modernbert' model has one")
    kinds = ["sliding_attention" if config.is_local(step) else "full_attention" for step in range(config.depth)]
    written: dict[str, Any] = {"layer_types": kinds, "local_attention": 2 * config.window}
    if config.pattern == "g" + "l" * (len(config.pattern) - 1):
        written["global_attn_every_n_layers"] = len(config.pattern)  # what older versions read
    return written


def _read_rotary(config: Mapping[str, Any]) -> dict[str, Any]:
    """`rope_parameters` of newer versions, or a base for each kind of layer."""
    given = config.get("rope_parameters")
    if given is None:
        everywhere = float(config["global_rope_theta"])
        near = config.get("local_rope_theta")
        return {"rotary_base": everywhere, "rotary_local_base": everywhere if near is None else float(near)}
    bases = {}
    for kind in _LETTERS:
        numbers = dict(given[kind])
        bases[kind] = float(numbers.pop("rope_theta"))
        if numbers != {"rope_type": "default"}:
            raise ValueError(f"rope_parameters of {kind} hold {numbers!r}, expected the rope_type 'default' alone")
    return {"rotary_base": bases["full_attention"], "rotary_local_base": bases["sliding_attention"]}


def _write_rotary(config: TransformerConfig) -> dict[str, Any]:
    near = config.rotary_base if config.rotary_local_base is None else config.rotary_local_base
    return {"global_rope_theta": config.rotary_base, "local_rope_theta": near}


def _read_head(config: Mapping[str, Any]) -> dict[str, Any]:
    name = config.get("classifier_activation", "gelu")
    if name not in list(ACTIVATIONS):
        raise ValueError(f"classifier_activation is {name!r}, expected one of {', '.join(map(repr, ACTIVATIONS))}")
    activation = ACTIVATIONS[name]
    return {"pooler_activation": activation, "output_activation": activation}


_POOLER: tuple[Line, ...] = (
    ("head.dense.weight", "pooler.layer.dense.weight"),
    ("head.dense.bias", "pooler.layer.dense.bias"),
    ("head.norm.weight", "pooler.layer.norm.weight"),
    ("head.norm.bias", "pooler.layer.norm.bias"),
)
MODERNBERT = Family(
    model_type="modernbert",
    architecture="ModernBert",
    keys=(
        Key("vocab_size", "vocab_size"),
        Key("hidden_size", "width"),
        Key("num_hidden_layers", "depth"),
        Key("num_attention_heads", "heads"),
        Key("intermediate_size", "feed_forward_width"),
        Key("max_position_embeddings", "max_length"),
        Key("pad_token_id", "pad_id"),
        Keys(
            ("layer_types", "global_attn_every_n_layers", "local_attention"),
            ("pattern", "window"),
            _read_pattern,
            _write_pattern,
        ),
        Keys(
            ("rope_parameters", "global_rope_theta", "local_rope_theta"),
            ("rotary_base", "rotary_local_base"),
            _read_rotary,
            _write_rotary,
        ),
        Key("hidden_activation", "activation", values=ACTIVATIONS),
        Key("norm_eps", "norm_eps"),
        Key("norm_bias", "norm_bias"),
        ATTENTION_BIASES,
        Key("mlp_bias", "feed_forward_bias"),
        Keys(
            ("classifier_activation",),
            ("pooler_activation", "output_activation"),
            _read_head,
            lambda config: {"classifier_activation": next(k for k, v in ACTIVATIONS.items() if v == config.pooler_activation)},
        ),
        Key("classifier_pooling", "pooling", values={"cls": "first", "mean": "mean"}),
        Key("classifier_bias", "head_bias"),
        Key("decoder_bias", "output_bias"),
        Key("embedding_dropout", "embedding_dropout", none_if_equal="dropout"),
        Key("mlp_dropout", "activation_dropout"),
        Key("attention_dropout", "attention_dropout"),
        Key("classifier_dropout", "classifier_dropout", default=0.0, required=False, none_if_equal="dropout"),
        Key("initializer_range", "initializer_range", default=0.02, required=False),
    ),
    constants=constants(
        *("vocab_size", "width", "depth", "heads", "feed_forward_width", "max_length", "pad_id", "pattern", "window"),
        *("rotary_base", "rotary_local_base", "activation", "norm_eps", "norm_bias", "attention_bias", "attention_output_bias"),
        *("feed_forward_bias", "pooler_activation", "output_activation", "pooling", "head_bias", "output_bias"),
        *("embedding_dropout", "activation_dropout", "attention_dropout", "classifier_dropout", "initializer_range"),
        positions="rotary",
        gated=True,
        norm_position="before",
        embedding_norm=True,
        first_norm=False,
        pooler_norm=True,
        pool_tokens=True,
        dropout=0.0,
    ),
    fixed={"tie_word_embeddings": True, "position_embedding_type": "absolute", "is_encoder_decoder": False},
    # how fresh weights are drawn, and which of several equal computations is run
    ignored=SPECIAL_IDS
    | {
        *("initializer_cutoff_factor", "deterministic_flash_attn", "reference_compile", "repad_logits_with_grad"),
        *("sparse_prediction", "sparse_pred_ignore_index", "layer_norm_eps"),
    },
    prefix="model.",
    names=(
        ("model.embeddings.tok_embeddings.weight", "transformer.embeddings.token.weight"),
        ("model.embeddings.norm.weight", "transformer.embeddings.norm.weight"),
        ("model.embeddings.norm.bias", "transformer.embeddings.norm.bias"),
        *(
            line
            for kind in ("weight", "bias")
            for line in (
                (f"model.layers.{{}}.attn_norm.{kind}", f"transformer.blocks.{{}}.norm_before_attention.{kind}"),
                (
                    f"model.layers.{{}}.attn.Wqkv.{kind}",
                    tuple(f"transformer.blocks.{{}}.attention.{part}.{kind}" for part in ("query", "key", "value")),
                    Stacked(maps=3),
                ),
                (f"model.layers.{{}}.attn.Wo.{kind}", f"transformer.blocks.{{}}.attention.output.{kind}"),
                (f"model.layers.{{}}.mlp_norm.{kind}", f"transformer.blocks.{{}}.norm_before_feed_forward.{kind}"),
                (
                    f"model.layers.{{}}.mlp.Wi.{kind}",
                    tuple(f"transformer.blocks.{{}}.feed_forward.{part}.{kind}" for part in ("gate", "up")),
                    Stacked(maps=2),
                ),
                (f"model.layers.{{}}.mlp.Wo.{kind}", f"transformer.blocks.{{}}.feed_forward.down.{kind}"),
                (f"model.final_norm.{kind}", f"transformer.final_norm.{kind}"),
            )
        ),
    ),
    heads={
        "sequence": Head("ForSequenceClassification", (*_POOLER, *CLASSIFIER)),
        "token": Head("ForTokenClassification", (*_POOLER, *CLASSIFIER)),
        "span": Head(
            "ForQuestionAnswering", (*_POOLER, ("classifier.weight", "span.weight"), ("classifier.bias", "span.bias"))
        ),
        "masked": Head(
            "ForMaskedLM",
            (
                ("head.dense.weight", "output.layer.dense.weight"),
                ("head.dense.bias", "output.layer.dense.bias"),
                ("head.norm.weight", "output.layer.norm.weight"),
                ("head.norm.bias", "output.layer.norm.bias"),
                ("decoder.bias", "output.bias"),
                ("decoder.weight", None),  # a copy of the embedding
            ),
        ),
    },
)
