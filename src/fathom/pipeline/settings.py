"""What a fine-tuning run is, in one closed schema: recipes (YAML) and command-line flags both fill it.

data: imdb                    # a name, a path or hf:owner/name
model: minilm                 # a name, a folder, hf:owner/name, or scratch
training: {epochs: 2, learning_rate: 1.0e-4}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fathom.data import Columns
from fathom.errors import SettingsError
from fathom.families import FAMILIES
from fathom.families.family import shortest_pattern
from fathom.model import TransformerConfig
from fathom.model.config import TRAINING_ONLY
from fathom.training import TrainingSettings

SCRATCH = "scratch"
Settings = TypeVar("Settings", bound=BaseModel)


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnSettings(_Closed):
    """Which column of the data is what; a name that is not given is looked for."""

    text: str | None = None
    label: str | None = None
    pair: str | None = Field(default=None, description="the second text, for tasks on pairs")
    group: str | None = Field(default=None, description="rows of one group never stand in two parts")
    exclude: str | None = Field(default=None, description="a yes/no column; rows that say yes are left out")

    def columns(self) -> Columns:
        """As the readers take them."""
        return Columns(**self.model_dump())


class VocabularySettings(_Closed):
    """A vocabulary to learn from the training texts, for models from scratch."""

    kind: Literal["words", "wordpiece", "bpe", "unigram"] = "words"
    size: int = Field(default=25_000, ge=10, description="entries; for words, without the special ones")
    language: str = Field(default="en", description="how words are split (spaCy's code; zh through jieba)")
    lowercase: bool = True
    min_frequency: int | None = Field(default=None, ge=1, description="how often an entry must occur; None: the kind's own")
    folder: Path | None = Field(default=None, description="a vocabulary learned earlier; then nothing is learned")
    vectors: Path | None = Field(default=None, description="GloVe, fastText or word2vec text file for the embedding")


class ArchitectureSettings(_Closed):
    """The shape of a model from scratch; fields as in `fathom.model.TransformerConfig`."""

    family: str | None = Field(
        default=None, description="a published family (bert, modernbert, gpt2, …), whose library then loads the model as it is"
    )
    width: int = 128
    depth: int = 2
    heads: int = 4
    key_heads: int | None = Field(default=None, description="of keys and values; None: as many as of queries")
    feed_forward_width: int = 256
    embedding_width: int | None = Field(default=None, description="of token vectors, mapped to the width; None: the same")
    segments: int = Field(default=0, description="texts that an input can tell apart; 2 for tasks on pairs")
    groups: int | None = Field(default=None, description="of blocks that share their weights (ALBERT); None: nothing is shared")
    causal: bool = Field(default=False, description="nothing to the right is seen: a model that writes")
    pattern: str = Field(default="g", description="of the blocks: g sees everything, l what is near")
    window: int | None = Field(default=None, description="tokens that an l sees to either side")
    global_tokens: int = Field(default=0, description="first tokens of a text that see and are seen everywhere, in an l, too")
    random_blocks: int = Field(default=0, description="blocks of 64 tokens anywhere in the text that 64 tokens see in an l")
    activation: Literal["gelu", "gelu_tanh", "relu", "silu"] = "gelu"
    gated: bool = Field(default=False, description="a feed-forward part of three maps instead of two")
    norm: Literal["layer", "rms"] = "layer"
    norm_position: Literal["before", "after"] = "before"
    final_norm: bool = Field(default=True, description="norms before: one more behind the last block")
    positions: Literal["learned", "sinusoidal", "rotary", "relative", "none"] = "learned"
    pooling: Literal["first", "mean", "last"] = "mean"
    pooler: bool = False

    def config(self, *, vocab_size: int, pad_id: int, max_length: int, **training: float) -> TransformerConfig:
        """The configuration of a fresh model.

        Args:
            training: probabilities of dropout, as `DropoutSettings.fields` names them.

        Raises:
            SettingsError: no such family, a number out of range, or a field that the family does not have so.
        """
        sizes = {"vocab_size": vocab_size, "pad_id": pad_id, "max_length": max_length, "norm_eps": 1e-5}
        chosen = self.model_dump(exclude={"family"})
        if self.family is not None:
            known = [name for name, family in FAMILIES.items() if family.heads.keys() - {"translation"}]
            if self.family not in known:
                raise SettingsError(f"there is no family {self.family!r}", expected=f"one of {', '.join(known)}")
            named = self.model_dump(exclude={"family"}, exclude_unset=True)
            common = FAMILIES[self.family].constants
            chosen = {name: value for name, value in chosen.items() if name not in common} | _USUAL.get(self.family, {}) | named
            chosen = {**sizes, **common, **chosen}
        chosen["pattern"] = shortest_pattern((chosen["pattern"] * self.depth)[: self.depth]) if self.pattern else ""
        try:
            config = TransformerConfig(**{**sizes, **chosen, **training})
        except ValueError as error:
            raise SettingsError(f"this architecture cannot be built: {error}") from error
        if self.family is not None and not (family := FAMILIES[self.family]).can_express(config):
            wrong = [n for n, v in family.constants.items() if getattr(config, n) != v and n not in TRAINING_ONLY]
            raise SettingsError(
                f"a {self.family!r} model is not like this: {', '.join(f'{n} is {getattr(config, n)!r}' for n in wrong)}",
                expected=", ".join(f"{n} {family.constants[n]!r}" for n in wrong) or "fields of that family",
            )
        return config


# what a family's keys carry and its published members have in common
_USUAL: dict[str, dict[str, Any]] = {
    "bert": {"segments": 2},
    "electra": {"segments": 2},
    "albert": {"segments": 2, "groups": 1, "embedding_width": 128},
    "roberta": {"segments": 1},
    "gpt2": {"activation": "gelu_tanh"},
    "gpt_neo": {"activation": "gelu_tanh", "pattern": "gl", "window": 255},
    "llama": {"activation": "silu", "attention_bias": False, "attention_output_bias": False, "feed_forward_bias": False},
    "modernbert": {
        **{"pattern": "gll", "window": 64, "rotary_base": 160_000.0, "rotary_local_base": 10_000.0, "norm_bias": False},
        **{"attention_bias": False, "attention_output_bias": False, "feed_forward_bias": False, "head_bias": False},
        **{"pooler_activation": "gelu", "output_activation": "gelu", "pooling": "mean"},
    },
}


class DropoutSettings(_Closed):
    """Probabilities of dropping something while training. None: what the model's own configuration says."""

    hidden: float | None = None
    attention: float | None = Field(default=0.0, description="above 0, attention takes a slower kernel on CPUs")
    classifier: float | None = None
    token: float | None = Field(default=None, description="of whole tokens, which are then not read; models from scratch only")

    def fields(self) -> dict[str, float]:
        """As `TransformerConfig` names them, without those that are not set."""
        named = {"dropout": self.hidden, "attention_dropout": self.attention}
        named |= {"classifier_dropout": self.classifier, "token_dropout": self.token}
        return {name: value for name, value in named.items() if value is not None}


