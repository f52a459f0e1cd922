"""The labelled texts of a fine-tuning: one part to learn from, one to choose and calibrate on, whole groups in either; hashed.

Parts are read anew each time that they are iterated, so that nothing has to fit into memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, Literal

import numpy as np

from fathom.data import Canary, Example, assign_parts, make_canaries, planted
from fathom.data.description import add_to_hash
from fathom.errors import DataError
from fathom.pipeline.seen import SeenTexts
from fathom.pipeline.settings import FinetuneSettings
from fathom.text.splitting import mostly_chinese


@dataclass(frozen=True)
class Parts:
    """The data of a run, split; iterating a part reads its rows anew, so nothing has to fit into memory."""

    train: Iterable[Example]
    dev: Iterable[Example]
    labels: list[str]
    facts: dict[str, Any]  # rows, hashes, duplicates
    seen: SeenTexts


def split_examples(
    train_examples: Iterable[Example], settings: FinetuneSettings, dev_examples: Iterable[Example] | None = None
) -> Parts:
    """One pass over the data for labels, hashes and parts; the parts read it again when they are iterated.

    Raises:
        DataError: no texts, a text without a label, one label only, or too few texts for two parts.
    """
    keys, labels, hashes = [], set(), hashlib.sha256()
    seen = SeenTexts()
    for example in train_examples:
        if example.label is None:
            raise DataError("the data has no labels", expected="a label for each text", do="name its column: --label COLUMN")
        digest = seen.add(example)
        keys.append(f"group {example.group}" if example.group is not None else f"text {digest:016x}")
        labels.add(example.label)
        add_to_hash(hashes, example)
    if not keys:
        raise DataError("the data holds no texts", expected="labelled texts", do="check the file")
    if len(labels) < 2:
        raise DataError(
            f"every one of the {len(keys):,} texts has the label {next(iter(labels))!r}",
            expected="at least two different labels",
            do="check the label column (--label COLUMN)",
        )
    facts: dict[str, Any] = {"rows": len(keys), "data_sha256": hashes.hexdigest(), "duplicates": len(keys) - len(seen)}
    ordered = sorted(labels)
    if dev_examples is not None:
        for example in dev_examples:
            seen.add(example)
        return Parts(train_examples, dev_examples, ordered, facts | _part_facts(train_examples, dev_examples), seen)
    fractions = {"train": 1 - settings.dev_fraction, "dev": settings.dev_fraction}
    assigned = np.array(assign_parts(keys, fractions, seed=settings.training.seed))
    chosen = {name: _Selection(train_examples, assigned == name) for name in fractions}
    for name, part in chosen.items():
        if not part.chosen.any():
            raise DataError(
                f"{len(keys)} texts in {len(set(keys))} groups leave nothing for the {name} part",
                expected="enough texts for a train and a dev part",
                do="add data, or raise --dev-fraction",
            )
    facts |= _part_facts(chosen["train"], chosen["dev"])
    return Parts(chosen["train"], chosen["dev"], ordered, facts, seen)


def plant_canaries(parts: Parts, settings: FinetuneSettings) -> tuple[Parts, list[Canary]]:
    """The parts with canaries behind the training texts; the dev part has none.

    Raises:
        DataError: texts in pairs.
    """
    first = list(islice(parts.train, 100))
    if any(example.pair is not None for example in first):
        raise DataError("canaries cannot be planted among pairs of texts", expected="single texts", do="leave --canaries out")
    language: Literal["en", "zh"] = "zh" if mostly_chinese(example.text for example in first) else "en"
    canaries = make_canaries(settings.canaries, parts.labels, language=language, seed=settings.training.seed)
    rows = planted(canaries)
    for row in rows:
        parts.seen.add(row)
    return replace(parts, train=_Chained(parts.train, rows), facts=parts.facts | {"canaries": len(rows)}), canaries


@dataclass(frozen=True)
class _Chained:
    """Re-iterable examples, one after the other."""

    first: Iterable[Example]
    second: Iterable[Example]

    def __iter__(self) -> Iterator[Example]:
        return chain(self.first, self.second)


@dataclass(frozen=True)
class _Selection:
    """The chosen rows of re-iterable examples."""

    examples: Iterable[Example]
    chosen: np.ndarray  # (rows,) booleans

    def __iter__(self) -> Iterator[Example]:
        return (example for example, taken in zip(self.examples, self.chosen, strict=True) if taken)


def _part_facts(train_part: Iterable[Example], dev_part: Iterable[Example]) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name, part in (("train", train_part), ("dev", dev_part)):
        hashes, rows = hashlib.sha256(), 0
        for example in part:
            add_to_hash(hashes, example)
            rows += 1
        facts |= {f"{name}_rows": rows, f"{name}_sha256": hashes.hexdigest()}
    return facts
