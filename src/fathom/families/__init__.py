"""Published models as data: a configuration table and a name table each, and no module code.

    FAMILIES["bert"].read_config({"hidden_size": 384, …})                 -> TransformerConfig
    FAMILIES["bert"].to_ours({"bert.embeddings.…": tensor}, config, task) -> {"transformer.embeddings.…": tensor}

Both tables are walked in the other direction to write, so export cannot drift from import.
"""

from __future__ import annotations

from fathom.families.albert import ALBERT
from fathom.families.bert import BERT
from fathom.families.distilbert import DISTILBERT
from fathom.families.electra import ELECTRA
from fathom.families.family import Family
from fathom.families.gpt2 import GPT2
from fathom.families.gpt_neo import GPT_NEO
from fathom.families.llama import LLAMA
from fathom.families.marian import MARIAN
from fathom.families.modernbert import MODERNBERT
from fathom.families.native import NATIVE
from fathom.families.roberta import ROBERTA
from fathom.families.xlnet import XLNET

_ENCODERS = (BERT, ROBERTA, DISTILBERT, ELECTRA, ALBERT, XLNET, MODERNBERT)
_DECODERS = (GPT2, GPT_NEO, LLAMA)
FAMILIES: dict[str, Family] = {family.model_type: family for family in (*_ENCODERS, *_DECODERS, MARIAN, NATIVE)}

__all__ = [
    "ALBERT",
    "BERT",
    "DISTILBERT",
    "ELECTRA",
    "FAMILIES",
    "GPT2",
    "GPT_NEO",
    "LLAMA",
    "MARIAN",
    "MODERNBERT",
    "NATIVE",
    "ROBERTA",
    "XLNET",
    "Family",
]