class FinetuneSettings(_Closed):
    """One fine-tuning run, from data to model folder."""

    data: str | None = Field(default=None, description="a name, a path or hf:owner/name")
    columns: ColumnSettings = ColumnSettings()
    model: str = Field(default="minilm", description="a name, a folder, hf:owner/name, or scratch")
    allow_new_head: bool = Field(default=False, description="replace a classification head that has other labels")
    vocabulary: VocabularySettings | None = Field(default=None, description="models from scratch only")
    architecture: ArchitectureSettings | None = Field(default=None, description="models from scratch only")
    max_length: int = Field(default=256, ge=4, description="tokens that the model reads at once")
    long_text: Literal["head", "head+tail", "windows"] = Field(
        default="head", description="what of a longer text is read: its start, start and end, or all of it in windows"
    )
    stride: int = Field(default=64, ge=0, description="tokens that neighbouring windows share")
    markup: bool = Field(default=True, description="false: HTML tags count as blanks, in training and ever after")
    dev_fraction: float = Field(default=0.1, gt=0, lt=0.5, description="share of the data kept for choosing and calibrating")
    canaries: int = Field(
        default=0, ge=0, le=1000, description="random texts with random labels to plant, so that memory can be measured"
    )
    dropout: DropoutSettings = DropoutSettings()
    training: TrainingSettings = TrainingSettings()

    @model_validator(mode="after")
    def _consistent(self) -> FinetuneSettings:
        if self.model != SCRATCH and (self.vocabulary is not None or self.architecture is not None):
            raise ValueError(f"vocabulary and architecture describe a model from scratch, but model is {self.model!r}")
        if self.long_text == "windows" and self.stride >= self.max_length // 2:
            raise ValueError(f"stride {self.stride} must be less than half of max_length {self.max_length}")
        return self


class StageSettings(_Closed):
    """A part of a pre-training run with rows of one length."""

    length: int = Field(ge=8, description="tokens in a row")
    share: float = Field(gt=0, le=1, description="of the documents of all epochs")


