"""Which words carried an answer, and by how much.

    Explainer(model, tokenizer, about, ask).explain(["A joy from start to finish."])[0].words

integrated-gradients   Each word's share of the log-odds of the answer. The word vectors go from those of a text in which every
                       word is hidden to those of the text, x(a) = x₀ + a (x₁ − x₀), and the gradients on the way are summed:
                       (x₁ − x₀) ∫₀¹ ∂F/∂x(a) da (Sundararajan et al. 2017, 1703.01365). The shares sum to F(x₁) − F(x₀), so
                       the error of the integral can be told; steps are doubled until it is below 1 %.
occlusion              By how much the log-odds fall when the word is left out. Needs answers only, one a word.
rollout                How much of the word reaches what the head reads, through all blocks, if attention alone carried it
                       (Abnar and Zuidema 2020, 2005.00928). Has no sign, and does not know what the answer is.

F is the logarithm of p/(1 − p), with p the probability of the answer as `predict` gives it: temperature, windows and all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from fathom.checkpoint import About
from fathom.data import Example, TokenizedDataset
from fathom.errors import DataError, SettingsError
from fathom.inference.erasure import Ask, erasure_scores, occlusion
from fathom.model import SequenceClassifier
from fathom.text import Tokenizer
from fathom.text.splitting import Span, readable_words

Method = Literal["integrated-gradients", "occlusion", "rollout"]
METHODS: tuple[Method, ...] = get_args(Method)

FEWEST_STEPS, MOST_STEPS = 8, 512
LARGEST_ERROR = 0.01  # of the sum of integrated gradients, relative to F(x₁) − F(x₀)
PASS_TOKENS = 2048  # with gradients in one pass: a model of 22M parameters then takes a third of a gigabyte
RANDOM_ORDERS = 5  # of a text's words, for its explanation to be compared with


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text."""

    text: str
    start: int  # characters
    end: int
    score: float | None  # above 0: speaks for the answer; None: the model did not read it


@dataclass(frozen=True, slots=True)
class Attribution:
    """What each word of a text is worth to one label."""

    words: list[Span]
    scores: np.ndarray  # (words,) float64, in nats of log-odds, or shares for rollout; NaN: not read
    unread: int  # tokens
    hidden: float | None = None  # integrated gradients: the log-odds where every word is hidden
    error: float | None = None  # the same: |sum of the scores − difference of the log-odds| / |difference|
    steps: int | None = None  # the same: points on the way

    @property
    def read(self) -> list[int]:
        """Numbers of the words that were read."""
        return [int(number) for number in np.flatnonzero(~np.isnan(self.scores))]

    @property
    def order(self) -> list[int]:
        """The same, the most important for the answer first."""
        return sorted(self.read, key=lambda number: -self.scores[number])


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """Whether the words with the highest scores are those that the answer hangs on; see `ErasureScores`."""

    comprehensiveness: float  # probability lost without the first words, mean over 1, 5, 10, 20 and 50 % of them
    sufficiency: float  # probability lost with the first words alone
    random_comprehensiveness: float  # the same of words in random order
    random_sufficiency: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """An answer, and what carried it."""

    text: str
    label: str
    confidence: float
    method: Method
    words: list[Word]
    unread: int  # tokens of the text that the model did not see
    hidden: float | None  # integrated gradients: log-odds where every word is hidden; with the scores, those of the answer
    error: float | None  # the same: of the sum, relative; above 0.01 the steps did not suffice
    steps: int | None
    faithfulness: Faithfulness | None  # None: fewer than two words


