"""BERT (Devlin et al. 2019, 1810.04805): an encoder with norms after each sum, learned positions and two segments."""

from __future__ import annotations

from typing import Any

from fathom.families.family import Family, Head, Key, Line, constants

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}


def encoder_names(prefix: str) -> tuple[Line, ...]:
    """The tensors of BERT's embeddings and blocks, under the prefix of a family that took them over."""
    names: tuple[tuple[str, str | None], ...] = (
        ("embeddings.word_embeddings.weight", "transformer.embeddings.token.weight"),
        ("embeddings.position_embeddings.weight", "transformer.embeddings.position.weight"),
        ("embeddings.token_type_embeddings.weight", "transformer.embeddings.segment.weight"),
        ("embeddings.position_ids", None),  # 0, 1, 2, …: a constant that old versions saved
        ("embeddings.LayerNorm.weight", "transformer.embeddings.norm.weight"),
        ("embeddings.LayerNorm.bias", "transformer.embeddings.norm.bias"),
        ("encoder.layer.{}.attention.self.query.weight", "transformer.blocks.{}.attention.query.weight"),
        ("encoder.layer.{}.attention.self.query.bias", "transformer.blocks.{}.attention.query.bias"),
        ("encoder.layer.{}.attention.self.key.weight", "transformer.blocks.{}.attention.key.weight"),
        ("encoder.layer.{}.attention.self.key.bias", "transformer.blocks.{}.attention.key.bias"),
        ("encoder.layer.{}.attention.self.value.weight", "transformer.blocks.{}.attention.value.weight"),
        ("encoder.layer.{}.attention.self.value.bias", "transformer.blocks.{}.attention.value.bias"),
        ("encoder.layer.{}.attention.output.dense.weight", "transformer.blocks.{}.attention.output.weight"),
        ("encoder.layer.{}.attention.output.dense.bias", "transformer.blocks.{}.attention.output.bias"),
        ("encoder.layer.{}.attention.output.LayerNorm.weight", "transformer.blocks.{}.norm_after_attention.weight"),
        ("encoder.layer.{}.attention.output.LayerNorm.bias", "transformer.blocks.{}.norm_after_attention.bias"),
        ("encoder.layer.{}.intermediate.dense.weight", "transformer.blocks.{}.feed_forward.up.weight"),
        ("encoder.layer.{}.intermediate.dense.bias", "transformer.blocks.{}.feed_forward.up.bias"),
        ("encoder.layer.{}.output.dense.weight", "transformer.blocks.{}.feed_forward.down.weight"),
        ("encoder.layer.{}.output.dense.bias", "transformer.blocks.{}.feed_forward.down.bias"),
        ("encoder.layer.{}.output.LayerNorm.weight", "transformer.blocks.{}.norm_after_feed_forward.weight"),
        ("encoder.layer.{}.output.LayerNorm.bias", "transformer.blocks.{}.norm_after_feed_forward.bias"),
    )
    return tuple((prefix + theirs, ours) for theirs, ours in names)


def masked_names(dense: str, norm: str, bias: str, decoder: str) -> tuple[Line, ...]:
    """The head that guesses hidden tokens: dense map, norm and bias as a family calls them. The output map is the embedding."""
    return (
        (f"{decoder}.weight", None),  # copies, which old versions saved
        (f"{decoder}.bias", None),
        (bias, "output.bias"),
        (f"{dense}.weight", "output.layer.dense.weight"),
        (f"{dense}.bias", "output.layer.dense.bias"),
        (f"{norm}.weight", "output.layer.norm.weight"),
        (f"{norm}.bias", "output.layer.norm.bias"),
    )


# a linear map to classes, and one to where spans start and end, as most families call them
CLASSIFIER: tuple[Line, ...] = (("classifier.weight", "classifier.weight"), ("classifier.bias", "classifier.bias"))
SPAN: tuple[Line, ...] = (("qa_outputs.weight", "span.weight"), ("qa_outputs.bias", "span.bias"))

# what all encoders of BERT's kind have in common: the defaults, but for what `keys` carry
CONSTANTS: dict[str, Any] = constants(
    *("vocab_size", "width", "depth", "heads", "feed_forward_width", "max_length", "segments", "pad_id", "activation"),
    *("norm_eps", "dropout", "attention_dropout", "classifier_dropout", "initializer_range"),
)
FIXED = {
    "is_decoder": False,
    "is_encoder_decoder": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
    "cross_attention_hidden_size": None,
    "position_embedding_type": "absolute",
}
KEYS = (
    Key("vocab_size", "vocab_size"),
    Key("hidden_size", "width"),
    Key("num_hidden_layers", "depth"),
    Key("num_attention_heads", "heads"),
    Key("intermediate_size", "feed_forward_width"),
    Key("type_vocab_size", "segments"),
    Key("hidden_act", "activation", values=ACTIVATIONS),
    Key("layer_norm_eps", "norm_eps"),
    Key("hidden_dropout_prob", "dropout"),
    Key("attention_probs_dropout_prob", "attention_dropout"),
    Key("classifier_dropout", "classifier_dropout", required=False),
    Key("initializer_range", "initializer_range", default=0.02, required=False),
)
SPECIAL_IDS = frozenset({"bos_token_id", "eos_token_id", "sep_token_id", "cls_token_id"})  # the tokenizer knows them
_MASKED = masked_names(
    "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias", "cls.predictions.decoder"
)

BERT = Family(
    model_type="bert",
    architecture="Bert",
    keys=(
        *KEYS,
        Key("max_position_embeddings", "max_length"),
        Key("pad_token_id", "pad_id", default=0, required=False),
    ),
    constants=CONSTANTS,
    fixed=FIXED,
    ignored=frozenset(
        {
            *SPECIAL_IDS,
            "directionality",
            # of Google's first Chinese model; the pooler is one dense map all the same
            *("pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers", "pooler_size_per_head", "pooler_type"),
        }
    ),
    old_spellings={"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"},
    prefix="bert.",
    names=(
        *encoder_names("bert."),
        ("bert.pooler.dense.weight", "pooler.layer.dense.weight"),
        ("bert.pooler.dense.bias", "pooler.layer.dense.bias"),
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
                ("cls.seq_relationship.weight", "relation.weight"),
                ("cls.seq_relationship.bias", "relation.bias"),
            ),
        ),
    },
)
