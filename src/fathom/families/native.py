"""fathom's own: any `TransformerConfig`, fields and tensors under our names. For what Hugging Face has no name for."""

from __future__ import annotations

from dataclasses import MISSING, fields

from fathom.families.family import Family, Key
from fathom.model.config import TransformerConfig

NATIVE = Family(
    model_type="fathom",
    architecture="Fathom",
    keys=tuple(
        Key(field.name, field.name, default=field.default, required=field.default is MISSING)
        for field in fields(TransformerConfig)
    ),
    constants={},
    fixed={},
)
