"""What stands on a Transformer: one head a task, each a whole model that turns token ids into scores.

sequence     one class a text                 SequenceClassifier
token        one class a token                TokenClassifier
span         where an answer starts and ends  SpanExtractor
masked       a token for each hidden place    LanguageModel
causal       the next token                   LanguageModel
pretraining  hidden tokens, and whether two texts belong together (BERT) or are in order (ALBERT)
PretrainingModel
replaced     which tokens were exchanged      ReplacedTokenDetector
translation  a text from another text         EncoderDecoder
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from fathom.model.cache import Cache
from fathom.model.config import Activation, TransformerConfig
from fathom.model.dropout import Dropout
from fathom.model.encoder_decoder import EncoderDecoder
from fathom.model.feed_forward import ACTIVATIONS
from fathom.model.norms import make_norm
from fathom.model.positions import token_positions
from fathom.model.transformer import Transformer, initialise

Task = Literal["sequence", "token", "span", "masked", "causal", "pretraining", "replaced", "translation"]


class DenseLayer(nn.Module):
    """A linear map, an activation and, if asked, a norm: what several heads do first. (…, D) -> (…, E)."""

    def __init__(self, config: TransformerConfig, width: int, activation: Activation, *, norm: bool) -> None:
        super().__init__()
        self.dense = nn.Linear(config.width, width, config.head_bias)
        self.activation = ACTIVATIONS[activation]
        self.norm = make_norm(config, width) if norm else nn.Identity()

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, D) -> (…, E)."""
        output: Tensor = self.norm(self.activation(self.dense(hidden)))
        return output


class Pooler(nn.Module):
    """One vector a text: the first or last token's state or the mean over real tokens, then a dense layer if asked."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.pooling = config.pooling
        self.layer = _pooler_layer(config) if config.pooler else nn.Identity()

    def forward(self, hidden: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """(B, L, D) -> (B, D); where the first token is pooled, L may be 1."""
        pooled: Tensor = self.layer(self._one_a_text(hidden, padding_mask))
        return pooled

    def _one_a_text(self, hidden: Tensor, padding_mask: Tensor | None) -> Tensor:
        if self.pooling == "first":
            return hidden[:, 0]
        if padding_mask is None:
            return hidden[:, -1] if self.pooling == "last" else hidden.mean(dim=1)
        if self.pooling == "last":
            places = torch.arange(hidden.shape[1], device=hidden.device)
            last = places.masked_fill(padding_mask, 0).amax(dim=1)  # a row of padding alone gives its first state
            return hidden[torch.arange(len(hidden), device=hidden.device), last]
        real = (~padding_mask)[..., None].to(hidden.dtype)  # (B, L, 1)
        return (hidden * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)  # a row of padding alone gives 0, not NaN


class SequenceClassifier(nn.Module):
    """A class for each text. Forward: (B, L) token ids -> (B, classes) logits."""

    def __init__(self, config: TransformerConfig, classes: int) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.transformer = Transformer(config)
        self.pooler = Pooler(config)
        self.dropout = _head_dropout(config)
        self.classifier = nn.Linear(config.width, classes, config.classifier_bias)
        for part in (self.pooler, self.classifier):
            initialise(part, config.initializer_range)

    def forward(self, token_ids: Tensor, padding_mask: Tensor | None = None, segment_ids: Tensor | None = None) -> Tensor:
        """(B, L) token ids -> (B, classes) logits; arguments as for `Transformer.hidden_states`."""
        logits: Tensor = self.classifier(self.features(token_ids, padding_mask, segment_ids))
        return logits

    def features(self, token_ids: Tensor, padding_mask: Tensor | None = None, segment_ids: Tensor | None = None) -> Tensor:
        """(B, L) token ids -> (B, D), what the last linear map reads."""
        only_first = self.config.pooling == "first"
        position_ids = None
        if self.training and self.config.token_dropout > 0:
            position_ids = token_positions(self.config, token_ids, padding_mask).expand_as(token_ids)
            places, padding_mask = surviving_tokens(token_ids, padding_mask, self.config.token_dropout)
            token_ids, position_ids = token_ids.gather(1, places), position_ids.gather(1, places)
            segment_ids = None if segment_ids is None else segment_ids.gather(1, places)
        hidden = self.transformer(token_ids, padding_mask, segment_ids, position_ids=position_ids, only_first=only_first)
        read: Tensor = self.dropout(self.pooler(hidden, padding_mask))
        return read


def surviving_tokens(token_ids: Tensor, padding_mask: Tensor | None, dropped: float) -> tuple[Tensor, Tensor]:
    """Which tokens of each text are left when each one is dropped with a probability, all but the first: word dropout (Iyyer
    et al. 2015, section 2.2). What is dropped is not computed, so a step takes less time, too.

    Args:
        token_ids: (B, L).
        padding_mask: (B, L) booleans, True where padding.
        dropped: the probability.

    Returns:
        (B, K) the places of the tokens that are left, in their order, and (B, K) booleans, True where a text has fewer than
        K of them. K is a multiple of 16 or L: processors prepare their kernels anew for every shape.
    """
    length = token_ids.shape[1]
    left = torch.rand(token_ids.shape, device=token_ids.device) >= dropped
    left[:, 0] = True
    if padding_mask is not None:
        left &= ~padding_mask
    counts = left.sum(dim=1)
    longest = min(-(-int(counts.max()) // 16) * 16, length)
    places = (~left).to(torch.uint8).argsort(dim=1, stable=True)[:, :longest]
    return places, torch.arange(longest, device=token_ids.device) >= counts[:, None]


class TokenClassifier(nn.Module):
    """A class for each token. Forward: (B, L) token ids -> (B, L, classes) logits."""

    def __init__(self, config: TransformerConfig, classes: int) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        self.transformer = Transformer(config)
        self.pooler = TokenPooler(config)
        self.dropout = _head_dropout(config)
        self.classifier = nn.Linear(config.width, classes)
        for part in (self.pooler, self.classifier):
            initialise(part, config.initializer_range)

    def forward(self, token_ids: Tensor, padding_mask: Tensor | None = None, segment_ids: Tensor | None = None) -> Tensor:
        """(B, L) token ids -> (B, L, classes) logits; arguments as for `Transformer.hidden_states`."""
        hidden = self.transformer(token_ids, padding_mask, segment_ids)
        logits: Tensor = self.classifier(self.dropout(self.pooler(hidden)))
        return logits


class TokenPooler(nn.Module):
    """The pooler's dense layer at every token, in models that have it there (`pool_tokens`). (B, L, D) -> (B, L, D)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.layer = _pooler_layer(config) if config.pool_tokens and config.pooler else nn.Identity()

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D)."""
        output: Tensor = self.layer(hidden)
        return output


class SpanExtractor(nn.Module):
    """Where an answer starts and ends. Forward: (B, L) token ids -> (B, L, 2) logits, of starts and of ends."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.pooler = TokenPooler(config)
        self.span = nn.Linear(config.width, 2)
        for part in (self.pooler, self.span):
            initialise(part, config.initializer_range)

    def forward(self, token_ids: Tensor, padding_mask: Tensor | None = None, segment_ids: Tensor | None = None) -> Tensor:
        """(B, L) token ids -> (B, L, 2) logits; arguments as for `Transformer.hidden_states`."""
        logits: Tensor = self.span(self.pooler(self.transformer(token_ids, padding_mask, segment_ids)))
        return logits


