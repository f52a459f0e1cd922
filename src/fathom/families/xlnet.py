"""XLNet (Yang et al. 2019, 1906.08237): an encoder for permutation: relative positions, two streams, memory."""

from __future__ import annotations

from fathom.families.bert import ACTIVATIONS, CLASSIFIER, SPAN
from fathom.families.family import Family, Head, Key, Keys, constants
from fathom.families.steps import Heads, Unsqueezed

_INTO_HEADS, _OUT_OF_HEADS = Heads(), Heads(out=True)
_ATTENTION = "transformer.blocks.{}.attention."

XLNET = Family(
    model_type="xlnet",
    architecture="XLNet",
    keys=(
        Key("vocab_size", "vocab_size"),
        Key("d_model", "width"),
        Key("n_layer", "depth"),
        Key("n_head", "heads"),
        Keys(
            ("d_head",),
            (),
            lambda config: _require_even_heads(config["d_head"], config["d_model"], config["n_head"]),
            lambda config: {"d_head": config.size_of_head},
        ),
        Key("d_inner", "feed_forward_width"),
        Key("pad_token_id", "pad_id", default=5, required=False),
        Key("ff_activation", "activation", values=ACTIVATIONS),
        Key("layer_norm_eps", "norm_eps"),
        Keys(
            ("dropout",),
            ("dropout", "attention_dropout", "activation_dropout"),
            lambda config: dict.fromkeys(("dropout", "attention_dropout", "activation_dropout"), config["dropout"]),
            lambda config: {"dropout": config.dropout},
        ),
        Key("summary_use_proj", "pooler", default=True, required=False),
        Key("summary_last_dropout", "classifier_dropout", default=0.1, required=False, none_if_equal="dropout"),
        Key("initializer_range", "initializer_range", default=0.02, required=False),
    ),
    constants=constants(
        *("vocab_size", "width", "depth", "heads", "feed_forward_width", "pad_id", "activation", "norm_eps", "pooler"),
        *("dropout", "attention_dropout", "activation_dropout", "classifier_dropout", "initializer_range"),
        max_length=1_000_000,  # distances are computed, so that nothing limits them but memory
        segments=3,  # a text, a second one, and the token that stands for both
        positions="relative",
        embedding_norm=False,
        attention_bias=False,
        attention_output_bias=False,
        pooling="last",
        output_transform=False,
    ),
    fixed={
        "attn_type": "bi",
        "bi_data": False,
        "clamp_len": -1,
        "same_length": False,
        "untie_r": True,
        "summary_type": "last",
        "summary_activation": "tanh",
        "tie_word_embeddings": True,
        "is_encoder_decoder": False,
    },
    # how much their library remembers by itself, and a search for spans
    ignored=frozenset(
        {
            *("bos_token_id", "eos_token_id", "mem_len", "reuse_len", "use_mems_eval", "use_mems_train", "start_n_top"),
            *("end_n_top", "summary_proj_to_labels", "summary_first_dropout"),
        }
    ),
    prefix="transformer.",
    names=(
        ("transformer.word_embedding.weight", "transformer.embeddings.token.weight"),
        ("transformer.mask_emb", "transformer.query_start", Unsqueezed(2)),
        ("transformer.layer.{}.rel_attn.q", _ATTENTION + "query.weight", _INTO_HEADS),
        ("transformer.layer.{}.rel_attn.k", _ATTENTION + "key.weight", _INTO_HEADS),
        ("transformer.layer.{}.rel_attn.v", _ATTENTION + "value.weight", _INTO_HEADS),
        ("transformer.layer.{}.rel_attn.o", _ATTENTION + "output.weight", _OUT_OF_HEADS),
        ("transformer.layer.{}.rel_attn.r", _ATTENTION + "relative.distance.weight", _INTO_HEADS),
        ("transformer.layer.{}.rel_attn.r_w_bias", _ATTENTION + "relative.content_bias"),
        ("transformer.layer.{}.rel_attn.r_r_bias", _ATTENTION + "relative.distance_bias"),
        ("transformer.layer.{}.rel_attn.r_s_bias", _ATTENTION + "relative.segment_bias"),
        ("transformer.layer.{}.rel_attn.seg_embed", _ATTENTION + "relative.segment"),
        ("transformer.layer.{}.rel_attn.layer_norm.weight", "transformer.blocks.{}.norm_after_attention.weight"),
        ("transformer.layer.{}.rel_attn.layer_norm.bias", "transformer.blocks.{}.norm_after_attention.bias"),
        ("transformer.layer.{}.ff.layer_1.weight", "transformer.blocks.{}.feed_forward.up.weight"),
        ("transformer.layer.{}.ff.layer_1.bias", "transformer.blocks.{}.feed_forward.up.bias"),
        ("transformer.layer.{}.ff.layer_2.weight", "transformer.blocks.{}.feed_forward.down.weight"),
        ("transformer.layer.{}.ff.layer_2.bias", "transformer.blocks.{}.feed_forward.down.bias"),
        ("transformer.layer.{}.ff.layer_norm.weight", "transformer.blocks.{}.norm_after_feed_forward.weight"),
        ("transformer.layer.{}.ff.layer_norm.bias", "transformer.blocks.{}.norm_after_feed_forward.bias"),
    ),
    heads={
        "sequence": Head(
            "ForSequenceClassification",
            (
                ("sequence_summary.summary.weight", "pooler.layer.dense.weight"),
                ("sequence_summary.summary.bias", "pooler.layer.dense.bias"),
                ("logits_proj.weight", "classifier.weight"),
                ("logits_proj.bias", "classifier.bias"),
            ),
        ),
        "token": Head("ForTokenClassification", CLASSIFIER),
        "span": Head("ForQuestionAnsweringSimple", SPAN),
        "masked": Head("LMHeadModel", (("lm_loss.bias", "output.bias"), ("lm_loss.weight", None))),
    },
)


def _require_even_heads(head: int, width: int, heads: int) -> dict[str, object]:
    if head * heads != width:
        raise ValueError(f"d_head is {head}, expected {width} / {heads}")
    return {}
