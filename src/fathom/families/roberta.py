"""RoBERTa (Liu et al. 2019, 1907.11692): BERT trained longer, on byte-level BPE. Positions count real tokens, from 2."""

from __future__ import annotations

from fathom.families.bert import CONSTANTS, FIXED, KEYS, SPECIAL_IDS, encoder_names
from fathom.families.family import Family, Key

PAD = 1  # every published model has it there; the first row of the position table that a token uses is the one after

ROBERTA = Family(
    model_type="roberta",
    architecture="Roberta",
    keys=(*KEYS, Key("max_position_embeddings", "max_length", more=PAD + 1)),
    constants=CONSTANTS | {"pad_id": PAD, "padding_position": PAD},
    fixed=FIXED | {"pad_token_id": PAD},
    ignored=SPECIAL_IDS,
    base_prefix="roberta.",
    names=(
        *encoder_names("roberta."),
        ("classifier.dense.weight", "pooler.dense.weight"),
        ("classifier.dense.bias", "pooler.dense.bias"),
        ("classifier.out_proj.weight", "classifier.weight"),
        ("classifier.out_proj.bias", "classifier.bias"),
        # the pooler of the bare model and the pre-training head, which a classifier does not use
        ("roberta.pooler.dense.weight", None),
        ("roberta.pooler.dense.bias", None),
        ("lm_head.bias", None),
        ("lm_head.dense.weight", None),
        ("lm_head.dense.bias", None),
        ("lm_head.layer_norm.weight", None),
        ("lm_head.layer_norm.bias", None),
        ("lm_head.decoder.weight", None),
        ("lm_head.decoder.bias", None),
    ),
)