class VocabularyHead(nn.Module):
    """Hidden states to one score for each token of the vocabulary. The map is the token embedding's, or one of its own."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width = config.embedding_width or config.width
        activation = config.output_activation or config.activation
        self.layer = DenseLayer(config, width, activation, norm=True) if config.output_transform else nn.Identity()
        self.weight = None if config.tied else nn.Parameter(torch.empty(config.vocab_size, width))
        self.bias = nn.Parameter(torch.zeros(config.vocab_size)) if config.output_bias else None
        if self.weight is not None:
            nn.init.normal_(self.weight, std=config.initializer_range)

    def forward(self, hidden: Tensor, token_table: Tensor) -> Tensor:
        """(…, D) states and the (V, E) table of token vectors -> (…, V) logits."""
        return linear(self.layer(hidden), token_table if self.weight is None else self.weight, self.bias)


class LanguageModel(nn.Module):
    """Scores for the vocabulary at every token: of the token that is hidden there or, in a causal model, of the next one.

    Forward: (B, L) token ids -> (B, L, V) logits.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.output = VocabularyHead(config)
        initialise(self.output, config.initializer_range)

    def forward(
        self,
        token_ids: Tensor,
        padding_mask: Tensor | None = None,
        segment_ids: Tensor | None = None,
        *,
        position_ids: Tensor | None = None,
        documents: Tensor | None = None,
        cache: Cache | None = None,
        memory: Sequence[Tensor] | None = None,
        only_last: bool = False,
    ) -> Tensor:
        """(B, L) token ids -> (B, L, V) logits.

        Args:
            only_last: of the last token alone, (B, 1, V).
            others: as for `Transformer.hidden_states`.
        """
        hidden = self.transformer(
            token_ids,
            padding_mask,
            segment_ids,
            position_ids=position_ids,
            documents=documents,
            cache=cache,
            memory=memory,
        )
        return self.logits(hidden[:, -1:] if only_last else hidden)

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, D) final states -> (…, V); for states that were computed another way, such as a query stream's."""
        logits: Tensor = self.output(hidden, self.transformer.token_table)
        return logits


