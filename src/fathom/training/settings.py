"""Every number of a training run, with its unit. Recipes and command-line flags fill this and nothing else."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

KEEPING = frozenset({"checkpoint_minutes", "keep_newest", "keep_every"})  # what stays on disk: changes no number of a run


class TrainingSettings(BaseModel):
    """How the one training loop runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(default=3, ge=1, description="passes over the training texts")
    updates: int | None = Field(default=None, ge=1, description="stop after so many updates, if the epochs have more")
    batch_tokens: int = Field(default=4096, ge=8, description="tokens in a batch, padding included")
    batch_rows: int | None = Field(default=32, ge=1, description="texts in a batch at most")
    accumulate: int = Field(
        default=1,
        ge=1,
        description="batches that make one update, over all processes of the run, which share them: on any number of processes "
        "that divides it, the run is the same",
    )
    batch_warmup: float = Field(
        default=0.0, ge=0, le=1, description="share of the batches over which an update grows from 1 batch to `accumulate`"
    )
    optimizer: Literal["adamw", "muon"] = Field(
        default="adamw", description="muon: for the matrices inside the blocks, with AdamW for the rest"
    )
    learning_rate: float = Field(default=1e-4, gt=0, description="highest rate, reached after warm-up")
    matrix_learning_rate: float | None = Field(
        default=None, gt=0, description="of the matrices that muon moves; None: the same as of everything else"
    )
    beta2: float = Field(
        default=0.999,
        ge=0,
        lt=1,
        description="share of AdamW's running square of the gradient that an update keeps; a rare word moves its vector by 32 "
        "times the rate each time it comes with torch's 0.999, by 6 times with 0.9",
    )
    schedule: Literal["linear", "wsd", "constant"] = Field(
        default="linear", description="after warm-up: down to 0, stable then down (wsd), or constant"
    )
    warmup: float = Field(default=0.06, ge=0, lt=1, description="share of the updates that warm up")
    decay: float = Field(default=0.2, gt=0, le=1, description="share of the updates that cool down (wsd only)")
    weight_decay: float = Field(
        default=0.01, ge=0, description="share of a weight lost in each update, over the rate; never on norms and biases"
    )
    layer_decay: float = Field(default=1.0, gt=0, le=1, description="rate of a block over that of the block above it")
    freeze_embeddings: bool = Field(default=False, description="leave the embeddings as they are")
    clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="share of the target spread over all labels")
    evaluations: int = Field(default=1, ge=1, description="evaluations on the dev part in each epoch")
    patience: int | None = Field(default=None, ge=1, description="stop after so many evaluations without a better one")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto: bfloat16 where the processor is fast at it, float32 elsewhere"
    )
    compile: bool = Field(
        default=False,
        description="compile the blocks for the device (torch.compile): minutes at the start, then faster updates; "
        "dropout falls otherwise",
    )
    sharding: Literal["none", "fsdp"] = Field(
        default="none",
        description="with several processes: each holds the whole model, or (fsdp) a part of it; the numbers are the same",
    )
    checkpoint_activations: bool = Field(
        default=False,
        description="compute blocks again for the gradient instead of keeping what they made: less memory, more time",
    )
    checkpoint_minutes: float = Field(default=5.0, gt=0, description="minutes between checkpoints")
    keep_newest: int = Field(default=2, ge=1, description="checkpoints to resume from that stay; each holds the best weights")
    keep_every: int | None = Field(
        default=None, ge=1, description="updates after which the model is kept for good, as a folder in OUTPUT.steps"
    )
    seed: int = Field(default=0, ge=0, description="decides fresh weights, dropout and the order of the texts")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.matrix_learning_rate is not None and self.optimizer != "muon":
            raise ValueError(f"matrix_learning_rate is for the optimizer muon, but optimizer is {self.optimizer!r}")
        return self
