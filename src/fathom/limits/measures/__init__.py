"""What an audit measures, in this order. To add a measure: a file here with a `MEASURING`, and its line in `MEASURINGS`."""

from fathom.limits.context import Measuring
from fathom.limits.measures import abstention, accuracy, calibration, faithfulness, memorisation, selective

MEASURINGS: tuple[Measuring, ...] = (
    accuracy.MEASURING,
    calibration.MEASURING,
    selective.MEASURING,
    abstention.MEASURING,
    faithfulness.MEASURING,
    memorisation.MEASURING,
)
