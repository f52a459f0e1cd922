"""Batch and model in, loss out; one file an objective, and none of them decides anything about optimisation."""

from fathom.objectives.answers import Answers, OnePass, Question
from fathom.objectives.causal import CausalLanguage
from fathom.objectives.classification import Classification
from fathom.objectives.held_out import HeldOut, TokenCounts, measure
from fathom.objectives.masked import MaskedLanguage
from fathom.objectives.mixture import Mixture
from fathom.objectives.next_sentence import NextSentence
from fathom.objectives.objective import Objective, Remembering, memory_aside
from fathom.objectives.permutation import PermutationLanguage
from fathom.objectives.replaced import GeneratorAndDetector, ReplacedTokens, generator_config
from fathom.objectives.sentence_order import SentenceOrder

__all__ = [
    "Answers",
    "CausalLanguage",
    "Classification",
    "GeneratorAndDetector",
    "HeldOut",
    "MaskedLanguage",
    "Mixture",
    "NextSentence",
    "Objective",
    "OnePass",
    "PermutationLanguage",
    "Question",
    "Remembering",
    "ReplacedTokens",
    "SentenceOrder",
    "TokenCounts",
    "generator_config",
    "measure",
    "memory_aside",
]
