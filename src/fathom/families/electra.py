"""ELECTRA (Clark et al. 2020, 2003.10555): BERT that learned to spot replaced tokens; small models have narrow embeddings."""

from __future__ import annotations

from fathom.families.bert import CONSTANTS, FIXED, KEYS, SPECIAL_IDS, encoder_names
from fathom.families.family import Family, Key

ELECTRA = Family(
    model_type="electra",
    architecture="Electra",
    keys=(
        *KEYS,
        Key("embedding_size", "embedding_width", none_if_equal="width"),
        Key("max_position_embeddings", "max_length"),
        Key("pad_token_id", "pad_id", default=0, required=False),
    ),
    constants={name: value for name, value in CONSTANTS.items() if name != "embedding_width"} | {"pooler_activation": "gelu"},
    fixed=FIXED,
    # the summary_… keys describe a head for multiple choice
    ignored=SPECIAL_IDS | {"summary_type", "summary_use_proj", "summary_activation", "summary_last_dropout"},
    base_prefix="electra.",
    names=(
        *encoder_names("electra."),
        ("electra.embeddings_project.weight", "transformer.embeddings.widen.weight"),
        ("electra.embeddings_project.bias", "transformer.embeddings.widen.bias"),
        ("classifier.dense.weight", "pooler.dense.weight"),
        ("classifier.dense.bias", "pooler.dense.bias"),
        ("classifier.out_proj.weight", "classifier.weight"),
        ("classifier.out_proj.bias", "classifier.bias"),
        # the pre-training heads, which a classifier does not use
        ("discriminator_predictions.dense.weight", None),
        ("discriminator_predictions.dense.bias", None),
        ("discriminator_predictions.dense_prediction.weight", None),
        ("discriminator_predictions.dense_prediction.bias", None),
        ("generator_predictions.LayerNorm.weight", None),
        ("generator_predictions.LayerNorm.bias", None),
        ("generator_predictions.dense.weight", None),
        ("generator_predictions.dense.bias", None),
        ("generator_lm_head.weight", None),
        ("generator_lm_head.bias", None),
    ),
)