class Explainer:
    """Explains the answers of one classifier. Not changed by explaining, so threads may share it.

    Args:
        model: in evaluation mode.
        ask: the same classifier, as it answers texts.
    """

    def __init__(self, model: SequenceClassifier, tokenizer: Tokenizer, about: About, ask: Ask) -> None:
        self._model, self._tokenizer, self._about, self._ask = model, tokenizer, about, ask

    def explain(self, texts: Sequence[str], method: Method = "integrated-gradients") -> list[Explanation]:
        """An explanation of each answer, in the order of the texts.

        Raises:
            DataError: something that is not a string.
            SettingsError: no such method.
        """
        if isinstance(texts, str):
            raise DataError(f"explain got one string, {texts[:60]!r}", expected="a list of strings", do="pass [text]")
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise DataError(f"text {number} is {text!r}", expected="a string")
        if method not in METHODS:
            raise SettingsError(f"there is no method {method!r}", expected=f"one of {', '.join(METHODS)}")
        if not texts:
            return []
        return [self._explained(text, row, method) for text, row in zip(texts, self._ask(texts), strict=True)]

    def attribute(self, text: str, method: Method, label: int) -> Attribution:
        """What each word of a text is worth to the label of this class number."""
        reading = _Reading(text, self._model, self._tokenizer, self._about)
        if method == "occlusion":
            scores = np.full(len(reading.words), np.nan)
            if reading.read:
                scores[reading.read] = occlusion(self._ask, text, reading.words, label, reading.read)
            return Attribution(reading.words, scores, reading.unread)
        if method == "rollout":
            return Attribution(reading.words, reading.by_word(_rollout(self._model, reading)), reading.unread)
        steps = FEWEST_STEPS
        path = _Path(self._model, reading, label, self._about.temperature, self._tokenizer)
        hidden, full = path.ends()
        while True:
            by_token = path.integral(steps)
            difference, found = full - hidden, float(by_token.sum())
            error = abs(found - difference) / abs(difference) if difference else float(found != 0)
            if error < LARGEST_ERROR or steps >= MOST_STEPS or not reading.read:
                return Attribution(reading.words, reading.by_word(by_token), reading.unread, hidden, error, steps)
            steps *= 2

    def _explained(self, text: str, probabilities: np.ndarray, method: Method) -> Explanation:
        best = int(probabilities.argmax())
        found = self.attribute(text, method, best)
        words = [
            Word(text[start:end], start, end, None if np.isnan(score) else float(score))
            for (start, end), score in zip(found.words, found.scores, strict=True)
        ]
        return Explanation(
            text=text,
            label=self._about.labels[best],
            confidence=float(probabilities[best]),
            method=method,
            words=words,
            unread=found.unread,
            hidden=found.hidden,
            error=found.error,
            steps=found.steps,
            faithfulness=self._faithfulness(text, found, best),
        )

    def _faithfulness(self, text: str, found: Attribution, label: int) -> Faithfulness | None:
        if len(found.read) < 2:
            return None
        generator = np.random.default_rng(0)
        orders = [found.order, *(generator.permutation(found.read).tolist() for _ in range(RANDOM_ORDERS))]
        scores = erasure_scores(self._ask, text, found.words, orders, label, read=found.read)
        comprehensiveness, sufficiency = scores.comprehensiveness.mean(axis=1), scores.sufficiency.mean(axis=1)
        return Faithfulness(
            comprehensiveness=float(comprehensiveness[0]),
            sufficiency=float(sufficiency[0]),
            random_comprehensiveness=float(comprehensiveness[1:].mean()),
            random_sufficiency=float(sufficiency[1:].mean()),
        )


class _Reading:
    """A text as a model reads it, and which of its words each token belongs to."""

    def __init__(self, text: str, model: SequenceClassifier, tokenizer: Tokenizer, about: About) -> None:
        how: dict[str, Any] = {"max_length": about.max_length, "long_text": about.long_text, "stride": about.stride}
        dataset = TokenizedDataset.build([Example(text)], tokenizer, **how)
        device = next(model.parameters()).device
        self.batch = dataset.batch(np.arange(len(dataset))).to(device)
        self.unread = int(dataset.dropped[0])
        self.words = readable_words(text)
        before, after = tokenizer.frame_ids
        starts = [start for start, _ in self.words]
        word_of = np.full(self.batch.token_ids.shape, -1)  # (W, L): special tokens and padding belong to none
        for row, window in enumerate(tokenizer.encode([text], offsets=True, **how)[0]):
            assert window.offsets is not None
            for place in range(len(before), len(window.token_ids) - len(after)):
                begin, end = window.offsets[place]
                begin += len(text[begin:end]) - len(text[begin:end].lstrip())  # a blank may belong to its token
                if starts:
                    word_of[row, place] = max(0, int(np.searchsorted(starts, begin, side="right")) - 1)
        self.word_of = word_of
        self.content = torch.from_numpy(word_of >= 0).to(device)
        self.read = sorted(set(word_of[word_of >= 0].tolist()))

    def by_word(self, by_token: np.ndarray) -> np.ndarray:
        """(W, L) scores of tokens -> (words,) their sums; NaN for words that no token belongs to."""
        sums = np.full(len(self.words), np.nan)
        sums[self.read] = 0.0
        inside = self.word_of >= 0
        np.add.at(sums, self.word_of[inside], by_token[inside])
        return sums


