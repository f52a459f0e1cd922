"""The learning rate of each update, as a factor of the highest one: warm up, then

linear     straight down to 0
wsd        stable, then down to 0 over the last `decay` share (Hu et al. 2024, 2404.06395)
constant   stay
"""

from __future__ import annotations

from fathom.training.settings import TrainingSettings


def rate_factor(step: int, total: int, settings: TrainingSettings) -> float:
    """The factor for update `step` (0 is the first) of `total`: above 0 for every update, at most 1."""
    warmup = max(1, round(settings.warmup * total))
    if step < warmup and settings.warmup > 0:
        return (step + 1) / warmup
    remaining = total - step  # updates left, this one included
    if settings.schedule == "linear":
        return remaining / max(1, total - (warmup if settings.warmup > 0 else 0))
    if settings.schedule == "wsd":
        return min(1.0, remaining / max(1, round(settings.decay * total)))
    return 1.0
