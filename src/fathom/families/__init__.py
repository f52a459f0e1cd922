"""Published models as data: a configuration table and a name table each, and no module code.

    FAMILIES["bert"].read_config({"hidden_size": 384, …})   -> TransformerConfig
    FAMILIES["bert"].to_ours({"bert.embeddings.…": tensor}) -> {"transformer.embeddings.…": tensor}

Both tables are walked in the other direction to write, so export cannot drift from import.
"""

from __future__ import annotations

from fathom.families.albert import ALBERT
from fathom.families.bert import BERT
from fathom.families.distilbert import DISTILBERT
from fathom.families.electra import ELECTRA
from fathom.families.family import Family
from fathom.families.native import NATIVE
from fathom.families.roberta import ROBERTA

FAMILIES: dict[str, Family] = {family.model_type: family for family in (BERT, ROBERTA, DISTILBERT, ELECTRA, ALBERT, NATIVE)}

__all__ = ["ALBERT", "BERT", "DISTILBERT", "ELECTRA", "FAMILIES", "NATIVE", "ROBERTA", "Family"]