class _Path:
    """From a text in which every word is hidden to the text itself, in the space of token vectors; special tokens stay."""

    def __init__(
        self, model: SequenceClassifier, reading: _Reading, label: int, temperature: float, tokenizer: Tokenizer
    ) -> None:
        self._model, self._batch, self._label, self._temperature = model, reading.batch, label, temperature
        self._windows = len(reading.batch.token_ids)
        hiding = tokenizer.mask_id if tokenizer.mask_id is not None else tokenizer.unknown_id
        table = model.transformer.token_table
        with torch.no_grad():
            self._text = table[reading.batch.token_ids]  # (W, L, E)
            nothing = torch.zeros_like(table[0]) if hiding is None else table[hiding]
            self._hidden = torch.where(reading.content[..., None], nothing, self._text)

    def ends(self) -> tuple[float, float]:
        """F where every word is hidden, and F of the text."""
        with torch.no_grad():
            found = [float(self._log_odds(vectors)) for vectors in (self._hidden, self._text)]
        return found[0], found[1]

    def integral(self, steps: int) -> np.ndarray:
        """(W, L) float64 share of each token, by Gauss and Legendre's rule, which smooth functions need few points for."""
        way = self._text - self._hidden
        points, weights = np.polynomial.legendre.leggauss(steps)
        at_once = max(1, PASS_TOKENS // self._text.shape[:2].numel())
        total = torch.zeros(way.shape, dtype=torch.float64)
        for start in range(0, steps, at_once):
            some = slice(start, start + at_once)
            share = torch.from_numpy((points[some] + 1) / 2).to(way)[:, None, None, None]
            vectors = (self._hidden + share * way).requires_grad_()  # (points, W, L, E)
            with torch.enable_grad():
                weighted = self._log_odds(vectors) * torch.from_numpy(weights[some] / 2).to(way)
                (gradients,) = torch.autograd.grad(weighted.sum(), vectors)
            total += gradients.sum(dim=0).cpu()
        share_of_token: np.ndarray = (total * way.cpu()).sum(dim=-1).numpy()
        return share_of_token

    def _log_odds(self, vectors: Tensor) -> Tensor:
        """(…, W, L, E) token vectors -> (…) log-odds of the label, its probability being the mean over the W windows."""
        rows = vectors.flatten(end_dim=-4) if vectors.dim() > 3 else vectors[None]
        copies, model, batch = len(rows), self._model, self._batch

        def repeated(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.repeat(copies, 1)

        token_ids, padding, segments = (repeated(tensor) for tensor in (batch.token_ids, batch.padding_mask, batch.segment_ids))
        states = model.transformer(
            token_ids,
            padding,
            segments,
            token_vectors=rows.flatten(end_dim=1),
            only_first=model.config.pooling == "first",
        )
        logits = model.classifier(model.pooler(states, padding)).float() / self._temperature
        by_window = logits.log_softmax(dim=-1).view(copies, self._windows, -1)
        averaged = by_window.logsumexp(dim=1)  # (copies, K); the number of windows cancels in the odds
        label = self._label
        others = torch.cat([averaged[:, :label], averaged[:, label + 1 :]], dim=1)
        odds: Tensor = (averaged[:, label] - others.logsumexp(dim=1)).view(vectors.shape[:-3])
        return odds


class _AttentionWeights(TorchFunctionMode):
    """Writes down the weights of every attention that this thread computes: (B, H, L, S) each, in the order of the blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is scaled_dot_product_attention:
            query, key, _ = args
            heads = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)  # heads of keys may serve several of queries
            scores = query @ heads.mT * kwargs["scale"]
            bias = kwargs["attn_mask"]
            self.seen.append((scores if bias is None else scores + bias).softmax(dim=-1))
        return function(*args, **(kwargs or {}))


def _rollout(model: SequenceClassifier, reading: _Reading) -> np.ndarray:
    """(W, L) how much of each token reaches what the head reads, the mean over windows; with special tokens it sums to 1.

    Half of what leaves a block came past its attention, so each block mixes with (A + I)/2, A the mean over heads.
    """
    batch, way = reading.batch, model.transformer.way_of_local_steps
    model.transformer.way_of_local_steps = "dense"  # the weights between all tokens are what is looked for
    try:
        with torch.inference_mode(), _AttentionWeights() as weights:
            model.transformer(batch.token_ids, batch.padding_mask, batch.segment_ids)
    finally:
        model.transformer.way_of_local_steps = way
    rows, length = batch.token_ids.shape
    padding = torch.zeros_like(batch.token_ids, dtype=torch.bool) if batch.padding_mask is None else batch.padding_mask
    real = (~padding).float()
    if model.config.pooling == "first":
        reached = torch.eye(length, device=real.device)[0].expand(rows, -1)
    elif model.config.pooling == "last":
        reached = torch.eye(length, device=real.device)[real.sum(dim=1).long() - 1]
    else:
        reached = real / real.sum(dim=1, keepdim=True)
    for attention in reversed(weights.seen):
        reached = (reached + (reached[:, None] @ attention.mean(dim=1))[:, 0]) / 2
    shares: np.ndarray = (reached / rows).cpu().double().numpy()
    return shares
