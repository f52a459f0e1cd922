"""What a classifier should do, as tests that need no labelled text (CheckList, Ribeiro et al. 2020, 2005.04118)."""

from fathom.limits.behaviour.cases import BehaviourTest, Case, Expectation, Failures, failures_of
from fathom.limits.behaviour.suites import read_suite

__all__ = ["BehaviourTest", "Case", "Expectation", "Failures", "failures_of", "read_suite"]
