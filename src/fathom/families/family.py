"""What a family is: how its configuration keys and its tensor names translate to ours, in both directions.

A configuration key either carries a field (`Key`; several together, `Keys`), must have one value because the core computes
only that one (`fixed`), or is known not to matter (`ignored`). Any other key is an error: a setting that nobody reads is a
model that silently computes something else.

A tensor name is one line, theirs and ours, with {} for the number of the block (or {group} and {inner}, where blocks share
their weights in groups); ours is None where a tensor is known and not needed, and several names where theirs holds several of
ours. A tensor whose layout differs brings an invertible step along. What stands on top of the stack has a table for each task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from torch import Tensor

from fathom.errors import ModelFolderError
from fathom.families.steps import Same, Step
from fathom.model import Task, TransformerConfig
from fathom.model.config import TRAINING_ONLY

Line = tuple[str, str | tuple[str, ...] | None] | tuple[str, str | tuple[str, ...] | None, Step]

# Keys that Hugging Face's library writes for its own book-keeping, in any family; none changes what a model computes.
BOOK_KEEPING = frozenset(
    {
        "_attn_implementation_autoset",
        "_name_or_path",
        "architectures",
        "chunk_size_feed_forward",
        "dtype",
        "finetuning_task",
        "gradient_checkpointing",
        "id2label",
        "keys_to_ignore_at_inference",
        "label2id",
        "model_type",
        "num_labels",
        "output_attentions",
        "output_hidden_states",
        "problem_type",
        "pruned_heads",
        "return_dict",
        "task_specific_params",
        "tokenizer_class",
        "torch_dtype",
        "torchscript",
        "transformers_version",
        "use_cache",
    }
)


def constants(*carried: str, **others: Any) -> dict[str, Any]:
    """Every field of `TransformerConfig` at its default, without those that keys carry, and with other values where given."""
    given = {field.name: field.default for field in fields(TransformerConfig) if field.name not in carried}
    unset = [name for name, value in given.items() if value is MISSING and name not in others]
    assert not unset, f"no value for {unset}"
    return given | others


def shortest_pattern(pattern: str) -> str:
    """The shortest start of a pattern that gives all of it when repeated, so that equal models have equal configurations."""
    lengths = (size for size in range(1, len(pattern) + 1) if (pattern[:size] * len(pattern))[: len(pattern)] == pattern)
    return pattern[: next(lengths)]


@dataclass(frozen=True)
class Key:
    """One configuration key that carries a field of `TransformerConfig`.

    `values` maps their spelling to ours where it differs; a number of theirs is `more` than ours; one that equals the field
    `none_if_equal` is None for us. `default` is what an absent key means where it is not required; a function of their
    configuration is also what null means.
    """

    theirs: str
    ours: str
    values: Mapping[Any, Any] | None = None
    default: Any = None
    required: bool = True
    more: int = 0
    none_if_equal: str | None = None

    def read(self, value: Any) -> Any:
        """Theirs to ours, but for `none_if_equal`."""
        if self.values is not None:
            return self.values[value]
        return value - self.more if self.more else value

    def write(self, config: TransformerConfig) -> Any:
        """Ours to theirs."""
        value = getattr(config, self.ours)
        if value is None and self.none_if_equal is not None:
            return getattr(config, self.none_if_equal)
        if self.values is not None:
            return next(theirs for theirs, ours in self.values.items() if ours == value)
        return value + self.more if self.more else value


@dataclass(frozen=True)
class Keys:
    """Several configuration keys that together carry several fields.

    `read` turns their configuration into values of `ours`, raising ValueError where it cannot; `write` is its inverse.
    """

    theirs: tuple[str, ...]
    ours: tuple[str, ...]
    read: Callable[[Mapping[str, Any]], dict[str, Any]]
    write: Callable[[TransformerConfig], dict[str, Any]]


@dataclass(frozen=True)
class Head:
    """What stands on the stack for one task."""

    suffix: str  # of Hugging Face's class: "ForSequenceClassification"
    names: tuple[Line, ...] = ()
    prefix: str | None = None  # of the stack's tensors, where this class spells it in its own way


@dataclass(frozen=True)
class Translation:
    """Tensors of theirs, sorted."""

    ours: Mapping[str, Tensor]  # by our names, in our layout; made at each access
    dropped: list[str]  # theirs, known and not needed
    unknown: list[str]  # theirs, in no table


@dataclass(frozen=True)
class _Ours(Mapping[str, Tensor]):
    """Tensors of ours, each made of theirs when it is asked for: no more than one of theirs has to be in memory."""

    theirs: Mapping[str, Tensor]
    places: dict[str, tuple[str, tuple[str, ...], Step]]  # by our names: theirs, all of ours that it holds, how it is cut
    config: TransformerConfig
    last: dict[str, dict[str, Tensor]] = field(default_factory=dict)  # of theirs that was read last: what it holds

    def __getitem__(self, name: str) -> Tensor:
        theirs, held, step = self.places[name]
        if theirs not in self.last:
            self.last.clear()
            self.last[theirs] = dict(zip(held, step.to_ours(self.theirs[theirs], self.config), strict=True))
        return self.last[theirs][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


@dataclass(frozen=True)
class Family:
    """A published architecture, described by tables."""

    model_type: str  # Hugging Face's name, the `model_type` of config.json
    architecture: str  # the stem of Hugging Face's classes: "Bert"
    keys: tuple[Key | Keys, ...]
    constants: Mapping[str, Any]  # fields of TransformerConfig that are the same in every member
    fixed: Mapping[str, Any]  # their keys of which the core computes one value only
    names: tuple[Line, ...] = ()  # of the stack; none: their names are ours
    heads: Mapping[Task, Head] = field(default_factory=dict)
    prefix: str = ""  # what a bare model's tensor names lack: "bert."
    ignored: frozenset[str] = field(default=frozenset())
    old_spellings: Mapping[str, str] = field(default_factory=dict)  # in tensor names of early checkpoints: old -> today's

    def read_config(self, config: Mapping[str, Any]) -> TransformerConfig:
        """Their configuration to ours.

        Raises:
            ModelFolderError: keys that are missing, that nobody reads, or whose value the core does not compute; all at once.
        """
        complaints: list[str] = []
        values = dict(self.constants)
        for key in self.keys:
            found = self._read_keys(key, config, complaints) if isinstance(key, Keys) else self._read(key, config, complaints)
            for name, value in found.items():
                if name in values and name not in self.constants and values[name] != value:
                    theirs = key.theirs if isinstance(key, Key) else ", ".join(key.theirs)
                    complaints.append(f"{theirs} says {value!r}, another key {values[name]!r}: only the same is implemented")
                values[name] = value
        for key in self.keys:
            if isinstance(key, Key) and key.none_if_equal is not None and values.get(key.ours) == values.get(key.none_if_equal):
                values[key.ours] = None
        for name, expected in self.fixed.items():
            if config.get(name, expected) != expected:
                complaints.append(f"{name} is {config[name]!r}, but only {expected!r} is implemented")
        complaints.extend(f"{name} is a key that nothing reads" for name in config if name not in self._known_keys)
        if not complaints:
            try:
                return TransformerConfig(**values)
            except ValueError as error:
                complaints.append(str(error))
        raise ModelFolderError(
            f"config.json of a {self.model_type!r} model cannot be used: " + "; ".join(complaints),
            expected=f"the keys of a {self.model_type!r} model as Hugging Face writes them",
            do="check that the folder belongs to this architecture",
        )

    @property
    def _known_keys(self) -> set[str]:
        carried = {name for key in self.keys for name in ((key.theirs,) if isinstance(key, Key) else key.theirs)}
        return carried | set(self.fixed) | self.ignored | BOOK_KEEPING

    def _read(self, key: Key, config: Mapping[str, Any], complaints: list[str]) -> dict[str, Any]:
        """The field that a key carries; none where it complains."""
        value = config.get(key.theirs)
        if key.theirs not in config or (value is None and callable(key.default)):
            if key.required:
                complaints.append(f"{key.theirs} is missing")
                return {}
            try:
                return {key.ours: key.default(config) if callable(key.default) else key.default}
            except (KeyError, TypeError):  # what it is made of is missing or no number, which has a complaint of its own
                return {key.ours: None}
        if key.values is not None and value not in list(key.values):  # a list, since what a file holds may have no hash
            complaints.append(f"{key.theirs} is {value!r}, expected one of {', '.join(map(repr, key.values))}")
            return {}
        if value is None and key.required and self.names:
            complaints.append(f"{key.theirs} is null")
            return {}
        try:
            return {key.ours: key.read(value)}
        except TypeError:
            complaints.append(f"{key.theirs} is {value!r}, expected a number")
            return {}

    def _read_keys(self, keys: Keys, config: Mapping[str, Any], complaints: list[str]) -> dict[str, Any]:
        try:
            return keys.read(config)
        except KeyError as error:
            complaints.append(f"{error.args[0]} is missing")
        except ValueError as error:
            complaints.append(str(error))
        except (TypeError, ArithmeticError, AttributeError) as error:
            complaints.append(f"{', '.join(keys.theirs)} cannot be read: {error}")
        return {}

    def write_config(self, config: TransformerConfig) -> dict[str, Any]:
        """Our configuration to theirs; `read_config` gives the same back, but for training-only fields it has no key for.

        Raises:
            ValueError: a field has a value that this family cannot express.
        """
        for name, value in self.constants.items():
            if getattr(config, name) != value and name not in TRAINING_ONLY:
                raise ValueError(f"{name} is {getattr(config, name)!r}; a {self.model_type!r} model has {value!r}")
        written: dict[str, Any] = {"model_type": self.model_type}
        for key in self.keys:
            written |= {key.theirs: key.write(config)} if isinstance(key, Key) else key.write(config)
        return written | dict(self.fixed)

    def can_express(self, config: TransformerConfig) -> bool:
        """Whether `write_config` then `read_config` gives a configuration that computes the same."""
        try:
            back = self.read_config(self.write_config(config))
        except (ValueError, StopIteration, ModelFolderError):
            return False
        return replace(back, **{name: getattr(config, name) for name in TRAINING_ONLY}) == config

    def task_of(self, architectures: Iterable[str]) -> Task | None:
        """The task that `architectures` of config.json names; None for a bare model."""
        suffixes = {f"{self.architecture}{head.suffix}": task for task, head in self.heads.items()}
        return next((suffixes[name] for name in architectures if name in suffixes), None)

    def to_ours(self, tensors: Mapping[str, Tensor], config: TransformerConfig, task: Task) -> Translation:
        """Sorts their tensors into ours, those we know and drop (of another task's head, too), and those nobody knows."""
        if not self.names:
            return Translation(tensors, [], [])
        table = {theirs: (ours, step) for theirs, ours, step in self._lines(config, task)}
        others = {theirs for other in self.heads for theirs, *_ in self._lines(config, other)}
        ours = _Ours(tensors, {}, config)
        result = Translation(ours, [], [])
        for name in tensors:
            spellings = self._spellings(name, task)
            full = next((spelled for spelled in spellings if spelled in table), name)
            if full not in table:
                (result.dropped if others.intersection(spellings) else result.unknown).append(name)
            elif (targets := table[full][0]) is None:
                result.dropped.append(name)
            else:
                ours.places.update(dict.fromkeys(targets, (name, targets, table[full][1])))
        return result

    def to_theirs(self, tensors: Mapping[str, Tensor], config: TransformerConfig, task: Task) -> dict[str, Tensor]:
        """Our tensors by their names and in their layout.

        Raises:
            KeyError: a tensor of ours that the table does not name (a mistake in the table).
        """
        if not self.names:
            return dict(tensors)
        theirs, left = {}, set(tensors)
        for name, ours, step in self._lines(config, task):
            if ours is not None and left.issuperset(ours):
                theirs[name] = step.to_theirs([tensors[part] for part in ours], config)
                left -= set(ours)
        if left:
            raise KeyError(f"the tables of {self.model_type!r} have no name for {sorted(left)}")
        return theirs

    def _lines(self, config: TransformerConfig, task: Task) -> list[tuple[str, tuple[str, ...] | None, Step]]:
        """The name table for a model of this shape and task: theirs, ours, step."""
        head = self.heads[task]
        lines = []
        for theirs, ours, *step in (*self.names, *head.names):
            if head.prefix is not None and theirs.startswith(self.prefix):
                theirs = head.prefix + theirs.removeprefix(self.prefix)
            ours = (ours,) if isinstance(ours, str) else ours
            depth = config.decoder_depth if ours is not None and ours[0].startswith("decoder.") else config.blocks
            for block in range(depth) if "{" in theirs else range(1):
                group, inner = divmod(block, config.blocks_in_group)
                full = theirs.format(block, group=group, inner=inner)
                named = None if ours is None else tuple(part.format(block) for part in ours)
                lines.append((full, named, step[0] if step else Same()))
        return lines

    def _spellings(self, name: str, task: Task) -> list[str]:
        """A name as it is, and with the prefix that the class of a task gives the stack's tensors."""
        for old, new in self.old_spellings.items():
            name = name.replace(old, new)
        prefix = self.heads[task].prefix or self.prefix
        prefixes = {self.prefix, *(head.prefix for head in self.heads.values() if head.prefix), ""}
        return [
            name,
            *(prefix + name.removeprefix(other) for other in sorted(prefixes, reverse=True) if name.startswith(other)),
        ]
