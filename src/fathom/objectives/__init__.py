"""Batch and model in, loss out; one file an objective, and none of them decides anything about optimisation."""

from fathom.objectives.classification import Classification
from fathom.objectives.objective import Objective

__all__ = ["Classification", "Objective"]
