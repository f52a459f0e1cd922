"""A model that writes behind a batch of prompts, one token a step; the same for every way to choose the token.

    decoder.start()               -> (prompts, V) logits of the first token
    decoder.step(tokens, rows)    -> (rows, V) logits of the next one; a row is a row of the step before, given one more token

Rows may be left out (they have ended), repeated (several samples of one prompt) and put in another order (beam search).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from torch import Tensor

from fathom.errors import ModelFolderError
from fathom.model import Cache, EncoderDecoder, LanguageModel
from fathom.model.precision import Precision, autocast

Finish = Literal["eos", "stop", "length"]  # an ending token, a stop string, no more tokens allowed


@dataclass(slots=True)
class Draft:
    """An answer to one prompt; it grows while it is written."""

    prompt_ids: list[int]
    token_ids: list[int] = field(default_factory=list)  # the ending token included
    log_probability: float = 0.0  # of all of `token_ids` together, in nats, by the model alone
    finish: Finish | None = None  # None: still being written
    seconds: float = 0.0  # since its batch began

    @property
    def both(self) -> list[int]:
        """Prompt and answer."""
        return self.prompt_ids + self.token_ids


@dataclass(frozen=True)
class Ending:
    """When an answer is over."""

    end_ids: frozenset[int] = frozenset()  # tokens that end it
    stops: Callable[[Draft], bool] | None = None  # whether it holds a stop string

    def of(self, answer: Draft, limit: int) -> Finish | None:
        """Why an answer that grew by its last token is over, or None."""
        if answer.token_ids[-1] in self.end_ids:
            return "eos"
        if self.stops is not None and self.stops(answer):
            return "stop"
        return "length" if len(answer.token_ids) >= limit else None


class Decoder(Protocol):
    """One batch being written."""

    never: Sequence[int]  # tokens that are not written, however likely

    def start(self) -> Tensor:
        """(prompts, vocabulary) float32 logits of the first token."""

    def step(self, token_ids: Sequence[int], rows: Sequence[int]) -> Tensor:
        """(rows, vocabulary) float32 logits of the token after `token_ids`.

        Args:
            token_ids: the newest token of each row.
            rows: which row of the last call each one continues.

        Raises:
            ModelFolderError: logits that are not numbers.
        """

    def history(self, answer: Draft) -> list[int]:
        """The tokens that a repetition penalty counts."""


class CausalDecoder:
    """A causal language model behind left-padded prompts: every row ends at the same place, and padding is not seen."""

    never: Sequence[int] = ()

    def __init__(self, model: LanguageModel, prompts: Sequence[Sequence[int]], *, precision: Precision = "float32") -> None:
        """`prompts`: token ids, at least one each."""
        self._model = model
        self._precision: Precision = precision
        self._device = next(model.parameters()).device
        self._prompts, padding = _padded(prompts, model.config.pad_id, self._device, left=True)
        self._padding = padding if bool(padding.any()) else None
        self._rows = len(prompts)
        self._cache = Cache(model.config)

    def start(self) -> Tensor:
        """Reads the prompts."""
        return self._logits(self._prompts)

    def step(self, token_ids: Sequence[int], rows: Sequence[int]) -> Tensor:
        """Reads one more token a row."""
        if list(rows) != list(range(self._rows)):
            chosen = torch.tensor(rows, device=self._device)
            self._cache.select(chosen)
            self._padding = None if self._padding is None else self._padding[chosen]
            self._rows = len(rows)
        tokens = torch.tensor(token_ids, device=self._device)[:, None]
        if self._padding is not None:
            self._padding = torch.cat([self._padding, torch.zeros_like(tokens, dtype=torch.bool)], dim=1)
        return self._logits(tokens)

    def history(self, answer: Draft) -> list[int]:
        """Prompt and answer."""
        return answer.both

    @torch.inference_mode()
    def _logits(self, token_ids: Tensor) -> Tensor:
        with autocast(self._precision, self._device):
            logits: Tensor = self._model(token_ids, self._padding, cache=self._cache, only_last=True)
        return _numbers(logits)


class TranslationDecoder:
    """An encoder-decoder, which writes one text from another; the prompts are the source texts."""

    def __init__(self, model: EncoderDecoder, prompts: Sequence[Sequence[int]], *, precision: Precision = "float32") -> None:
        """`prompts`: token ids, at least one each, with what the encoder expects around a text."""
        assert model.config.start_id is not None
        self.never: Sequence[int] = (model.config.pad_id,)
        self._start_id = model.config.start_id
        self._model = model
        self._precision: Precision = precision
        self._device = next(model.parameters()).device
        self._sources, padding = _padded(prompts, model.config.pad_id, self._device, left=False)
        self._padding = padding if bool(padding.any()) else None
        self._rows = len(prompts)
        self._cache = model.new_cache()

    def start(self) -> Tensor:
        """Reads the sources and the token that every answer starts from."""
        with torch.inference_mode(), autocast(self._precision, self._device):
            self._states = self._model.encode(self._sources, self._padding)
        return self._logits([self._start_id] * self._rows)

    def step(self, token_ids: Sequence[int], rows: Sequence[int]) -> Tensor:
        """Reads one more token a row."""
        if list(rows) != list(range(self._rows)):
            chosen = torch.tensor(rows, device=self._device)
            self._cache.select(chosen)
            self._states = self._states[chosen]
            self._padding = None if self._padding is None else self._padding[chosen]
            self._rows = len(rows)
        return self._logits(token_ids)

    def history(self, answer: Draft) -> list[int]:
        """The answer alone."""
        return answer.token_ids

    @torch.inference_mode()
    def _logits(self, token_ids: Sequence[int]) -> Tensor:
        tokens = torch.tensor(token_ids, device=self._device)[:, None]
        with autocast(self._precision, self._device):
            logits = self._model.decode(tokens, self._states, self._padding, cache=self._cache)
        return _numbers(logits)


def _padded(prompts: Sequence[Sequence[int]], pad_id: int, device: torch.device, *, left: bool) -> tuple[Tensor, Tensor]:
    """(prompts, longest) token ids and booleans, True where padding."""
    longest = max(map(len, prompts))
    rows = [list(ids) for ids in prompts]
    fill = [[pad_id] * (longest - len(ids)) for ids in prompts]
    ids = [pad + row if left else row + pad for row, pad in zip(rows, fill, strict=True)]
    lengths = torch.tensor([len(row) for row in rows], device=device)[:, None]
    places = torch.arange(longest, device=device)
    return torch.tensor(ids, device=device), places < longest - lengths if left else places >= lengths


def _numbers(logits: Tensor) -> Tensor:
    """(rows, 1, V) -> (rows, V) float32."""
    last = logits[:, -1].float()
    if bool(last.isnan().any()):
        raise ModelFolderError("the model's logits are not numbers", expected="finite weights", do="check model.safetensors")
    return last
