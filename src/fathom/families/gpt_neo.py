"""GPT-Neo (Black et al. 2021): dense and banded layers in turn, as in GPT-3 (Brown et al. 2020, section 2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fathom.families.bert import ACTIVATIONS, CLASSIFIER, SPAN
from fathom.families.family import Family, Head, Key, Keys, constants, shortest_pattern
from fathom.families.gpt2 import DECODER, SCORE, TIED
from fathom.model import TransformerConfig

_LETTERS = {"global": "g", "local": "l"}


def _read_pattern(config: Mapping[str, Any]) -> dict[str, Any]:
    """[[["global", "local"], 12]] -> "gl": twelve times."""
    parts, layers = config["attention_types"], config["num_layers"]
    whole = sum(len(part) * times for part, times in parts) == layers  # before they are laid out, since a file may say anything
    kinds = [kind for part, times in parts for _ in range(times) for kind in part] if whole else []
    if not kinds or set(kinds) - _LETTERS.keys():
        raise ValueError(f"attention_types is {parts!r}, expected global and local for each of {layers!r} layers")
    if config.get("attention_layers", kinds) != kinds:
        raise ValueError(f"attention_layers is {config['attention_layers']!r}, but attention_types says {kinds!r}")
    return {"pattern": shortest_pattern("".join(_LETTERS[kind] for kind in kinds))}


def _write_pattern(config: TransformerConfig) -> dict[str, Any]:
    """The inverse."""
    names = {letter: kind for kind, letter in _LETTERS.items()}
    kinds = [names["l" if config.is_local(step) else "g"] for step in range(config.depth)]
    return {"attention_types": [[kinds, 1]], "attention_layers": kinds}


GPT_NEO = Family(
    model_type="gpt_neo",
    architecture="GPTNeo",
    keys=(
        Key("vocab_size", "vocab_size"),
        Key("hidden_size", "width"),
        Key("num_layers", "depth"),
        Key("num_heads", "heads"),
        Key("intermediate_size", "feed_forward_width", default=lambda config: 4 * config["hidden_size"], required=False),
        Key("max_position_embeddings", "max_length"),
        Key("pad_token_id", "pad_id", default=lambda config: 0, required=False),
        Keys(("attention_types", "attention_layers"), ("pattern",), _read_pattern, _write_pattern),
        Key("window_size", "window", more=1),  # theirs counts the query's own token
        Key("activation_function", "activation", values=ACTIVATIONS),
        Key("layer_norm_epsilon", "norm_eps"),
        Key("resid_dropout", "dropout"),
        Key("embed_dropout", "embedding_dropout", none_if_equal="dropout"),
        Key("attention_dropout", "attention_dropout"),
        Key("classifier_dropout", "classifier_dropout", default=0.1, required=False, none_if_equal="dropout"),
        Key("initializer_range", "initializer_range", default=0.02, required=False),
    ),
    constants=constants(
        *("vocab_size", "width", "depth", "heads", "feed_forward_width", "max_length", "pad_id", "pattern", "window"),
        *("activation", "norm_eps", "dropout", "embedding_dropout", "attention_dropout", "classifier_dropout"),
        "initializer_range",
        attention_bias=False,
        attention_scale=1.0,
        **DECODER,
    ),
    fixed={"tie_word_embeddings": True, "is_encoder_decoder": False},
    # the summary_… keys describe a head for multiple choice
    ignored=frozenset(
        {
            *("bos_token_id", "eos_token_id", "gradient_checkpointing", "summary_activation", "summary_type"),
            *("summary_first_dropout", "summary_proj_to_labels", "summary_use_proj"),
        }
    ),
    prefix="transformer.",
    names=(
        ("transformer.wte.weight", "transformer.embeddings.token.weight"),
        ("transformer.wpe.weight", "transformer.embeddings.position.weight"),
        ("transformer.h.{}.attn.attention.bias", None),  # who sees whom, a constant that old versions saved
        ("transformer.h.{}.attn.attention.masked_bias", None),
        ("transformer.h.{}.ln_1.weight", "transformer.blocks.{}.norm_before_attention.weight"),
        ("transformer.h.{}.ln_1.bias", "transformer.blocks.{}.norm_before_attention.bias"),
        ("transformer.h.{}.attn.attention.q_proj.weight", "transformer.blocks.{}.attention.query.weight"),
        ("transformer.h.{}.attn.attention.k_proj.weight", "transformer.blocks.{}.attention.key.weight"),
        ("transformer.h.{}.attn.attention.v_proj.weight", "transformer.blocks.{}.attention.value.weight"),
        ("transformer.h.{}.attn.attention.out_proj.weight", "transformer.blocks.{}.attention.output.weight"),
        ("transformer.h.{}.attn.attention.out_proj.bias", "transformer.blocks.{}.attention.output.bias"),
        ("transformer.h.{}.ln_2.weight", "transformer.blocks.{}.norm_before_feed_forward.weight"),
        ("transformer.h.{}.ln_2.bias", "transformer.blocks.{}.norm_before_feed_forward.bias"),
        ("transformer.h.{}.mlp.c_fc.weight", "transformer.blocks.{}.feed_forward.up.weight"),
        ("transformer.h.{}.mlp.c_fc.bias", "transformer.blocks.{}.feed_forward.up.bias"),
        ("transformer.h.{}.mlp.c_proj.weight", "transformer.blocks.{}.feed_forward.down.weight"),
        ("transformer.h.{}.mlp.c_proj.bias", "transformer.blocks.{}.feed_forward.down.bias"),
        ("transformer.ln_f.weight", "transformer.final_norm.weight"),
        ("transformer.ln_f.bias", "transformer.final_norm.bias"),
    ),
    heads={
        "causal": Head("ForCausalLM", TIED),
        "sequence": Head("ForSequenceClassification", SCORE),
        "token": Head("ForTokenClassification", CLASSIFIER),
        "span": Head("ForQuestionAnswering", SPAN),
    },
)
