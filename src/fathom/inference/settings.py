"""Every number that decides how a model writes, with its range. Flags and keyword arguments fill this and nothing else.

GenerationSettings()                                 greedy: the likeliest token each time
GenerationSettings(temperature=0.8, top_p=0.95)      sampled
GenerationSettings(beams=4, length_penalty=0.6)      beam search
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

StopString = Annotated[str, Field(min_length=1)]


class GenerationSettings(BaseModel):
    """How answers are written. Greedy is the default, and the same as temperature 0."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    max_new_tokens: int | None = Field(
        default=None, ge=1, description="tokens to write at most; None: 256, or what the model has room for"
    )
    temperature: float = Field(
        default=0.0, ge=0, description="logits are divided by it before a token is drawn; 0: the likeliest token, no draw"
    )
    top_k: int | None = Field(default=None, ge=1, description="draw among the k likeliest tokens (Fan et al. 2018)")
    top_p: float | None = Field(
        default=None, gt=0, le=1, description="draw among the likeliest tokens that make up this share (Holtzman et al. 2020)"
    )
    min_p: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="draw among tokens at least this likely, over the likeliest one (Nguyen et al. 2024)",
    )
    repetition_penalty: float = Field(
        default=1.0, gt=0, description="above 1, tokens that stand in prompt or answer become less likely (Keskar et al. 2019)"
    )
    beams: int = Field(default=1, ge=1, description="answers that a beam search follows side by side; 1: no search")
    length_penalty: float = Field(
        default=1.0,
        ge=-10,
        le=10,
        description="a beam's score is its log-probability over its length to this power; above 0 favours long",
    )
    early_stopping: bool | Literal["never"] = Field(
        default=False,
        description="a beam search ends: True, with as many answers as beams; False, once the best open beam scores no better"
        " at its length; never, once it could not at any length",
    )
    samples: int = Field(default=1, ge=1, description="answers to each prompt")
    stop: tuple[StopString, ...] = Field(default=(), description="texts that end the answer; it is cut before them")
    cut_prompt: bool = Field(default=False, description="leave out the start of a prompt that leaves no room for an answer")
    seed: int = Field(default=0, ge=0, description="decides what is drawn: same seed and prompt, same answer")

    @property
    def sampled(self) -> bool:
        """Whether tokens are drawn."""
        return self.temperature > 0

    @model_validator(mode="after")
    def _agree(self) -> Self:
        restricting = [name for name in ("top_k", "top_p", "min_p") if getattr(self, name) is not None]
        if restricting and not self.sampled:
            raise ValueError(f"{', '.join(restricting)} restrict what is drawn, but nothing is: set a temperature above 0")
        if self.beams > 1 and self.sampled:
            raise ValueError(f"{self.beams} beams search, temperature {self.temperature:g} draws: choose one of them")
        if self.beams == 1 and (self.length_penalty != 1 or self.early_stopping is not False):
            raise ValueError("length_penalty and early_stopping belong to a beam search: set beams above 1")
        if self.samples > 1 and not self.sampled and self.samples > self.beams:
            raise ValueError(
                f"{self.samples} samples need a temperature above 0 or as many beams: greedy answers are all the same"
            )
        return self
