"""Marian (Junczys-Dowmunt et al. 2018, 1804.00344): the original encoder-decoder, as thousands of translators were trained."""

from __future__ import annotations

from fathom.families.bert import ACTIVATIONS
from fathom.families.family import Family, Head, Key, Line, constants
from fathom.families.steps import Unsqueezed


def _stack(theirs: str, ours: str, attentions: dict[str, tuple[str, str]]) -> tuple[Line, ...]:
    """The tensors of one stack. `attentions`: theirs -> ours and the norm after it."""
    lines: list[Line] = []
    for kind in ("weight", "bias"):
        for attention, (name, norm) in attentions.items():
            lines += [
                (f"{theirs}.layers.{{}}.{attention}.{map_}.{kind}", f"{ours}.blocks.{{}}.{name}.{part}.{kind}")
                for map_, part in (("q_proj", "query"), ("k_proj", "key"), ("v_proj", "value"), ("out_proj", "output"))
            ]
            lines.append((f"{theirs}.layers.{{}}.{attention}_layer_norm.{kind}", f"{ours}.blocks.{{}}.{norm}.{kind}"))
        lines += [
            (f"{theirs}.layers.{{}}.fc1.{kind}", f"{ours}.blocks.{{}}.feed_forward.up.{kind}"),
            (f"{theirs}.layers.{{}}.fc2.{kind}", f"{ours}.blocks.{{}}.feed_forward.down.{kind}"),
            (f"{theirs}.layers.{{}}.final_layer_norm.{kind}", f"{ours}.blocks.{{}}.norm_after_feed_forward.{kind}"),
        ]
    # sines and cosines, and copies of the one table, which old versions saved
    return (*lines, (f"{theirs}.embed_positions.weight", None), (f"{theirs}.embed_tokens.weight", None))


_SELF = {"self_attn": ("attention", "norm_after_attention")}

MARIAN = Family(
    model_type="marian",
    architecture="Marian",
    keys=(
        Key("vocab_size", "vocab_size"),
        Key("d_model", "width"),
        Key("encoder_layers", "depth"),
        Key("decoder_layers", "decoder_depth"),
        Key("encoder_attention_heads", "heads"),
        Key("decoder_attention_heads", "heads"),
        Key("encoder_ffn_dim", "feed_forward_width"),
        Key("decoder_ffn_dim", "feed_forward_width"),
        Key("max_position_embeddings", "max_length"),
        Key("pad_token_id", "pad_id"),
        Key("decoder_start_token_id", "start_id"),
        Key("decoder_vocab_size", "vocab_size", default=lambda config: config["vocab_size"], required=False),
        Key("activation_function", "activation", values=ACTIVATIONS),
        Key("scale_embedding", "scale_embeddings"),
        Key("dropout", "dropout"),
        Key("attention_dropout", "attention_dropout"),
        Key("activation_dropout", "activation_dropout"),
        Key("init_std", "initializer_range", default=0.02, required=False),
    ),
    constants=constants(
        *("vocab_size", "width", "depth", "decoder_depth", "heads", "feed_forward_width", "max_length", "pad_id", "start_id"),
        *("activation", "scale_embeddings", "dropout", "attention_dropout", "activation_dropout", "initializer_range"),
        norm_eps=1e-5,
        embedding_norm=False,
        positions="sinusoidal",
        sinusoidal_halves=True,
    ),
    fixed={
        "is_encoder_decoder": True,
        "is_decoder": False,
        "share_encoder_decoder_embeddings": True,
        "tie_word_embeddings": True,
        "static_position_embeddings": True,
        "normalize_before": False,
        "normalize_embedding": False,
        "add_final_layer_norm": False,
    },
    # what generation is told in generation_config.json today, heads for other tasks, and rows that the positions never had
    ignored=frozenset(
        {
            *("bos_token_id", "eos_token_id", "forced_eos_token_id", "bad_words_ids", "num_beams", "max_length"),
            *("encoder_layerdrop", "decoder_layerdrop", "classifier_dropout", "classif_dropout", "num_hidden_layers"),
            *("add_bias_logits", "extra_pos_embeddings"),
        }
    ),
    prefix="model.",
    names=(
        ("model.shared.weight", "encoder.embeddings.token.weight"),
        *_stack("model.encoder", "encoder", _SELF),
        *_stack("model.decoder", "decoder", _SELF | {"encoder_attn": ("context_attention", "norm_after_context")}),
    ),
    heads={"translation": Head("MTModel", (("final_logits_bias", "bias", Unsqueezed(1)), ("lm_head.weight", None)))},
)
