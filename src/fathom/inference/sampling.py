"""One token for each row of logits: penalise what was said before, restrict to what is likely, draw.

    logits ──repetition penalty──► ──temperature──► ──top-k──► ──top-p──► ──min-p──► ──draw──► token

The order is the one in common use; at temperature 0 the likeliest token is taken after the penalty.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import torch
from torch import Tensor

from fathom.inference.settings import GenerationSettings


@torch.inference_mode()
def choose_tokens(
    logits: Tensor,
    histories: Sequence[Sequence[int]],
    settings: GenerationSettings,
    generators: Sequence[torch.Generator],
    *,
    never: Sequence[int] = (),
) -> tuple[list[int], list[float]]:
    """One token a row, and its log-probability by the model alone: before penalty, temperature and restrictions.

    Args:
        logits: (rows, vocabulary) float32.
        histories: of each row the tokens that a repetition penalty counts.
        generators: one a row, on the processor; used where the settings sample.
        never: tokens that are not chosen.
    """
    scores = without(penalise_repetition(logits, histories, settings.repetition_penalty), never)
    tokens = draw(restrict(scores, settings), generators) if settings.sampled else scores.argmax(dim=-1)
    log_probabilities = logits.log_softmax(dim=-1).gather(1, tokens[:, None])[:, 0]
    return tokens.tolist(), log_probabilities.tolist()


def penalise_repetition(scores: Tensor, histories: Sequence[Sequence[int]], penalty: float) -> Tensor:
    """Scores of tokens seen before: divided by the penalty if positive, multiplied if negative.

    Keskar et al. 2019 (1909.05858, section 4.1) divide; multiplying negative scores keeps the direction the same.

    Args:
        scores: (rows, vocabulary) logits or log-probabilities; not changed.
        histories: the tokens of each row so far.
    """
    if penalty == 1:
        return scores
    penalised = scores.clone()
    for row, history in enumerate(histories):
        seen = torch.tensor(sorted(set(history)), dtype=torch.int64, device=scores.device)
        values = scores[row, seen]
        penalised[row, seen] = torch.where(values > 0, values / penalty, values * penalty)
    return penalised


def without(scores: Tensor, never: Sequence[int]) -> Tensor:
    """(rows, vocabulary) scores, minus infinity for some tokens."""
    if not never:
        return scores
    return scores.index_fill(1, torch.tensor(never, device=scores.device), float("-inf"))


def restrict(scores: Tensor, settings: GenerationSettings) -> Tensor:
    """(rows, vocabulary) scores over the temperature, minus infinity where a token may not be drawn; at least one may.

    top-k: the k highest scores, and those equal to the k-th (Fan et al. 2018, 1805.04833).
    top-p: the fewest likely tokens whose probabilities sum to at least p (Holtzman et al. 2020, 1904.09751).
    min-p: tokens at least p times as probable as the most probable one (Nguyen et al. 2024, 2407.01082).
    """
    scores = (scores - scores.amax(dim=-1, keepdim=True)) / settings.temperature  # the largest is 0: no overflow
    if settings.top_k is not None and settings.top_k < scores.shape[-1]:
        lowest = scores.topk(settings.top_k, dim=-1).values[:, -1:]
        scores = scores.masked_fill(scores < lowest, float("-inf"))
    if settings.top_p is not None and settings.top_p < 1:
        ordered, order = scores.sort(dim=-1)  # the least likely first: small numbers are summed before large ones
        tail = ordered.softmax(dim=-1).cumsum(dim=-1)  # of a token and all that are less likely
        unlikely = tail <= 1 - settings.top_p
        unlikely[:, -1] = False
        scores = scores.masked_fill(torch.zeros_like(unlikely).scatter(1, order, unlikely), float("-inf"))
    if settings.min_p is not None:
        probabilities = scores.softmax(dim=-1)
        lowest = settings.min_p * probabilities.amax(dim=-1, keepdim=True)
        scores = scores.masked_fill(probabilities < lowest, float("-inf"))
    return scores


def draw(scores: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """(rows,) tokens drawn with probability softmax(scores), each row with its own generator.

    A number from 0 to 1 is looked up in the cumulative distribution, in float64 and on the processor, so that neither
    other rows nor the device change what is drawn.
    """
    uniform = torch.cat([torch.rand(1, generator=generator, dtype=torch.float64) for generator in generators])
    cumulative = scores.cpu().double().softmax(dim=-1).cumsum(dim=-1)
    wanted = uniform[:, None] * cumulative[:, -1:]  # stays below the last entry
    return torch.searchsorted(cumulative, wanted, right=True)[:, 0].to(scores.device)


def generator_for(seed: int, sample: int, prompt_ids: Sequence[int]) -> torch.Generator:
    """The random numbers of one answer: from the seed, its number among the samples and the prompt itself.

    So an answer does not depend on what else is asked, and different prompts do not share their numbers.
    """
    told = json.dumps([seed, sample, list(prompt_ids)]).encode()
    return torch.Generator().manual_seed(int.from_bytes(hashlib.blake2b(told, digest_size=4).digest()))
