"""RoBERTa (Liu et al. 2019, 1907.11692): BERT trained longer, on byte-level BPE. Positions count real tokens, from 2."""

from __future__ import annotations

from fathom.families.bert import CLASSIFIER, CONSTANTS, FIXED, KEYS, SPAN, SPECIAL_IDS, encoder_names, masked_names
from fathom.families.family import Family, Head, Key, Line

PAD = 1  # every published model has it there; the first row of the position table that a token uses is the one after

# a classifier with a dense layer of its own before the last map, as RoBERTa and ELECTRA have it
OWN_POOLER: tuple[Line, ...] = (
    ("classifier.dense.weight", "pooler.layer.dense.weight"),
    ("classifier.dense.bias", "pooler.layer.dense.bias"),
    ("classifier.out_proj.weight", "classifier.weight"),
    ("classifier.out_proj.bias", "classifier.bias"),
)

ROBERTA = Family(
    model_type="roberta",
    architecture="Roberta",
    keys=(*KEYS, Key("max_position_embeddings", "max_length", more=PAD + 1)),
    constants=CONSTANTS | {"pad_id": PAD, "padding_position": PAD, "output_activation": "gelu"},
    fixed=FIXED | {"pad_token_id": PAD},
    ignored=SPECIAL_IDS,
    prefix="roberta.",
    names=(
        *encoder_names("roberta."),
        ("roberta.pooler.dense.weight", None),  # of the bare model; no head uses it
        ("roberta.pooler.dense.bias", None),
    ),
    heads={
        "sequence": Head("ForSequenceClassification", OWN_POOLER),
        "token": Head("ForTokenClassification", CLASSIFIER),
        "span": Head("ForQuestionAnswering", SPAN),
        "masked": Head("ForMaskedLM", masked_names("lm_head.dense", "lm_head.layer_norm", "lm_head.bias", "lm_head.decoder")),
    },
)
