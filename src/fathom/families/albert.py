"""ALBERT (Lan et al. 2020, 1909.11942): BERT with narrow embeddings, and blocks that share their weights in groups."""

from __future__ import annotations

from fathom.families.bert import CLASSIFIER, CONSTANTS, FIXED, KEYS, SPAN, SPECIAL_IDS, masked_names
from fathom.families.family import Family, Head, Key

_BLOCK = "albert.encoder.albert_layer_groups.{group}.albert_layers.{inner}."
_MASKED = masked_names("predictions.dense", "predictions.LayerNorm", "predictions.bias", "predictions.decoder")
_OF_ITS_OWN = {"embedding_width", "groups", "blocks_in_group"}

ALBERT = Family(
    model_type="albert",
    architecture="Albert",
    keys=(
        *(key for key in KEYS if key.theirs != "classifier_dropout"),
        Key("embedding_size", "embedding_width"),
        Key("num_hidden_groups", "groups"),
        Key("inner_group_num", "blocks_in_group"),
        Key("max_position_embeddings", "max_length"),
        Key("pad_token_id", "pad_id", default=0, required=False),
        Key("classifier_dropout_prob", "classifier_dropout", default=0.1, required=False, none_if_equal="dropout"),
    ),
    constants={name: value for name, value in CONSTANTS.items() if name not in _OF_ITS_OWN},
    fixed=FIXED,
    # of the published files; none changes what a model computes
    ignored=SPECIAL_IDS | {"down_scale_factor", "gap_size", "net_structure_type", "num_memory_blocks"},
    prefix="albert.",
    names=(
        ("albert.embeddings.word_embeddings.weight", "transformer.embeddings.token.weight"),
        ("albert.embeddings.position_embeddings.weight", "transformer.embeddings.position.weight"),
        ("albert.embeddings.token_type_embeddings.weight", "transformer.embeddings.segment.weight"),
        ("albert.embeddings.position_ids", None),  # a constant that old versions saved
        ("albert.embeddings.LayerNorm.weight", "transformer.embeddings.norm.weight"),
        ("albert.embeddings.LayerNorm.bias", "transformer.embeddings.norm.bias"),
        ("albert.encoder.embedding_hidden_mapping_in.weight", "transformer.embeddings.widen.weight"),
        ("albert.encoder.embedding_hidden_mapping_in.bias", "transformer.embeddings.widen.bias"),
        (_BLOCK + "attention.query.weight", "transformer.blocks.{}.attention.query.weight"),
        (_BLOCK + "attention.query.bias", "transformer.blocks.{}.attention.query.bias"),
        (_BLOCK + "attention.key.weight", "transformer.blocks.{}.attention.key.weight"),
        (_BLOCK + "attention.key.bias", "transformer.blocks.{}.attention.key.bias"),
        (_BLOCK + "attention.value.weight", "transformer.blocks.{}.attention.value.weight"),
        (_BLOCK + "attention.value.bias", "transformer.blocks.{}.attention.value.bias"),
        (_BLOCK + "attention.dense.weight", "transformer.blocks.{}.attention.output.weight"),
        (_BLOCK + "attention.dense.bias", "transformer.blocks.{}.attention.output.bias"),
        (_BLOCK + "attention.LayerNorm.weight", "transformer.blocks.{}.norm_after_attention.weight"),
        (_BLOCK + "attention.LayerNorm.bias", "transformer.blocks.{}.norm_after_attention.bias"),
        (_BLOCK + "ffn.weight", "transformer.blocks.{}.feed_forward.up.weight"),
        (_BLOCK + "ffn.bias", "transformer.blocks.{}.feed_forward.up.bias"),
        (_BLOCK + "ffn_output.weight", "transformer.blocks.{}.feed_forward.down.weight"),
        (_BLOCK + "ffn_output.bias", "transformer.blocks.{}.feed_forward.down.bias"),
        (_BLOCK + "full_layer_layer_norm.weight", "transformer.blocks.{}.norm_after_feed_forward.weight"),
        (_BLOCK + "full_layer_layer_norm.bias", "transformer.blocks.{}.norm_after_feed_forward.bias"),
        ("albert.pooler.weight", "pooler.layer.dense.weight"),
        ("albert.pooler.bias", "pooler.layer.dense.bias"),
    ),
    heads={
        "sequence": Head("ForSequenceClassification", CLASSIFIER),
        "token": Head("ForTokenClassification", CLASSIFIER),
        "span": Head("ForQuestionAnswering", SPAN),
        "masked": Head("ForMaskedLM", _MASKED),
        "pretraining": Head(
            "ForPreTraining",
            (
                *_MASKED,
                ("sop_classifier.classifier.weight", "relation.weight"),
                ("sop_classifier.classifier.bias", "relation.bias"),
            ),
        ),
    },
)
