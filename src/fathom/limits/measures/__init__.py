"""What an audit measures, in this order. To add a measure: a file here with a `MEASURING`, and its line in `MEASURINGS`, or in
`CAUSAL_MEASURINGS` for models that write.
"""

from fathom.limits.context import Context, Measuring
from fathom.limits.measures import (
    abstention,
    accuracy,
    attacks,
    behaviour,
    calibration,
    closed_book,
    cost,
    drift,
    effective_context,
    extraction,
    faithfulness,
    groups,
    leakage,
    length,
    memorisation,
    multiple_choice,
    noise,
    out_of_domain,
    pairs,
    selective,
    semantic_entropy,
    shortcuts,
)
from fathom.limits.writing.context import CausalContext

MEASURINGS: tuple[Measuring[Context], ...] = (
    accuracy.MEASURING,
    calibration.MEASURING,
    selective.MEASURING,
    abstention.MEASURING,
    behaviour.MEASURING,
    noise.MEASURING,
    pairs.MEASURING,
    attacks.MEASURING,
    length.MEASURING,
    groups.MEASURING,
    shortcuts.MEASURING,
    out_of_domain.MEASURING,
    drift.MEASURING,
    leakage.MEASURING,
    cost.MEASURING,
    faithfulness.MEASURING,
    memorisation.MEASURING,
)

# of a model that writes
CAUSAL_MEASURINGS: tuple[Measuring[CausalContext], ...] = (
    closed_book.MEASURING,
    multiple_choice.MEASURING,
    semantic_entropy.MEASURING,
    effective_context.MEASURING,
    extraction.MEASURING,
)
