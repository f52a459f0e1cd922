"""The texts of an audit of a classifier: what it was trained on set aside, whole groups in one half, drawn where they are many.

--data                                           one half fits the policy, the other is reported on
--train                                          what a bag of words learns from, without what stands in --data
--near, --far, --compare-data, --suite, --pairs  beside them
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from fathom.data import Columns, Example, assign_parts, open_data, split_key, splits_of, text_digest
from fathom.data.description import hash_of
from fathom.errors import DataError
from fathom.limits.asked import TWICE
from fathom.limits.classifier import Classifier
from fathom.limits.context import READ, Beside, Labelled, Suite
from fathom.limits.doors.folder import FolderClassifier
from fathom.limits.pairs import PairFile
from fathom.limits.record import DataFacts, SplitFacts
from fathom.pipeline.auditing import FEWEST, LimitsSettings
from fathom.pipeline.seen import SEEN, SeenTexts

ENOUGH_UNSEEN = 100  # so many texts that it was not trained on are measured alone; with fewer, all are, as "contaminated"


class AuditedTexts:
    """What a classifier is asked about: split, counted and drawn from."""

    def __init__(self, facts: DataFacts, calibrate: Labelled, report: Labelled, training: list[Example] | None) -> None:
        self.facts, self.calibrate, self.report, self.training = facts, calibrate, report, training
        self.rows: list[Example] = []
        self.training_rows: list[Example] | None = None
        self.seen: SeenTexts | None = None
        self.beside: dict[str, Beside] = {}  # near, far, compared
        self.suite: Suite | None = None
        self.pairs: PairFile | None = None
        self.sampled: list[str] = []
        self.contaminated: str | None = None
        self.members: Labelled | None = None
        self.members_known = False

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        data: str | Sequence[Example],
        split: str | None,
        columns: Columns,
        train: str | Sequence[Example] | None,
        train_split: str | None,
        settings: LimitsSettings,
    ) -> AuditedTexts:
        """Reads and splits.

        Raises:
            DataError: texts or labels that cannot be used, or too few of them.
        """
        examples, name = _read(data, split, columns)
        _check(examples, classifier.labels, name)
        digest = cache(text_digest)  # each text is looked for in several places
        seen = _seen_by(classifier)
        was_seen = np.array([seen is not None and digest(example) in seen.digests for example in examples])
        unseen = [example for example, known in zip(examples, was_seen, strict=True) if not known]
        contaminated = None
        if was_seen.any() and len(unseen) < ENOUGH_UNSEEN:
            contaminated = f"{int(was_seen.sum()):,} of {len(examples):,} texts were in its training data: a figure of memory"
        usable = examples if contaminated else unseen
        keys = [split_key(example, digest) for example in usable]
        assigned = assign_parts(keys, {"calibrate": 0.5, "report": 0.5}, seed=settings.seed)
        most = _most(usable, settings)
        if settings.budget is not None:
            most = min(most, max(FEWEST, (settings.budget // 2 - TWICE) // 2))
        generator = np.random.default_rng(settings.seed)
        sampled: list[str] = []
        splits: dict[str, list[Example]] = {}
        if was_seen.any() and not contaminated:
            sampled.append(f"{int(was_seen.sum()):,} of {len(examples):,} texts were trained on, and left out")
        for part in ("calibrate", "report"):
            rows = [example for example, own in zip(usable, assigned, strict=True) if own == part]
            there = {digest(example) for example in splits.get("calibrate", [])}
            new = [example for example in rows if digest(example) not in there]  # copies may stand in two groups
            if len(new) < len(rows):
                sampled.append(f"{len(rows) - len(new):,} texts that also stand in the calibrate split were left out")
                rows = new
            if len(rows) < FEWEST:
                raise DataError(
                    f"{name} leaves {len(rows)} texts for the part that is to {part}",
                    expected=f"at least {2 * FEWEST} labelled texts, of groups that can be parted in halves",
                )
            if len(rows) > most:
                sampled.append(f"{most:,} of {len(rows):,} texts of the {part} split")
                rows = [rows[row] for row in np.sort(generator.choice(len(rows), size=most, replace=False))]
            splits[part] = rows
        training, rows = None, []
        if train is not None:
            held, held_digests = set(keys), {digest(example) for example in usable}
            same = _is_same(train, train_split or "train", data, split)
            rows = examples if same else _read(train, train_split or "train", columns)[0]
            _check(rows, classifier.labels, "the training data")
            training = [e for e in rows if digest(e) not in held_digests and split_key(e, digest) not in held]
            if len({e.label for e in training}) < 2:
                training = []  # of one label there is nothing to learn
            if len(training) < len(rows) and not (same and training):  # of the data, what was trained on is there to learn from
                sampled.append(
                    f"{len(rows) - len(training):,} of {len(rows):,} training texts also stand in the data, and were left out"
                )
        facts = DataFacts(
            name=name,
            rows=len(examples),
            seen=None if seen is None else int(was_seen.sum()),
            duplicates=len(examples) - len({digest(example) for example in examples}),
            calibrate=_facts(splits["calibrate"]),
            report=_facts(splits["report"]),
            training=_facts(training) if training else None,
        )
        found = cls(
            facts, _labelled(splits["calibrate"], classifier.labels), _labelled(splits["report"], classifier.labels), training
        )
        found.rows, found.seen = examples, seen
        found.training_rows = None if training is None else training if same and training else rows
        found.sampled, found.contaminated = sampled, contaminated
        if training is not None:
            learned_from = [example for example in training if seen is None or digest(example) in seen.digests]
            found.members, found.members_known = _labelled(learned_from, classifier.labels), seen is not None
        return found


def read_beside(
    data: str | Sequence[Example],
    split: str | None,
    columns: Columns,
    labels: Sequence[str],
    settings: LimitsSettings,
    sampled: list[str],
) -> Beside:
    """Texts that may have no labels; at most as many as a split has."""
    if isinstance(data, str):
        chosen = split or ("test" if "test" in splits_of(data) or Path(data).is_dir() else None)
        name = data if chosen is None else f"{data} ({chosen})"
        examples = list(open_data(data, split=chosen, columns=Columns(text=columns.text, label=columns.label)))
    else:
        examples, name = list(data), "the examples"
    if len(examples) < FEWEST:
        raise DataError(f"{name} holds {len(examples)} texts", expected=f"at least {FEWEST} to compare with")
    if any(example.pair is not None for example in examples):
        raise DataError(f"{name} holds pairs of texts", expected="single texts", do="name their column: --text COLUMN")
    most = _most(examples, settings)
    if len(examples) > most:
        sampled.append(f"{most:,} of {len(examples):,} texts of {name}")
        drawn = np.random.default_rng(settings.seed).choice(len(examples), size=most, replace=False)
        examples = [examples[row] for row in np.sort(drawn)]
    number = {label: place for place, label in enumerate(labels)}
    known = all(example.label in number for example in examples)
    truth = np.array([number[example.label or ""] for example in examples], dtype=np.int64) if known else None
    return Beside(name, [example.text for example in examples], truth)


def _read(data: str | Sequence[Example], split: str | None, columns: Columns) -> tuple[list[Example], str]:
    if not isinstance(data, str):
        return list(data), "the examples"
    chosen = _chosen_split(data, split)
    name = data if chosen is None else f"{data} ({chosen})"
    return list(open_data(data, split=chosen, columns=columns, labelled=True)), name


def _most(examples: Sequence[Example], settings: LimitsSettings) -> int:
    """Texts of a split: fewer where they are long, but not so few that nothing can be said of them."""
    texts, characters = settings.most_texts, settings.most_characters
    if settings.quick:
        texts, characters = settings.most_texts_quick, settings.most_characters_quick
    mean = sum(min(len(example.text), READ) for example in examples) / max(1, len(examples))
    return min(texts, max(ENOUGH_UNSEEN, int(characters / max(1.0, mean))))


def _chosen_split(data: str, split: str | None) -> str | None:
    """None: the data have no splits, or the first is meant."""
    known = splits_of(data)
    if split == "train" and "train" not in known and (known or Path(data).is_file()):
        split = None
    return split or ("test" if "test" in known or Path(data).is_dir() else None)


def _check(examples: Sequence[Example], labels: Sequence[str], name: str) -> None:
    """Raises DataError for texts without a label, with one that the classifier does not know, or in pairs."""
    if not examples:
        raise DataError(f"{name} holds no texts", expected="labelled texts")
    if any(example.pair is not None for example in examples):
        raise DataError(f"{name} holds pairs of texts", expected="single texts", do="name their column: --text COLUMN")
    counts = Counter(example.label for example in examples)
    if counts[None]:
        raise DataError(
            f"{counts[None]:,} texts of {name} have no label", expected="a label for each text", do="--label COLUMN"
        )
    if unknown := sorted(str(label) for label in counts.keys() - set(labels)):
        raise DataError(
            f"{name} has labels that the classifier does not know: {', '.join(unknown[:8])}",
            expected=f"its labels: {', '.join(labels)}",
            do="rename them in the data, or name the classifier's by column: --labels A,B",
        )
    if len(counts) < 2:
        raise DataError(f"all texts of {name} have the label {next(iter(counts))!r}", expected="at least two labels")


def _seen_by(classifier: Classifier) -> SeenTexts | None:
    if not isinstance(classifier, FolderClassifier) or classifier.folder is None:
        return None
    path = classifier.folder / SEEN
    return SeenTexts.load(path) if path.is_file() else None


def _is_same(train: object, train_split: str, data: object, split: str | None) -> bool:
    """Whether both name the same texts."""
    if isinstance(train, str) and isinstance(data, str):
        return train == data and _chosen_split(train, train_split) == _chosen_split(data, split)
    return train is data


def _labelled(examples: Sequence[Example], labels: Sequence[str]) -> Labelled:
    number = {label: place for place, label in enumerate(labels)}
    groups = [example.group for example in examples]
    return Labelled(
        [example.text for example in examples],
        np.array([number[example.label or ""] for example in examples], dtype=np.int64),
        None if any(group is None for group in groups) else [str(group) for group in groups],
    )


def _facts(examples: Sequence[Example]) -> SplitFacts:
    counts = Counter(example.label or "" for example in examples)
    return SplitFacts(n=len(examples), sha256=hash_of(examples), labels=dict(sorted(counts.items())))
