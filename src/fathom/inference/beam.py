"""Beam search: the answers with the highest score, followed side by side (Graves 2012, 1211.3711; Wu et al. 2016, 1609.08144).

    score of an answer = log-probability / length ** length_penalty

At each step the best continuations of all beams of a prompt are ranked together. Those that end among the best `beams` go to
the ended answers, of which the best `beams` are kept; the best `beams` that go on are the next beams. The ranks, the length
(the ending token included) and the three ways to stop are those of Hugging Face's `generate`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fathom.inference.decoding import Decoder, Draft, Ending
from fathom.inference.sampling import penalise_repetition, without
from fathom.inference.settings import GenerationSettings


@torch.inference_mode()
def beam_search(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    settings: GenerationSettings,
    ending: Ending,
) -> list[list[Draft]]:
    """For each prompt `settings.samples` answers, the best first.

    Args:
        decoder: of these prompts, not started.
        prompts: token ids.
        limits: tokens that an answer to each prompt may have at most.
    """
    started = time.perf_counter()
    searches = [_Search(list(prompt), limit, settings, ending) for prompt, limit in zip(prompts, limits, strict=True)]
    going = searches
    logits = decoder.start()
    while going:
        likely = logits.log_softmax(dim=-1)  # (beams of all searches, V)
        beams = [beam for search in going for beam in search.beams]
        histories = [decoder.history(beam.answer) for beam in beams]
        scores = without(penalise_repetition(likely, histories, settings.repetition_penalty), decoder.never)
        scores = scores + torch.tensor([beam.score for beam in beams], device=scores.device)[:, None]
        row = 0
        for search in going:
            rows = slice(row, row + len(search.beams))
            search.advance(scores[rows], likely[rows], row)
            row = rows.stop
            search.seconds = time.perf_counter() - started
        going = [search for search in going if search.open]
        beams = [beam for search in going for beam in search.beams]
        if beams:
            logits = decoder.step([beam.answer.token_ids[-1] for beam in beams], [beam.row for beam in beams])
    return [search.answers() for search in searches]


@dataclass(slots=True)
class _Beam:
    answer: Draft
    score: float  # sum of log-probabilities, after the repetition penalty
    row: int  # of the step that it came from


class _Search:
    """The beams of one prompt."""

    def __init__(self, prompt_ids: list[int], limit: int, settings: GenerationSettings, ending: Ending) -> None:
        self.beams = [_Beam(Draft(prompt_ids), 0.0, 0)]
        self.open = True
        self.seconds = 0.0
        self._ended: list[_Beam] = []
        self._limit, self._settings, self._ending = limit, settings, ending
        # each beam can end in as many ways as there are ending tokens, and `beams` shall be left that go on
        self._ranked = settings.beams * max(2, 1 + len(ending.end_ids))

    def advance(self, scores: Tensor, likely: Tensor, first_row: int) -> None:
        """One more token.

        Args:
            scores: (beams, V) what the score of each beam becomes with each token.
            likely: (beams, V) log-probabilities by the model alone.
            first_row: of the decoder's step, where the beams begin.
        """
        beams = self._settings.beams
        best = scores.flatten().topk(min(self._ranked, scores.numel()))
        chosen = zip(best.values.tolist(), likely.flatten()[best.indices].tolist(), best.indices.tolist(), strict=True)
        ranked = []
        for score, log_probability, place in chosen:
            parent, token = divmod(place, scores.shape[1])
            ranked.append(self._grown(self.beams[parent].answer, token, log_probability, score, first_row + parent))
        self.beams = [beam for beam in ranked if beam.answer.finish is None][:beams]
        counted = ranked[:beams] if self.beams else ranked  # where none goes on, all that ended count
        ended = [beam for beam in counted if beam.answer.finish is not None]
        self._ended = sorted(self._ended + ended, key=self._value, reverse=True)[:beams]
        self.open = self._may_improve()

    def answers(self) -> list[Draft]:
        """The best ended answers, as many as are asked for."""
        found = [beam.answer for beam in self._ended[: self._settings.samples]]
        return [replace(answer, seconds=self.seconds) for answer in found]

    def _grown(self, before: Draft, token: int, log_probability: float, score: float, row: int) -> _Beam:
        answer = Draft(before.prompt_ids, [*before.token_ids, token], before.log_probability + log_probability)
        answer.finish = self._ending.of(answer, self._limit)
        return _Beam(answer, score, row)

    def _value(self, beam: _Beam) -> float:
        return self._penalised(beam.score, len(beam.answer.token_ids))

    def _penalised(self, score: float, length: int) -> float:
        return score / math.pow(length, self._settings.length_penalty)

    def _may_improve(self) -> bool:
        """Whether an open beam could still push out the worst of the ended answers."""
        settings = self._settings
        if not self.beams or len(self._ended) < settings.beams:
            return bool(self.beams)
        if settings.early_stopping is True:
            return False
        length = len(self.beams[0].answer.token_ids)
        if settings.early_stopping == "never" and settings.length_penalty > 0:
            length = self._limit
        return self._penalised(self.beams[0].score, length) > self._value(self._ended[-1])
