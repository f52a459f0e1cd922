"""fathom's own: any `TransformerConfig`, fields and tensors under our names. For what Hugging Face has no name for."""

from __future__ import annotations

from dataclasses import fields

from fathom.families.family import Family, Key
from fathom.model.config import TransformerConfig

NATIVE = Family(
    model_type="fathom",
    architecture="Fathom",
    keys=tuple(Key(field.name, field.name) for field in fields(TransformerConfig)),
    constants={},
    fixed={},
)