class PretrainingModel(nn.Module):
    """Hidden tokens, and how two texts relate: the two heads that BERT and ALBERT are pre-trained with.

    Forward: (B, L) token ids -> (B, L, V) logits and (B, 2) logits. Of the latter, BERT's 0 says that the second text followed
    the first, ALBERT's 0 that the two are in their order.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.output = VocabularyHead(config)
        self.pooler = Pooler(config)
        self.dropout = Dropout(config.classifier_dropout or 0.0)
        self.relation = nn.Linear(config.width, 2)
        for part in (self.output, self.pooler, self.relation):
            initialise(part, config.initializer_range)

    def forward(
        self, token_ids: Tensor, padding_mask: Tensor | None = None, segment_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, L) token ids -> (B, L, V) and (B, 2) logits; arguments as for `Transformer.hidden_states`."""
        hidden = self.transformer(token_ids, padding_mask, segment_ids)
        return self.logits(hidden), self.relation_logits(hidden, padding_mask)

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, D) final states -> (…, V), of the hidden tokens."""
        logits: Tensor = self.output(hidden, self.transformer.token_table)
        return logits

    def relation_logits(self, hidden: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """(B, L, D) final states -> (B, 2), of how the two texts relate."""
        logits: Tensor = self.relation(self.dropout(self.pooler(hidden, padding_mask)))
        return logits


class ReplacedTokenDetector(nn.Module):
    """Which tokens were exchanged (Clark et al. 2020, section 2).

    Forward: (B, L) token ids -> (B, L) logits, above 0 where exchanged.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.transformer = Transformer(config)
        self.layer = DenseLayer(config, config.width, config.activation, norm=False)
        self.detector = nn.Linear(config.width, 1)
        for part in (self.layer, self.detector):
            initialise(part, config.initializer_range)

    def forward(
        self,
        token_ids: Tensor,
        padding_mask: Tensor | None = None,
        segment_ids: Tensor | None = None,
        *,
        position_ids: Tensor | None = None,
        documents: Tensor | None = None,
    ) -> Tensor:
        """(B, L) token ids -> (B, L) logits; arguments as for `Transformer.hidden_states`."""
        hidden = self.transformer(token_ids, padding_mask, segment_ids, position_ids=position_ids, documents=documents)
        logits: Tensor = self.detector(self.layer(hidden))
        return logits[..., 0]


Model = (
    SequenceClassifier
    | TokenClassifier
    | SpanExtractor
    | LanguageModel
    | PretrainingModel
    | ReplacedTokenDetector
    | EncoderDecoder
)
_CLASSIFIERS: dict[Task, type[SequenceClassifier] | type[TokenClassifier]] = {
    "sequence": SequenceClassifier,
    "token": TokenClassifier,
}
_OTHERS: dict[Task, type[nn.Module]] = {
    "span": SpanExtractor,
    "masked": LanguageModel,
    "causal": LanguageModel,
    "pretraining": PretrainingModel,
    "replaced": ReplacedTokenDetector,
    "translation": EncoderDecoder,
}


def make_model(task: Task, config: TransformerConfig, classes: int = 0) -> Model:
    """A fresh model for a task; `classes` counts only for classifiers.

    Raises:
        ValueError: a configuration for another task: one that looks ahead to guess the next token, one that does not to guess
            hidden ones, or one with a decoder that nothing would use.
    """
    if task in ("causal", "masked", "pretraining", "replaced") and config.causal != (task == "causal"):
        raise ValueError(f"causal is {config.causal}, expected {task == 'causal'} for the task {task!r}")
    if task != "translation" and config.decoder_depth > 0:
        raise ValueError(f"decoder_depth is {config.decoder_depth}, expected 0 for the task {task!r}")
    if task in _CLASSIFIERS:
        return _CLASSIFIERS[task](config, classes)
    model: Model = _OTHERS[task](config)  # type: ignore[assignment]
    return model


def _pooler_layer(config: TransformerConfig) -> DenseLayer:
    return DenseLayer(config, config.width, config.pooler_activation, norm=config.pooler_norm)


def _head_dropout(config: TransformerConfig) -> Dropout:
    return Dropout(config.dropout if config.classifier_dropout is None else config.classifier_dropout)
