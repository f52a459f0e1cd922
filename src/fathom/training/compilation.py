"""Blocks compiled for the device: one after the other, since they are alike, so that one compilation serves all of them."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import torch
from torch import nn

from fathom.errors import SettingsError
from fathom.training.distributed import blocks_of


def compile_blocks(model: nn.Module, device: torch.device) -> None:
    """Lets every block of `model` run as torch.compile makes it; parameters and their names stay as they are.

    Raises:
        SettingsError: what compiling needs is not installed.
    """
    compiler = os.environ.get("CXX", "g++")
    missing = [] if shutil.which(compiler) else [f"a C++ compiler ({compiler})"]
    if device.type == "cuda" and find_spec("triton") is None:
        missing.append("the package triton")
    if missing:
        raise SettingsError(
            f"training.compile is true, and {' and '.join(missing)} cannot be found",
            expected="what torch.compile makes programs with",
            do="install it, or set training.compile to false",
        )
    for block in blocks_of(model):
        block.compile()
