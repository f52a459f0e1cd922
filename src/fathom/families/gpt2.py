"""GPT-2 (Radford et al. 2019): a decoder with norms before and learned positions; GPT-3 is the same, larger."""

from __future__ import annotations

from fathom.families.bert import ACTIVATIONS, CLASSIFIER, SPAN
from fathom.families.family import Family, Head, Key, Line, constants
from fathom.families.steps import Stacked

# the heads of decoders: a class from the last token, without a bias; the next token, by the token table
SCORE: tuple[Line, ...] = (("score.weight", "classifier.weight"),)
TIED: tuple[Line, ...] = (("lm_head.weight", None),)  # a copy, which old versions saved
TRANSPOSED = Stacked(transposed=True)
DECODER = {
    "causal": True,
    "norm_position": "before",
    "pooling": "last",
    "pooler": False,
    "classifier_bias": False,
    "output_transform": False,
    "output_bias": False,
}

GPT2 = Family(
    model_type="gpt2",
    architecture="GPT2",
    keys=(
        Key("vocab_size", "vocab_size"),
        Key("n_embd", "width"),
        Key("n_layer", "depth"),
        Key("n_head", "heads"),
        Key("n_inner", "feed_forward_width", default=lambda config: 4 * config["n_embd"], required=False),
        Key("n_positions", "max_length"),
        Key("pad_token_id", "pad_id", default=lambda config: 0, required=False),
        Key("activation_function", "activation", values=ACTIVATIONS),
        Key("layer_norm_epsilon", "norm_eps"),
        Key("resid_pdrop", "dropout"),
        Key("embd_pdrop", "embedding_dropout", none_if_equal="dropout"),
        Key("attn_pdrop", "attention_dropout"),
        Key("classifier_dropout", "classifier_dropout", default=0.0, required=False),
        Key("initializer_range", "initializer_range", default=0.02, required=False),
    ),
    constants=constants(
        *("vocab_size", "width", "depth", "heads", "feed_forward_width", "max_length", "pad_id", "activation", "norm_eps"),
        *("dropout", "embedding_dropout", "attention_dropout", "classifier_dropout", "initializer_range"),
        **DECODER,
    ),
    fixed={
        "add_cross_attention": False,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "tie_word_embeddings": True,
        "is_encoder_decoder": False,
    },
    # n_ctx says n_positions again; the summary_… keys describe a head for multiple choice; the other one is about float16
    ignored=frozenset(
        {
            *("bos_token_id", "eos_token_id", "n_ctx", "reorder_and_upcast_attn", "summary_activation", "summary_type"),
            *("summary_first_dropout", "summary_proj_to_labels", "summary_use_proj"),
        }
    ),
    prefix="transformer.",
    names=(
        ("transformer.wte.weight", "transformer.embeddings.token.weight"),
        ("transformer.wpe.weight", "transformer.embeddings.position.weight"),
        ("transformer.h.{}.attn.bias", None),  # who sees whom, a constant that old versions saved
        ("transformer.h.{}.attn.masked_bias", None),
        ("transformer.h.{}.ln_1.weight", "transformer.blocks.{}.norm_before_attention.weight"),
        ("transformer.h.{}.ln_1.bias", "transformer.blocks.{}.norm_before_attention.bias"),
        (
            "transformer.h.{}.attn.c_attn.weight",
            tuple(f"transformer.blocks.{{}}.attention.{part}.weight" for part in ("query", "key", "value")),
            Stacked(maps=3, transposed=True),
        ),
        (
            "transformer.h.{}.attn.c_attn.bias",
            tuple(f"transformer.blocks.{{}}.attention.{part}.bias" for part in ("query", "key", "value")),
            Stacked(maps=3),
        ),
        ("transformer.h.{}.attn.c_proj.weight", "transformer.blocks.{}.attention.output.weight", TRANSPOSED),
        ("transformer.h.{}.attn.c_proj.bias", "transformer.blocks.{}.attention.output.bias"),
        ("transformer.h.{}.ln_2.weight", "transformer.blocks.{}.norm_before_feed_forward.weight"),
        ("transformer.h.{}.ln_2.bias", "transformer.blocks.{}.norm_before_feed_forward.bias"),
        ("transformer.h.{}.mlp.c_fc.weight", "transformer.blocks.{}.feed_forward.up.weight", TRANSPOSED),
        ("transformer.h.{}.mlp.c_fc.bias", "transformer.blocks.{}.feed_forward.up.bias"),
        ("transformer.h.{}.mlp.c_proj.weight", "transformer.blocks.{}.feed_forward.down.weight", TRANSPOSED),
        ("transformer.h.{}.mlp.c_proj.bias", "transformer.blocks.{}.feed_forward.down.bias"),
        ("transformer.ln_f.weight", "transformer.final_norm.weight"),
        ("transformer.ln_f.bias", "transformer.final_norm.bias"),
    ),
    heads={
        "causal": Head("LMHeadModel", TIED),
        "sequence": Head("ForSequenceClassification", SCORE),
        "token": Head("ForTokenClassification", CLASSIFIER),
        "span": Head("ForQuestionAnswering", SPAN),
    },
)
