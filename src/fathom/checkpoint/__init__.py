"""Folder ↔ model: what is written is whole, what is read is checked, and no file is ever executed."""

from fathom.checkpoint.about import About, MadeBy, machine, read_json, source_commit, to_json
from fathom.checkpoint.catalogue import KnownModel, known_models, resolve_model
from fathom.checkpoint.model_folder import LoadedModel, family_of, load_model, save_model

__all__ = [
    "About",
    "KnownModel",
    "LoadedModel",
    "MadeBy",
    "family_of",
    "known_models",
    "load_model",
    "machine",
    "read_json",
    "resolve_model",
    "save_model",
    "source_commit",
    "to_json",
]
