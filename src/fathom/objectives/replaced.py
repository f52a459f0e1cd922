"""Replaced-token detection (Clark et al. 2020, 2003.10555, section 2): which tokens did a small model put in?

    the film was great ─hide─► the [MASK] was great ─generator─► the plot was great ─detector─► kept replaced kept kept

The generator learns to fill in hidden tokens; the detector learns from every token, not from the hidden ones alone. They
share one table of tokens and nothing else; no gradient goes from the detector through what was drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from fathom.data import Batch
from fathom.model import LanguageModel, ReplacedTokenDetector, Transformer, TransformerConfig
from fathom.model.heads import VocabularyHead
from fathom.model.transformer import initialise
from fathom.objectives.answers import SCORES, Answers, Question, positions_of, real_tokens, score
from fathom.objectives.masked import MaskedLanguage


class GeneratorAndDetector(nn.Module):
    """The two models that are trained together. The detector is the result; it holds the table of tokens.

    Args:
        detector: its configuration.
        generator: another one with the same vocabulary and the same width of token vectors, such as `generator_config` makes.

    Raises:
        ValueError: vocabularies or widths of token vectors differ.
    """

    def __init__(self, detector: TransformerConfig, generator: TransformerConfig) -> None:
        super().__init__()
        tables = [(config.vocab_size, config.embedding_width or config.width) for config in (detector, generator)]
        if tables[0] != tables[1]:
            raise ValueError(f"the detector's token table is {tables[0]}, the generator's {tables[1]}; expected the same shape")
        self.detector = ReplacedTokenDetector(detector)
        self.generator = Transformer(generator, with_tokens=False)
        self.output = VocabularyHead(generator)
        initialise(self.output, generator.initializer_range)

    def generate(self, batch: Batch) -> Tensor:
        """(B, L, D) final states of the generator."""
        states: Tensor = self.generator(
            batch.token_ids,
            batch.padding_mask,
            batch.segment_ids,
            position_ids=positions_of(batch, self.generator.config),
            documents=batch.documents,
            token_vectors=nn.functional.embedding(batch.token_ids, self.detector.transformer.token_table),
        )
        return states

    def logits(self, states: Tensor) -> Tensor:
        """(…, D) states of the generator -> (…, V)."""
        logits: Tensor = self.output(states, self.detector.transformer.token_table)
        return logits

    def detect(self, batch: Batch) -> Tensor:
        """(B, L) logits, above 0 where the detector takes a token for replaced."""
        logits: Tensor = self.detector(
            batch.token_ids,
            batch.padding_mask,
            batch.segment_ids,
            position_ids=positions_of(batch, self.detector.config),
            documents=batch.documents,
        )
        return logits

    def language_model(self) -> LanguageModel:
        """The generator as a model of its own, with a copy of the table of tokens."""
        model = LanguageModel(self.generator.config)
        held = {f"transformer.{name}": tensor for name, tensor in self.generator.state_dict().items()}
        held |= {f"output.{name}": tensor for name, tensor in self.output.state_dict().items()}
        held["transformer.embeddings.token.weight"] = self.detector.transformer.token_table.detach()
        model.load_state_dict(held)
        return model.train(self.training)


def generator_config(detector: TransformerConfig, share: float = 0.25) -> TransformerConfig:
    """A generator for a detector: as deep, but narrower (Clark et al. 2020, section 3.2).

    Args:
        share: of the detector's heads, of its width and of what is between its two maps.

    Raises:
        ValueError: not a share, or a detector without the map from its width to that of token vectors.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}, expected one above 0 and at most 1")
    heads = max(1, round(detector.heads * share))
    width = heads * detector.size_of_head
    tokens = detector.embedding_width or detector.width
    if width != tokens and not detector.output_transform:
        raise ValueError(f"output_transform is False, but states of width {width} meet token vectors of width {tokens}")
    return replace(
        detector,
        heads=heads,
        key_heads=None if detector.key_heads is None else math.gcd(heads, detector.key_heads),
        width=width,
        feed_forward_width=max(1, round(detector.feed_forward_width * share)),
        embedding_width=None if width == tokens else tokens,
    )


@dataclass(frozen=True)
class ReplacedTokens:
    """Generator's −log p(hidden token) + `weight` · detector's −log p(replaced or not), the latter over all real tokens.

    Args:
        masked: what the generator is asked; the paper hides every selected token: `MaskedLanguage(…, masked=1, random=0)`.
        weight: of the detector; its loss is small, since most of its answers are easy.
    """

    masked: MaskedLanguage
    weight: float = 50.0

    def losses(self, model: nn.Module, batch: Batch) -> Tensor:
        """(B,) losses in nats."""
        generated, detected = self.answers(model, batch)
        return generated.losses() + self.weight * detected.losses()

    def answers(self, model: nn.Module, batch: Batch, generator: torch.Generator | None = None) -> list[Answers]:
        """Of the generator about hidden tokens, and of the detector about all: 1 where the token is not the text's own."""
        assert isinstance(model, GeneratorAndDetector), type(model)
        question = self.masked.ask(batch, generator)
        states = model.generate(question.batch)[question.rows, question.columns]
        generated = score(question, states, model.logits, classes=model.generator.config.vocab_size)
        drawn = draw(model, states.detach(), torch.rand(len(states), generator=generator).to(states.device))
        exchanged = batch.token_ids.index_put((question.rows, question.columns), drawn)
        shown = replace(batch, token_ids=exchanged)
        rows, columns = real_tokens(batch).nonzero(as_tuple=True)
        right = (exchanged != batch.token_ids)[rows, columns]
        logits = model.detect(shown)[rows, columns].float()
        nats = binary_cross_entropy_with_logits(logits, right.float(), reduction="none")
        detected = Answers(Question("replaced", shown, rows, columns, right.long()), nats, (logits.detach() > 0).long())
        return [generated, detected]


@torch.no_grad()
def draw(model: GeneratorAndDetector, states: Tensor, uniform: Tensor) -> Tensor:
    """(N,) tokens from the generator's distribution: those where the cumulated probabilities pass `uniform`, (N,) in [0, 1).

    One number a token is drawn, so that a run is the same on every device and resumes exactly.
    """
    vocabulary = model.generator.config.vocab_size
    size = max(1, SCORES // vocabulary)
    drawn = []
    for part, chance in zip(torch.split(states, size), torch.split(uniform, size), strict=True):
        reached = model.logits(part).float().softmax(dim=-1).cumsum(dim=-1)
        drawn.append(torch.searchsorted(reached, chance[:, None] * reached[:, -1:], right=True)[:, 0].clamp(max=vocabulary - 1))
    return torch.cat(drawn)