class PretrainSettings(_Closed):
    """One pre-training run, from documents to model folder."""

    data: str | None = Field(default=None, description="a name, a path or hf:owner/name; one document a row")
    split: str | None = Field(default=None, description="which part of the data")
    columns: ColumnSettings = ColumnSettings()
    model: str = Field(default=SCRATCH, description="a name, a folder, hf:owner/name, or scratch")
    vocabulary: VocabularySettings | None = Field(default=None, description="models from scratch only")
    architecture: ArchitectureSettings | None = Field(default=None, description="models from scratch only")
    objective: Literal["masked", "masked+next", "masked+order", "causal", "permutation", "replaced"] = Field(
        default="masked",
        description="hidden tokens; with next sentence (BERT) or sentence order (ALBERT); the next token; tokens in any order "
        "(XLNet); replaced tokens (ELECTRA)",
    )
    mask_rate: float = Field(default=0.15, gt=0, lt=1, description="share of the tokens that are hidden")
    predicted: int = Field(
        default=6, ge=1, description="one of so many tokens of a row is predicted (permutation only); 1: all of them"
    )
    memory: int = Field(default=0, ge=0, description="tokens of earlier rows that a row sees (permutation only); 0: none")
    whole_words: bool = Field(default=False, description="hide words, not tokens; Chinese ones as jieba finds them")
    max_length: int = Field(default=128, ge=8, description="tokens in a row")
    curriculum: tuple[StageSettings, ...] = Field(
        default=(), description="rows of other lengths first, such as [{length: 128, share: 0.9}, {length: 512, share: 0.1}]"
    )
    language: str = Field(default="en", description="how sentences and words are found (spaCy's code; zh)")
    markup: bool = Field(default=True, description="false: HTML tags count as blanks, in training and ever after")
    held_out: float = Field(default=0.01, gt=0, lt=0.5, description="share of the documents that are only measured on")
    against: str | None = Field(default=None, description="DATA whose texts are looked for in the corpus before training")
    dropout: DropoutSettings = DropoutSettings()
    training: TrainingSettings = TrainingSettings(epochs=1, learning_rate=5e-4, batch_rows=None, weight_decay=0.01)

    @model_validator(mode="after")
    def _consistent(self) -> PretrainSettings:
        if self.model != SCRATCH and (self.vocabulary is not None or self.architecture is not None):
            raise ValueError(f"vocabulary and architecture describe a model from scratch, but model is {self.model!r}")
        if self.dropout.token is not None:
            raise ValueError(f"dropout.token is {self.dropout.token}: whole tokens are dropped in fine-tuning only")
        if self.memory and self.objective != "permutation":
            raise ValueError(f"memory is {self.memory}, but the objective is {self.objective!r}; only permutation has one")
        if self.predicted != 6 and self.objective != "permutation":
            raise ValueError(f"predicted is {self.predicted}, but the objective is {self.objective!r}: only for permutation")
        if self.curriculum:
            self._check_curriculum()
        return self

    def _check_curriculum(self) -> None:
        if self.memory or self.objective in ("masked+next", "masked+order"):
            raise ValueError("a curriculum is for rows of packed documents; pairs and memory have one length")
        shares, lengths = [stage.share for stage in self.curriculum], [stage.length for stage in self.curriculum]
        if abs(sum(shares) - 1) > 1e-6:
            raise ValueError(f"the shares of the curriculum, {shares}, do not add up to 1")
        if max(lengths) != self.max_length:
            raise ValueError(
                f"the longest rows of the curriculum have {max(lengths)} tokens, but max_length is {self.max_length}"
            )
        if self.training.updates is not None:
            raise ValueError("training.updates would cut the curriculum short; say with training.epochs how long the run is")


def read_settings(
    schema: type[Settings], recipe: Path | None, overrides: Mapping[str, Any], assignments: Sequence[str] = ()
) -> Settings:
    """A recipe, then flags, then `key.sub=value` assignments, each over the one before.

    Args:
        schema: what is run.
        recipe: a YAML file, or None.
        overrides: nested values by name; those that are None are left out.
        assignments: texts such as "training.epochs=2", the value in YAML.

    Raises:
        SettingsError: no such file, not YAML, an unknown key or a value out of range; all complaints at once.
    """
    values: dict[str, Any] = {} if recipe is None else _read_yaml(recipe)
    _merge(values, overrides)
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        if not separator:
            raise SettingsError(f"--set {assignment}", expected="name=value, such as training.epochs=2")
        nested: Any = yaml.safe_load(text)
        for name in reversed(path.split(".")):
            nested = {name: nested}
        _merge(values, nested)
    return _validated(schema, values, "the names and ranges that the verb's --help and recipes/ show")


def validate_settings(values: Mapping[str, Any]) -> FinetuneSettings:
    """Nested names and values as settings of a fine-tuning run.

    Raises:
        SettingsError: an unknown key or a value out of range; all complaints at once.
    """
    return _validated(FinetuneSettings, values, "the names and ranges that `fathom finetune --help` and recipes/ show")


def read_vocabulary_settings(values: Mapping[str, Any]) -> VocabularySettings:
    """Names and values as settings; errors as for `validate_settings`."""
    return _validated(VocabularySettings, values, "the names and ranges that `fathom tokenizer --help` shows")


def _validated(schema: type[Settings], values: Mapping[str, Any], expected: str) -> Settings:
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        complaints = [
            f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']} (given: {e['input']!r})" for e in error.errors()
        ]
        raise SettingsError(
            "these settings cannot be used:\n    " + "\n    ".join(complaint[:300] for complaint in complaints),
            expected=expected,
        ) from error


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"the recipe {path} cannot be read: {error}", expected="a YAML file") from error
    if not isinstance(values, dict):
        raise SettingsError(f"the recipe {path} holds a {type(values).__name__}", expected="names and values")
    return values


def _merge(values: dict[str, Any], over: Mapping[str, Any]) -> None:
    for name, value in over.items():
        if isinstance(value, Mapping):
            inner = values.setdefault(name, {})
            if not isinstance(inner, dict):
                inner = values[name] = {}
            _merge(inner, value)
            if not inner:
                del values[name]
        elif value is not None:
            values[name] = value
