"""Llama (Touvron et al. 2023, 2302.13971): today's decoder: rotary positions, RMS norm, gated units, grouped queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fathom.families.bert import ACTIVATIONS, SPAN
from fathom.families.family import Family, Head, Key, Keys, constants
from fathom.families.gpt2 import DECODER, SCORE
from fathom.model import TransformerConfig

_SCALINGS: dict[str, dict[str, str]] = {  # their name of a way to reach longer texts -> their numbers and ours
    "default": {},
    "linear": {"factor": "rotary_factor"},
    "llama3": {
        "factor": "rotary_factor",
        "low_freq_factor": "rotary_low",
        "high_freq_factor": "rotary_high",
        "original_max_position_embeddings": "rotary_length",
    },
}
_ROTARY = ("rotary_base", "rotary_scaling", "rotary_factor", "rotary_low", "rotary_high", "rotary_length")


def read_rotary(config: Mapping[str, Any]) -> dict[str, Any]:
    """`rope_theta` and `rope_scaling`, or both in `rope_parameters`, as newer versions write them."""
    given = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    base = given.pop("rope_theta", config.get("rope_theta", 10_000.0))
    kind = given.pop("rope_type", given.pop("type", "default"))
    given.pop("type", None)
    if kind not in _SCALINGS:
        raise ValueError(f"rope_type is {kind!r}, expected one of {', '.join(map(repr, _SCALINGS))}")
    if given.keys() != _SCALINGS[kind].keys():
        raise ValueError(f"rope_scaling of {kind!r} has {sorted(given)}, expected {sorted(_SCALINGS[kind])}")
    fields = TransformerConfig.__dataclass_fields__
    values = {name: fields[name].default for name in _ROTARY}
    values |= {ours: given[theirs] for theirs, ours in _SCALINGS[kind].items()}
    return values | {"rotary_base": float(base), "rotary_scaling": "none" if kind == "default" else kind}


def write_rotary(config: TransformerConfig) -> dict[str, Any]:
    """The inverse, in the spelling that old and new versions read."""
    if config.rotary_scaling == "none":
        return {"rope_theta": config.rotary_base, "rope_scaling": None}
    numbers = {theirs: getattr(config, ours) for theirs, ours in _SCALINGS[config.rotary_scaling].items()}
    return {"rope_theta": config.rotary_base, "rope_scaling": {"rope_type": config.rotary_scaling} | numbers}


def _read_head_width(config: Mapping[str, Any]) -> dict[str, Any]:
    width = config.get("head_dim")
    return {"head_width": None if width == config["hidden_size"] // config["num_attention_heads"] else width}


ATTENTION_BIASES = Keys(
    ("attention_bias",),
    ("attention_bias", "attention_output_bias"),
    lambda config: dict.fromkeys(("attention_bias", "attention_output_bias"), config.get("attention_bias", False)),
    lambda config: {"attention_bias": config.attention_bias},
)

LLAMA = Family(
    model_type="llama",
    architecture="Llama",
    keys=(
        Key("vocab_size", "vocab_size"),
        Key("hidden_size", "width"),
        Key("num_hidden_layers", "depth"),
        Key("num_attention_heads", "heads"),
        Key(
            "num_key_value_heads",
            "key_heads",
            default=lambda config: config["num_attention_heads"],
            required=False,
            none_if_equal="heads",
        ),
        Keys(("head_dim",), ("head_width",), _read_head_width, lambda config: {"head_dim": config.size_of_head}),
        Key("intermediate_size", "feed_forward_width"),
        Key("max_position_embeddings", "max_length"),
        Key("pad_token_id", "pad_id", default=lambda config: 0, required=False),
        Keys(("rope_theta", "rope_scaling", "rope_parameters"), _ROTARY, read_rotary, write_rotary),
        Key("hidden_act", "activation", values=ACTIVATIONS),
        Key("rms_norm_eps", "norm_eps"),
        ATTENTION_BIASES,
        Key("mlp_bias", "feed_forward_bias", default=False, required=False),
        Key("tie_word_embeddings", "tied", default=False, required=False),
        Key("attention_dropout", "attention_dropout", default=0.0, required=False),
        Key("classifier_dropout", "classifier_dropout", default=0.0, required=False),
        Key("initializer_range", "initializer_range", default=0.02, required=False),
    ),
    constants=constants(
        *("vocab_size", "width", "depth", "heads", "key_heads", "head_width", "feed_forward_width", "max_length", "pad_id"),
        *(*_ROTARY, "activation", "norm_eps", "attention_bias", "attention_output_bias", "feed_forward_bias", "tied"),
        *("attention_dropout", "classifier_dropout", "initializer_range"),
        positions="rotary",
        gated=True,
        norm="rms",
        dropout=0.0,
        **DECODER,
    ),
    fixed={"pretraining_tp": 1, "rope_interleaved": False, "is_encoder_decoder": False},
    ignored=frozenset({"bos_token_id", "eos_token_id", "is_llama_config", "transformers.js_config"}),
    prefix="model.",
    names=(
        ("model.embed_tokens.weight", "transformer.embeddings.token.weight"),
        ("model.layers.{}.self_attn.rotary_emb.inv_freq", None),  # angles, a constant that old versions saved
        ("model.layers.{}.input_layernorm.weight", "transformer.blocks.{}.norm_before_attention.weight"),
        *(
            (f"model.layers.{{}}.{theirs}.{kind}", f"transformer.blocks.{{}}.{ours}.{kind}")
            for theirs, ours in (
                ("self_attn.q_proj", "attention.query"),
                ("self_attn.k_proj", "attention.key"),
                ("self_attn.v_proj", "attention.value"),
                ("self_attn.o_proj", "attention.output"),
                ("mlp.gate_proj", "feed_forward.gate"),
                ("mlp.up_proj", "feed_forward.up"),
                ("mlp.down_proj", "feed_forward.down"),
            )
            for kind in ("weight", "bias")
        ),
        ("model.layers.{}.post_attention_layernorm.weight", "transformer.blocks.{}.norm_before_feed_forward.weight"),
        ("model.norm.weight", "transformer.final_norm.weight"),
    ),
    heads={
        "causal": Head("ForCausalLM", (("lm_head.weight", "output.weight"),)),
        "sequence": Head("ForSequenceClassification", SCORE),
        "token": Head("ForTokenClassification", (*SCORE, ("score.bias", "classifier.bias"))),
        "span": Head("ForQuestionAnswering", SPAN, prefix="transformer."),
    },
)
