"""What a family is: how its configuration keys and its tensor names translate to ours, in both directions.

A configuration key either carries a field (`Key`), must have one value because the core computes only that one
(`fixed`), or is known not to matter (`ignored`). Any other key is an error: a setting that nobody reads is a model that
silently computes something else.

A tensor name is one line, theirs and ours, with {} for the number of the block (or {group} and {inner}, where blocks share
their weights in groups); ours is None where a tensor is known and not needed. A tensor whose layout differs will bring an
invertible step along.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fathom.errors import ModelFolderError
from fathom.model.config import TransformerConfig

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


@dataclass(frozen=True)
class Key:
    """One configuration key that carries a field of `TransformerConfig`.

    `values` maps their spelling to ours where it differs; a number of theirs is `more` than ours; one that equals the field
    `none_if_equal` is None for us. `default` is what an absent key means where it is not required.
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
class Translation:
    """Their tensor names, sorted."""

    ours: dict[str, str]  # theirs -> ours
    dropped: list[str]  # theirs, known and not needed
    unknown: list[str]  # theirs, in no table


@dataclass(frozen=True)
class Family:
    """A published architecture, described by tables."""

    model_type: str  # Hugging Face's name, the `model_type` of config.json
    architecture: str  # Hugging Face's class for a bare model and, with a task, the stem of the others: "Bert"
    keys: tuple[Key, ...]
    constants: Mapping[str, Any]  # fields of TransformerConfig that are the same in every member
    fixed: Mapping[str, Any]  # their keys of which the core computes one value only
    names: tuple[tuple[str, str | None], ...] = ()  # none: their names are ours
    base_prefix: str = ""  # what a bare model's tensor names lack: "bert."
    ignored: frozenset[str] = field(default=frozenset())
    old_spellings: Mapping[str, str] = field(default_factory=dict)  # in tensor names of early checkpoints: old -> today's

    def read_config(self, config: Mapping[str, Any]) -> TransformerConfig:
        """Their configuration to ours.

        Raises:
            ModelFolderError: keys that are missing, that nobody reads, or whose value the core does not compute; all at once.
        """
        complaints = []
        values = dict(self.constants)
        for key in self.keys:
            if key.theirs not in config:
                if key.required:
                    complaints.append(f"{key.theirs} is missing")
                else:
                    values[key.ours] = key.default
                continue
            value = config[key.theirs]
            if key.values is not None and value not in key.values:
                complaints.append(f"{key.theirs} is {value!r}, expected one of {', '.join(map(repr, key.values))}")
                continue
            if value is None and key.required and self.names:
                complaints.append(f"{key.theirs} is null")
                continue
            values[key.ours] = key.read(value)
        for key in self.keys:
            if key.none_if_equal is not None and values.get(key.ours) == values.get(key.none_if_equal):
                values[key.ours] = None
        for name, expected in self.fixed.items():
            if config.get(name, expected) != expected:
                complaints.append(f"{name} is {config[name]!r}, but only {expected!r} is implemented")
        known = {key.theirs for key in self.keys} | set(self.fixed) | self.ignored | BOOK_KEEPING
        complaints.extend(f"{name} is a key that nothing reads" for name in config if name not in known)
        if not complaints:
            try:
                return TransformerConfig(**values)
            except (TypeError, ValueError) as error:
                complaints.append(str(error))
        raise ModelFolderError(
            f"config.json of a {self.model_type!r} model cannot be used: " + "; ".join(complaints),
            expected=f"the keys of a {self.model_type!r} model as Hugging Face writes them",
            do="check that the folder belongs to this architecture",
        )

    def write_config(self, config: TransformerConfig) -> dict[str, Any]:
        """Our configuration to theirs; `read_config` gives the same back.

        Raises:
            ValueError: a field has a value that this family cannot express.
        """
        for name, value in self.constants.items():
            if getattr(config, name) != value:
                raise ValueError(f"{name} is {getattr(config, name)!r}; a {self.model_type!r} model has {value!r}")
        written: dict[str, Any] = {"model_type": self.model_type}
        written |= {key.theirs: key.write(config) for key in self.keys}
        return written | dict(self.fixed)

    def can_express(self, config: TransformerConfig) -> bool:
        """Whether `write_config` then `read_config` gives this configuration back."""
        try:
            return self.read_config(self.write_config(config)) == config
        except (ValueError, StopIteration, ModelFolderError):
            return False

    def pairs(self, config: TransformerConfig) -> list[tuple[str, str | None]]:
        """The name table for a model of this shape, one (theirs, ours) a tensor."""
        pairs = []
        for theirs, ours in self.names:
            for block in range(config.blocks) if "{" in theirs else range(1):
                group, inner = divmod(block, config.blocks_in_group)
                pairs.append((theirs.format(block, group=group, inner=inner), None if ours is None else ours.format(block)))
        return pairs

    def to_ours(self, names: Iterable[str], config: TransformerConfig) -> Translation:
        """Sorts their tensor names into those we have a place for, those we know and drop, and those nobody knows."""
        table: dict[str, str | None] = dict(self.pairs(config))
        ours: dict[str, str] = {}
        dropped: list[str] = []
        unknown: list[str] = []
        for name in names:
            full = self._spelled_today(name)
            full = full if full in table else self.base_prefix + full
            if not self.names:
                ours[name] = name
            elif full not in table:
                unknown.append(name)
            elif (target := table[full]) is None:
                dropped.append(name)
            else:
                ours[name] = target
        return Translation(ours, dropped, unknown)

    def _spelled_today(self, name: str) -> str:
        for old, new in self.old_spellings.items():
            name = name.replace(old, new)
        return name

    def to_theirs(self, names: Iterable[str], config: TransformerConfig) -> dict[str, str]:
        """Our tensor names to theirs: {ours: theirs}.

        Raises:
            KeyError: a tensor of ours that the table does not name (a mistake in the table).
        """
        if not self.names:
            return {name: name for name in names}
        table = {ours: theirs for theirs, ours in self.pairs(config) if ours is not None}
        return {name: table[name] for name in names}
