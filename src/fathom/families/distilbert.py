"""DistilBERT (Sanh et al. 2019, 1910.01108): half of BERT's blocks, taught by all of them; no segments."""

from __future__ import annotations

from fathom.families.bert import ACTIVATIONS, CLASSIFIER, CONSTANTS, SPAN, masked_names
from fathom.families.family import Family, Head, Key

DISTILBERT = Family(
    model_type="distilbert",
    architecture="DistilBert",
    keys=(
        Key("vocab_size", "vocab_size"),
        Key("dim", "width"),
        Key("n_layers", "depth"),
        Key("n_heads", "heads"),
        Key("hidden_dim", "feed_forward_width"),
        Key("max_position_embeddings", "max_length"),
        Key("pad_token_id", "pad_id", default=0, required=False),
        Key("activation", "activation", values=ACTIVATIONS),
        Key("dropout", "dropout"),
        Key("attention_dropout", "attention_dropout"),
        Key("seq_classif_dropout", "classifier_dropout", default=0.2, required=False, none_if_equal="dropout"),
        Key("initializer_range", "initializer_range", default=0.02, required=False),
    ),
    constants=CONSTANTS | {"segments": 0, "norm_eps": 1e-12, "pooler_activation": "relu"},
    fixed={"sinusoidal_pos_embds": False, "tie_word_embeddings": True, "is_encoder_decoder": False},
    ignored=frozenset({"qa_dropout", "bos_token_id", "eos_token_id", "tie_weights_"}),
    prefix="distilbert.",
    names=(
        ("distilbert.embeddings.word_embeddings.weight", "transformer.embeddings.token.weight"),
        ("distilbert.embeddings.position_embeddings.weight", "transformer.embeddings.position.weight"),
        ("distilbert.embeddings.LayerNorm.weight", "transformer.embeddings.norm.weight"),
        ("distilbert.embeddings.LayerNorm.bias", "transformer.embeddings.norm.bias"),
        ("distilbert.transformer.layer.{}.attention.q_lin.weight", "transformer.blocks.{}.attention.query.weight"),
        ("distilbert.transformer.layer.{}.attention.q_lin.bias", "transformer.blocks.{}.attention.query.bias"),
        ("distilbert.transformer.layer.{}.attention.k_lin.weight", "transformer.blocks.{}.attention.key.weight"),
        ("distilbert.transformer.layer.{}.attention.k_lin.bias", "transformer.blocks.{}.attention.key.bias"),
        ("distilbert.transformer.layer.{}.attention.v_lin.weight", "transformer.blocks.{}.attention.value.weight"),
        ("distilbert.transformer.layer.{}.attention.v_lin.bias", "transformer.blocks.{}.attention.value.bias"),
        ("distilbert.transformer.layer.{}.attention.out_lin.weight", "transformer.blocks.{}.attention.output.weight"),
        ("distilbert.transformer.layer.{}.attention.out_lin.bias", "transformer.blocks.{}.attention.output.bias"),
        ("distilbert.transformer.layer.{}.sa_layer_norm.weight", "transformer.blocks.{}.norm_after_attention.weight"),
        ("distilbert.transformer.layer.{}.sa_layer_norm.bias", "transformer.blocks.{}.norm_after_attention.bias"),
        ("distilbert.transformer.layer.{}.ffn.lin1.weight", "transformer.blocks.{}.feed_forward.up.weight"),
        ("distilbert.transformer.layer.{}.ffn.lin1.bias", "transformer.blocks.{}.feed_forward.up.bias"),
        ("distilbert.transformer.layer.{}.ffn.lin2.weight", "transformer.blocks.{}.feed_forward.down.weight"),
        ("distilbert.transformer.layer.{}.ffn.lin2.bias", "transformer.blocks.{}.feed_forward.down.bias"),
        ("distilbert.transformer.layer.{}.output_layer_norm.weight", "transformer.blocks.{}.norm_after_feed_forward.weight"),
        ("distilbert.transformer.layer.{}.output_layer_norm.bias", "transformer.blocks.{}.norm_after_feed_forward.bias"),
    ),
    heads={
        "sequence": Head(
            "ForSequenceClassification",
            (
                ("pre_classifier.weight", "pooler.layer.dense.weight"),
                ("pre_classifier.bias", "pooler.layer.dense.bias"),
                *CLASSIFIER,
            ),
        ),
        "token": Head("ForTokenClassification", CLASSIFIER),
        "span": Head("ForQuestionAnswering", SPAN),
        "masked": Head(
            "ForMaskedLM", masked_names("vocab_transform", "vocab_layer_norm", "vocab_projector.bias", "vocab_projector")
        ),
    },
)
