"""What all tests share: no network, one thread, and property tests that a busy machine does not fail."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # also of the commands that tests start: tiny models are slower with more

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("fathom", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("fathom")


@pytest.fixture(autouse=True)
def _same_randomness() -> None:
    torch.manual_seed(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The guide first: it is one long test, and a process that met it last would run it while the other has nothing left."""
    items.sort(key=lambda item: item.path.name != "test_docs.py")
