"""fathom's own: any `TransformerConfig`, fields and tensors under our names. For what Hugging Face has no name for."""

from __future__ import annotations

from dataclasses import MISSING, fields

from fathom.families.family import Family, Head, Key
from fathom.model import TransformerConfig

NATIVE = Family(
    model_type="fathom",
    architecture="Fathom",
    keys=tuple(
        Key(field.name, field.name, default=field.default, required=field.default is MISSING)
        for field in fields(TransformerConfig)
    ),
    constants={},
    fixed={},
    ignored=frozenset({"bos_token_id", "eos_token_id"}),
    heads={
        "sequence": Head("ForSequenceClassification"),
        "token": Head("ForTokenClassification"),
        "span": Head("ForSpans"),
        "masked": Head("ForMaskedLM"),
        "causal": Head("ForCausalLM"),
        "pretraining": Head("ForPreTraining"),
        "replaced": Head("ForReplacedTokens"),
        "translation": Head("ForTranslation"),
    },
)
