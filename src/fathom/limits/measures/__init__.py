"""What an audit measures, in this order. To add a measure: a file here with a `MEASURING`, and its line in `MEASURINGS`."""

from fathom.limits.context import Measuring
from fathom.limits.measures import (
    abstention,
    accuracy,
    attacks,
    behaviour,
    calibration,
    cost,
    drift,
    faithfulness,
    groups,
    leakage,
    length,
    memorisation,
    noise,
    out_of_domain,
    pairs,
    selective,
    shortcuts,
)

MEASURINGS: tuple[Measuring, ...] = (
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
