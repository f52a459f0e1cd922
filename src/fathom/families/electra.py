"""ELECTRA (Clark et al. 2020, 2003.10555): BERT that learned to spot replaced tokens; small models have narrow embeddings."""

from __future__ import annotations

from fathom.families.bert import CLASSIFIER, CONSTANTS, FIXED, KEYS, SPAN, SPECIAL_IDS, encoder_names, masked_names
from fathom.families.family import Family, Head, Key
from fathom.families.roberta import OWN_POOLER

ELECTRA = Family(
    model_type="electra",
    architecture="Electra",
    keys=(
        *KEYS,
        Key("embedding_size", "embedding_width", none_if_equal="width"),
        Key("max_position_embeddings", "max_length"),
        Key("pad_token_id", "pad_id", default=0, required=False),
    ),
    constants={name: value for name, value in CONSTANTS.items() if name != "embedding_width"}
    | {"pooler_activation": "gelu", "output_activation": "gelu"},
    fixed=FIXED,
    # the summary_… keys describe a head for multiple choice
    ignored=SPECIAL_IDS | {"summary_type", "summary_use_proj", "summary_activation", "summary_last_dropout"},
    prefix="electra.",
    names=(
        *encoder_names("electra."),
        ("electra.embeddings_project.weight", "transformer.embeddings.widen.weight"),
        ("electra.embeddings_project.bias", "transformer.embeddings.widen.bias"),
    ),
    heads={
        "sequence": Head("ForSequenceClassification", OWN_POOLER),
        "token": Head("ForTokenClassification", CLASSIFIER),
        "span": Head("ForQuestionAnswering", SPAN),
        "masked": Head(
            "ForMaskedLM",
            masked_names(
                "generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head.bias", "generator_lm_head"
            ),
        ),
        "replaced": Head(
            "ForPreTraining",
            (
                ("discriminator_predictions.dense.weight", "layer.dense.weight"),
                ("discriminator_predictions.dense.bias", "layer.dense.bias"),
                ("discriminator_predictions.dense_prediction.weight", "detector.weight"),
                ("discriminator_predictions.dense_prediction.bias", "detector.bias"),
            ),
        ),
    },
)
