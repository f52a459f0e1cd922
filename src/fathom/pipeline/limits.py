"""An audit: a classifier and labelled texts in, `Limits` out; or a model that writes, which needs none.

open the door ─ read, set aside what was trained on ─ split ─ ask twice ─ fit the policy ─ measure, one family at a time

OUTPUT/limits.json             the record, once everything is measured
OUTPUT/limits.html             the same as a page for people
OUTPUT/limits.partial.jsonl    answers so far, while it runs; an audit that is repeated goes on from them
OUTPUT/limits.partial.json     what was measured, where it ended early
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fathom.checkpoint import source_commit
from fathom.checkpoint.about import ABOUT
from fathom.data import CANARIES, Canary, Columns, Example, assign_parts, open_data, read_canaries, splits_of, text_digest
from fathom.data.description import hash_of
from fathom.errors import DataError, InterruptedRunError, ModelFolderError, SettingsError
from fathom.folders import machine_errors, write_text_atomically
from fathom.limits.asked import TWICE, Asked
from fathom.limits.asking import BudgetSpentError
from fathom.limits.behaviour import read_suite
from fathom.limits.classifier import Classifier, NotMeasurableError
from fathom.limits.context import READ, Beside, Context, Labelled, Language, Measuring, Suite, stops
from fathom.limits.doors import open_door
from fathom.limits.doors.folder import FolderClassifier
from fathom.limits.measures import CAUSAL_MEASURINGS, MEASURINGS
from fathom.limits.page import PAGE_FILE, render_limits
from fathom.limits.pairs import PairFile, read_pairs
from fathom.limits.polarity import Polarity, polarity_of
from fathom.limits.policy import Policy, fit_gates, fit_policy
from fathom.limits.record import (
    LIMITS,
    DataFacts,
    Limits,
    Measure,
    PredictorFacts,
    ReportAnswers,
    SplitFacts,
    read_limits,
    write_limits,
)
from fathom.limits.regression import pack_answers
from fathom.limits.writing.asked import AskedCausal
from fathom.limits.writing.model import CausalModel
from fathom.pipeline.auditing import (
    FEWEST,
    Audit,
    LimitsSettings,
    command_of,
    costs_of,
    left_out,
    make_limits_settings,
    making_of,
    measured,
)
from fathom.pipeline.causal_limits import CausalRun, CausalSources
from fathom.pipeline.seen import SEEN, SeenTexts
from fathom.text.splitting import mostly_chinese

ANSWERS = "limits.partial.jsonl"
PARTIAL = "limits.partial.json"
ENOUGH_UNSEEN = 100  # so many texts that it was not trained on are measured alone; with fewer, all are, as "contaminated"


def audit(
    predictor: Any,
    data: str | Sequence[Example] | None = None,
    *,
    output: str | Path | None = None,
    split: str | None = None,
    columns: Columns = Columns(),
    labels: Sequence[str] | None = None,
    train: str | Sequence[Example] | None = None,
    train_split: str | None = None,
    near: str | Sequence[Example] | None = None,
    near_split: str | None = None,
    far: str | Sequence[Example] | None = None,
    far_split: str | None = None,
    compare_data: str | Sequence[Example] | None = None,
    compare_split: str | None = None,
    suite: str | Path | None = None,
    pairs: str | Path | None = None,
    device: str | None = None,
    command: str | None = None,
    on_message: Callable[[str], None] = lambda text: None,
    on_answers: Callable[[int, int], None] = lambda more, total: None,
    **settings: Any,
) -> Limits:
    """Measures where a classifier fails, or a causal model.

    Args:
        predictor: a `fathom.Predictor`, an object with `predict_proba`, a function from a list of texts to an array of
            probabilities, a `CausalModel`; or a name: a folder, hf:owner/name, python:package.module:attribute,
            http://host/v2/models/NAME, openai:http://host/v1#MODEL.
        data: DATA with labels, or examples. Copies of a text, and texts of a group, are in the same split. A causal model is
            asked questions of our own; for it, data are a file of questions with choices (limits/writing/questions.py), or
            texts that it has surely not read.
        output: a folder for limits.json and limits.html; an interrupted audit with the same folder goes on. None: nothing
            is written.
        split: of DATA; None: "test" where a named data set has one.
        labels: by column of its answers, where the predictor does not say.
        train: labelled texts for a bag of words to compare with, without those that are also in DATA's splits; also where
            words that give labels away, and texts of DATA that are known already, are looked for. Of a causal model: texts
            that it may have memorised.
        train_split: of it.
        near: texts of a kind near to DATA's that the classifier is not for, with or without labels.
        near_split: of them.
        far: the same of a far kind.
        far_split: of them.
        compare_data: texts of another time or place, to be compared with DATA's.
        compare_split: of them.
        suite: a file of behaviour tests, as jsonl or as CheckList saved it.
        pairs: a file of texts and what was made of them by changing as little as possible.
        device: for models that run here.
        command: what the record says was run; None: this process's own command line.
        on_message: told what happens.
        on_answers: told how many more texts are answered, and how many there will be, about.
        settings: fields of `LimitsSettings`: quick, only, budget, target, confidence, alpha, seed, …

    Raises:
        FathomError: in its kinds: no such predictor or data, labels that do not fit, too few texts; answers that are no
            probabilities, or not the same twice; a stop; a full disk. What was measured so far is kept in `output`.
    """
    started = time.monotonic()
    chosen = make_limits_settings(**settings)
    target = None if output is None else Path(output)
    if target is not None:
        _check_output(target)
    _named(chosen.only, (*MEASURINGS, *CAUSAL_MEASURINGS))  # said before a model is opened
    on_message("opening the model")
    opened = open_door(predictor, labels=labels, device=device)
    cache = None if target is None else target / ANSWERS
    run: _Run | CausalRun
    if isinstance(opened, CausalModel):
        given: list[tuple[str, object]] = [("near", near), ("far", far), ("compare_data", compare_data), ("suite", suite)]
        given += [("pairs", pairs), ("positive", chosen.positive), ("watts", chosen.watts)]
        if wrong := [name for name, value in given if value is not None]:
            raise SettingsError(
                f"{', '.join(wrong)} came with {opened.name}, a model that writes",
                expected="what measures such a model: data, train, only, quick, language, budget, seed",
            )
        chosen_causal = _named(chosen.only, CAUSAL_MEASURINGS)
        writes = AskedCausal(opened, cache=cache, budget=chosen.budget)
        sources = CausalSources.of(data, split, train, train_split, columns)
        run = CausalRun(opened, writes, sources, chosen, started, command)
        kept, measure = writes.kept, partial(run.measure, chosen_causal)
    else:
        measurings = _named(chosen.only, MEASURINGS)
        if data is None:
            raise SettingsError(
                f"no data was named, and {opened.name} is a classifier", expected="fathom limits MODEL --data DATA, with labels"
            )
        sides = _sides(opened.labels, chosen.positive)
        on_message("reading the data")
        parts = _Parts.of(opened, data, split, columns, train, train_split, chosen)
        for name, texts, part in (
            ("near", near, near_split),
            ("far", far, far_split),
            ("compared", compare_data, compare_split),
        ):
            if texts is not None:
                parts.beside[name] = _beside(texts, part, columns, opened.labels, chosen, parts.sampled)
        if suite is not None:
            on_message("reading the suite of tests")
            parts.suite = Suite(Path(suite).name, *read_suite(Path(suite), opened.labels, sides))
        if pairs is not None:
            parts.pairs = read_pairs(Path(pairs), opened.labels, positive=chosen.positive)
        asked = Asked(opened, cache=cache, budget=chosen.budget)
        run = _Run(opened, asked, parts, chosen, started, command)
        kept, measure = asked.kept, partial(run.measure, measurings)
    if kept:
        on_message(f"going on with an interrupted audit: {kept:,} answers are there")
    try:
        measure(on_message, on_answers)
    except BaseException as error:
        partly = _keep_partial(target, run, error)
        if partly is not None:
            on_message(f"what was measured so far is in {partly}, and the answers are kept")
        if isinstance(error, KeyboardInterrupt):
            do = (
                "repeat the command, which goes on from there"
                if target is not None
                else "give an output folder to be able to go on"
            )
            raise InterruptedRunError("stopped while measuring", do=do) from None
        raise
    limits = run.record(None)
    if target is not None:
        page = render_limits(limits)
        write_limits(target / LIMITS, limits)
        write_text_atomically(target / PAGE_FILE, page)
        for name in (ANSWERS, PARTIAL):
            (target / name).unlink(missing_ok=True)
    return limits


def default_output(spec: str) -> Path:
    """Where limits.json belongs if nothing else is said: into the model's own folder.

    Raises:
        SettingsError: not a folder that fathom wrote.
    """
    if not (Path(spec) / ABOUT).is_file():
        raise SettingsError(
            f"{spec} is no folder that fathom wrote, so limits.json has no place of its own",
            expected="a folder for it",
            do="name one: --output FOLDER",
        )
    return Path(spec)


class _Parts:
    """The data of an audit, split and counted."""

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
    ) -> _Parts:
        examples, name = _read(data, split, columns)
        _check(examples, classifier.labels, name)
        seen = _seen_by(classifier)
        was_seen = np.array([seen is not None and example in seen for example in examples])
        unseen = [example for example, known in zip(examples, was_seen, strict=True) if not known]
        contaminated = None
        if was_seen.any() and len(unseen) < ENOUGH_UNSEEN:
            contaminated = f"{int(was_seen.sum()):,} of {len(examples):,} texts were in its training data: a figure of memory"
        usable = examples if contaminated else unseen
        keys = [_key(example) for example in usable]
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
            there = {text_digest(example) for example in splits.get("calibrate", [])}
            new = [example for example in rows if text_digest(example) not in there]  # copies may stand in two groups
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
            held = {_key(example) for example in usable} | {f"text {text_digest(example):016x}" for example in usable}
            same = _is_same(train, train_split or "train", data, split)
            rows = examples if same else _read(train, train_split or "train", columns)[0]
            _check(rows, classifier.labels, "the training data")
            training = [e for e in rows if _key(e) not in held and f"text {text_digest(e):016x}" not in held]
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
            duplicates=len(examples) - len({text_digest(example) for example in examples}),
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
            learned_from = [example for example in training if seen is None or example in seen]
            found.members, found.members_known = _labelled(learned_from, classifier.labels), seen is not None
        return found


class _Run:
    """What an audit has found so far."""

    def __init__(
        self, classifier: Classifier, asked: Asked, parts: _Parts, settings: LimitsSettings, started: float, command: str | None
    ) -> None:
        self._classifier, self._asked, self._parts, self._settings = classifier, asked, parts, settings
        self._started = started
        self._language: Language = settings.language or ("zh" if mostly_chinese(parts.report.texts) else "en")
        self._command = command_of(command)
        self._commit = source_commit()
        self._twice: float | None = None
        self._policy: Policy | None = None
        self._answers: ReportAnswers | None = None
        self._measures: list[Measure] = []
        self._sampled = parts.sampled

    def measure(
        self,
        measurings: Sequence[Measuring[Context]],
        on_message: Callable[[str], None],
        on_answers: Callable[[int, int], None],
    ) -> None:
        """Asks twice, fits the policy, then one family after the other."""
        asked, parts, settings = self._asked, self._parts, self._settings
        total = len(parts.calibrate) + len(parts.report)
        asked.on_answers = lambda more: on_answers(more, total)
        try:
            self._twice = asked.check_twice(parts.report.texts)
            on_message(f"asking for {len(parts.calibrate):,} texts to calibrate on and {len(parts.report):,} to report on")
            unread, embeddings = None, None
            if "embeddings" in self._classifier.capabilities:
                asked.states(parts.calibrate.texts)  # in one pass with the answers
                states = asked.states(parts.report.texts)
                unread, embeddings = states.lengths.unread, states.embeddings
            elif "lengths" in self._classifier.capabilities:
                unread = self._classifier.lengths(parts.report.texts).unread
            calibrate = asked.probabilities(parts.calibrate.texts)
            report = asked.probabilities(parts.report.texts)
            gates = fit_gates(parts.report.texts, report, unread=unread, embeddings=embeddings, seed=settings.seed)
            stopped = np.array([bool(why) for why in stops(asked, gates, parts.calibrate.texts)])
        except BudgetSpentError as error:
            raise SettingsError(f"the budget is too small: {error}", do="raise --budget") from error
        self._answers = pack_answers(parts.facts.report.sha256, report, parts.report.truth, parts.report.groups)
        self._policy = fit_policy(
            calibrate,
            parts.calibrate.truth,
            report,
            target=settings.target,
            confidence=settings.confidence,
            alpha=settings.alpha,
            gates=gates,
            stopped=stopped,
        )
        context = Context(
            asked=asked,
            report=parts.report,
            calibrate=parts.calibrate,
            training=parts.training,
            policy=self._policy,
            language=self._language,
            quick=settings.quick,
            seed=settings.seed,
            sampled=self._sampled,
            watts=settings.watts,
            rows=parts.rows,
            training_rows=parts.training_rows,
            seen=parts.seen,
            near=parts.beside.get("near"),
            far=parts.beside.get("far"),
            compared=parts.beside.get("compared"),
            members=parts.members,
            members_known=parts.members_known,
            canaries=_canaries_in(self._classifier),
            positive=settings.positive,
            suite=parts.suite,
            pairs=parts.pairs,
        )
        total += sum(measuring.calls(context) for measuring in measurings)
        for measuring in measurings:
            on_message(f"{measuring.name}: {measuring.what}")
            self._measures += self._one(measuring, context)

    def _one(self, measuring: Measuring[Context], context: Context) -> list[Measure]:
        found = measured(measuring, context, examples=self._settings.examples)
        if self._parts.contaminated is None or not measuring.needs_unseen:
            return found
        changed = {"status": "contaminated", "reason": self._parts.contaminated}
        return [measure.model_copy(update=changed) if measure.status == "measured" else measure for measure in found]

    def record(self, ended: str | None) -> Limits:
        """Everything so far; `ended`: why it is not all."""
        return Limits(
            predictor=PredictorFacts(
                name=self._classifier.name,
                door=self._classifier.door,
                labels=self._classifier.labels,
                capabilities=sorted(self._classifier.capabilities),
                fingerprint=self._classifier.fingerprint(),
                asked_twice=self._twice,
            ),
            data=self._parts.facts.model_copy(update={"language": self._language}),
            measures=self._measures,
            policy=self._policy,
            complete=ended is None,
            ended=ended,
            sampled=left_out(self._sampled, self._settings),
            answers=self._answers,
            cost=costs_of(self._asked, self._started),
            making=making_of(self._settings, self._command, self._commit),
        )


def _keep_partial(target: Path | None, run: _Run | CausalRun, error: BaseException) -> Path | None:
    """Writes what there is; None where nothing is to be written, or nothing was measured."""
    limits = run.record("stopped by the user" if isinstance(error, KeyboardInterrupt) else str(error))
    if target is None or not limits.measures:
        return None
    write_limits(target / PARTIAL, limits)
    return target / PARTIAL


def _check_output(target: Path) -> None:
    """Said now, not after the work."""
    if target.exists() and not target.is_dir():
        raise SettingsError(f"{target} is a file", expected="a folder for limits.json", do="name another: --output FOLDER")
    with machine_errors(target):
        target.mkdir(parents=True, exist_ok=True)
    if (target / LIMITS).exists():
        try:
            read_limits(target)
        except ModelFolderError as error:
            raise SettingsError(
                f"{target / LIMITS} is not replaced, because it is no record that this version can read",
                do="move it away, or name another folder: --output FOLDER",
            ) from error


def _named(only: Sequence[str], measurings: Sequence[Measuring[Audit]]) -> list[Measuring[Audit]]:
    known = {measuring.name: measuring for measuring in measurings}
    if unknown := [name for name in only if name not in known]:
        raise SettingsError(f"there is no measure {unknown[0]!r}", expected=f"one of {', '.join(known)}")
    return [measuring for name, measuring in known.items() if not only or name in only]


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


def _sides(labels: Sequence[str], positive: str | None) -> Polarity | None:
    """Raises SettingsError for a `positive` that is no label."""
    try:
        return polarity_of(labels, positive=positive)
    except NotMeasurableError:
        return None


def _beside(
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


def _canaries_in(classifier: Classifier) -> list[Canary] | None:
    if not isinstance(classifier, FolderClassifier) or classifier.folder is None:
        return None
    path = classifier.folder / CANARIES
    return read_canaries(path) if path.is_file() else None


def _key(example: Example) -> str:
    return f"group {example.group}" if example.group is not None else f"text {text_digest(example):016x}"


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
