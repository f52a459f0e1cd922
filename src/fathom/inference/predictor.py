"""A model folder that answers: texts in, labels with calibrated confidence out.

predictor = fathom.load("runs/quickstart")
predictor.predict(["A joy from start to finish."])[0].label
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from fathom.checkpoint import About, load_model, resolve_model
from fathom.data import Example, TokenizedDataset
from fathom.errors import DataError, SettingsError
from fathom.inference.attribution import Explainer, Explanation, Method
from fathom.inference.extraction import Answer, Entity, Extractor, Tagger
from fathom.inference.filling import Fill, Filler
from fathom.inference.generation import make_settings
from fathom.inference.packed import pack, unpacked
from fathom.inference.scoring import rounding, text_probabilities, window_logits
from fathom.inference.writer import Generation, Writer
from fathom.model import (
    EncoderDecoder,
    LanguageModel,
    Model,
    PretrainingModel,
    SequenceClassifier,
    SpanExtractor,
    Task,
    TokenClassifier,
)
from fathom.model.precision import Precision
from fathom.text import Tokenizer

_Kind = TypeVar("_Kind", bound=Model)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one text."""

    text: str
    label: str
    confidence: float  # probability of `label`, after temperature scaling
    scores: dict[str, float]  # of every label; they sum to 1
    unread: int  # tokens of the text that the model did not see, because it is longer than the model reads


class Predictor:
    """Answers with one model. Not changed by answering, so threads may share it."""

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer,
        about: About,
        *,
        end_ids: Iterable[int] = (),
        precision: Precision = "float32",
    ) -> None:
        """`end_ids`: tokens that end what the model writes."""
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.about = about
        self.end_ids = frozenset(end_ids)
        self.precision: Precision = precision

    @classmethod
    def load(cls, spec: str | Path, *, device: str | None = None, precision: Precision = "float32") -> Predictor:
        """Loads a model with a head: a folder, a known name, or hf:owner/name.

        Args:
            device: "cpu", "cuda", …; None: a GPU when there is one.
            precision: "float32" gives the same answers on every machine and beside every other text; "auto" takes
                bfloat16 where it is fast, which moves probabilities in their third decimal.

        Raises:
            ModelFolderError: nothing usable there; the message says what is.
            SettingsError: the device is not there.
        """
        loaded = load_model(resolve_model(spec))
        about = loaded.about
        if about is None:
            longest = loaded.model.config.max_length if loaded.task in _WRITERS else min(loaded.model.config.max_length, 512)
            about = About(task=loaded.task, labels=loaded.labels, max_length=longest)
        chosen = pick_device(device)
        model = loaded.model.to(chosen)
        pack(model, precision if loaded.task in ("sequence", *_WRITERS) else "float32", chosen)  # others compute in float32
        return cls(model, loaded.tokenizer, about, end_ids=loaded.end_ids, precision=precision)

    @property
    def classifier(self) -> SequenceClassifier:
        """The model, where it gives each text a class.

        Raises:
            SettingsError: it is for another task.
        """
        return self._for("gives each text a class", SequenceClassifier)

    @property
    def writer(self) -> Writer:
        """The model, where it writes text.

        Raises:
            SettingsError: it is for another task.
        """
        if self.about.task not in _WRITERS or not isinstance(self.model, LanguageModel | EncoderDecoder):
            raise self._other_task("writes text")
        return Writer(self.model, self.tokenizer, end_ids=self.end_ids, precision=self.precision)

    def generate(self, prompts: Sequence[str], **settings: Any) -> list[Generation]:
        """What the model writes behind each prompt.

        Args:
            prompts: any strings.
            settings: fields of `GenerationSettings`; none: greedily, the likeliest token each time.

        Raises:
            DataError: something that is not a string, or a prompt that leaves no room for an answer.
            SettingsError: settings that cannot be used, or a model for another task.
        """
        return self.writer.generate(prompts, make_settings(**settings))

    @property
    def explainer(self) -> Explainer:
        """What explains the answers of a classifier.

        Raises:
            SettingsError: a model for another task.
        """
        return Explainer(unpacked(self.classifier), self.tokenizer, self.about, lambda texts: self.predict_proba(texts))

    def explain(self, texts: Sequence[str], *, method: Method = "integrated-gradients") -> list[Explanation]:
        """The answer to each text with what each of its words was worth to it, and how far that can be believed.

        Args:
            method: "integrated-gradients", "occlusion" or "rollout"; see `fathom.inference.attribution`.

        Raises:
            DataError: something that is not a string.
            SettingsError: no such method, or a model for another task.
        """
        return self.explainer.explain(texts, method)

    def tag(self, texts: Sequence[str]) -> list[list[Entity]]:
        """What each text names, in its order. Long texts are read in windows.

        Raises:
            SettingsError: a model for another task.
        """
        model = self._for("tags tokens", TokenClassifier)
        return Tagger(model, self.tokenizer, self.labels, self.about.max_length).tag(texts)

    def answer(self, questions: Sequence[str], texts: Sequence[str]) -> list[Answer]:
        """The answer to each question, in the words of its text, or that the text does not say.

        Raises:
            DataError: not as many texts as questions.
            SettingsError: a model for another task.
        """
        model = self._for("finds answers in texts", SpanExtractor)
        return Extractor(model, self.tokenizer, self.about.max_length).answer(questions, texts)

    def fill(self, texts: Sequence[str], *, top: int = 5) -> list[list[list[Fill]]]:
        """For each text and each of its hidden places the likeliest tokens, best first.

        Raises:
            DataError: a text that hides nothing, or that is too long.
            SettingsError: a model for another task.
        """
        if self.about.task in _WRITERS or not isinstance(self.model, LanguageModel | PretrainingModel):
            raise self._other_task("fills hidden places")
        return Filler(self.model, self.tokenizer, self.about.max_length).fill(texts, top=top)

    def _for(self, what: str, kind: type[_Kind]) -> _Kind:
        if not isinstance(self.model, kind):
            raise self._other_task(what)
        return self.model

    def _other_task(self, what: str) -> SettingsError:
        return SettingsError(
            f"this model is for the task {self.about.task!r}", expected=f"one that {what}", do=_VERBS[self.about.task]
        )

    @property
    def labels(self) -> list[str]:
        """The labels, by class number."""
        return self.about.labels

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def logits(self, token_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Raw logits, before temperature and softmax.

        Args:
            token_ids: (batch, length) integers, special tokens included.
            padding_mask: (batch, length) booleans, True where padding. None: positions that hold the padding token.

        Returns:
            (batch, classes) float32, on the predictor's device.

        Raises:
            DataError: wrong shape or type, an id outside the vocabulary, a row longer than the model reads.
        """
        config = self.classifier.config
        if token_ids.dim() != 2 or token_ids.is_floating_point() or token_ids.dtype == torch.bool:
            raise DataError(
                f"token_ids has shape {tuple(token_ids.shape)} and type {token_ids.dtype}", expected="(batch, length) integers"
            )
        token_ids = token_ids.to(self.device, torch.int64)
        if token_ids.shape[1] > config.max_length:
            raise DataError(f"token_ids is {token_ids.shape[1]} long", expected=f"at most {config.max_length} tokens a row")
        if token_ids.numel() and not (int(token_ids.min()) >= 0 and int(token_ids.max()) < config.vocab_size):
            raise DataError(
                f"token_ids holds {int(token_ids.min())} to {int(token_ids.max())}", expected=f"0 to {config.vocab_size - 1}"
            )
        if padding_mask is None:
            padding_mask = token_ids == config.pad_id
        elif padding_mask.dtype != torch.bool or padding_mask.shape != token_ids.shape:
            raise DataError(
                f"padding_mask has shape {tuple(padding_mask.shape)} and type {padding_mask.dtype}",
                expected=f"booleans of shape {tuple(token_ids.shape)}, True where padding",
                do="an attention_mask of ones and zeros is its opposite: pass attention_mask == 0",
            )
        padding_mask = padding_mask.to(self.device)
        with torch.inference_mode(), rounding(self.classifier, self.precision, self.device):
            logits: Tensor = self.classifier(token_ids, padding_mask if bool(padding_mask.any()) else None)
        return logits.float()

    def predict_proba(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, on_batch: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """(texts, labels) float64 probabilities, rows summing to 1, columns in the order of `labels`."""
        return self._answer(texts, pairs, on_batch)[0]

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[Prediction]:
        """One answer a text, in their order.

        Args:
            texts: any strings; a text longer than the model reads is treated as `about.long_text` says, and what was
                left out is counted in `Prediction.unread`.
            pairs: second texts, for models of text pairs.

        Raises:
            DataError: something that is not a string.
        """
        probabilities, unread = self._answer(texts, pairs)
        return [self.prediction(text, row, int(left)) for text, row, left in zip(texts, probabilities, unread, strict=True)]

    def stream(self, examples: Iterable[Example], *, chunk: int = 1024) -> Iterator[Prediction]:
        """Answers in the order of `examples`, `chunk` at a time, so that memory does not grow with their number."""
        rows = iter(examples)
        while batch := list(islice(rows, chunk)):
            pairs = None if batch[0].pair is None else [example.pair or "" for example in batch]
            yield from self.predict([example.text for example in batch], pairs)

    def tokenize(self, examples: Iterable[Example]) -> TokenizedDataset:
        """Texts as this model reads them: its tokenizer, its length, its way with long texts."""
        return TokenizedDataset.build(
            examples,
            self.tokenizer,
            labels=self.labels,
            max_length=self.about.max_length,
            long_text=self.about.long_text,
            stride=self.about.stride,
        )

    def _answer(
        self, texts: Sequence[str], pairs: Sequence[str] | None, on_batch: Callable[[int], None] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and unread tokens of each text."""
        if isinstance(texts, str):
            raise DataError(f"predict got one string, {texts[:60]!r}", expected="a list of strings", do="pass [text]")
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise DataError(f"text {number} is {text!r}", expected="a string")
        if pairs is not None and len(pairs) != len(texts):
            raise DataError(f"{len(texts)} texts came with {len(pairs)} second texts", expected="one second text each")
        if not texts:
            return np.zeros((0, len(self.labels))), np.zeros(0, dtype=np.int64)
        seconds = pairs if pairs is not None else [None] * len(texts)
        dataset = self.tokenize(Example(text, pair=pair) for text, pair in zip(texts, seconds, strict=True))
        logits = window_logits(self.classifier, dataset, precision=self.precision, on_batch=on_batch)
        assert logits is not None  # only a stop gives None, and none is asked for here
        return text_probabilities(logits, dataset.example_of, self.about.temperature), dataset.dropped

    def prediction(self, text: str, probabilities: np.ndarray, unread: int) -> Prediction:
        """An answer from the (K,) probabilities of a text."""
        best = int(probabilities.argmax())
        scores = {label: float(value) for label, value in zip(self.labels, probabilities, strict=True)}
        return Prediction(text, self.labels[best], float(probabilities[best]), scores, unread)


_WRITERS = ("causal", "translation")  # tasks that read as much as the model can
_VERBS: dict[Task, str] = {  # what a model for each task is asked with
    "sequence": "use fathom predict",
    "token": "use fathom predict",
    "span": "use fathom predict --question",
    "masked": "use fathom predict with a hidden place in the text, or fine-tune the model: fathom finetune",
    "pretraining": "use fathom predict with a hidden place in the text, or fine-tune the model: fathom finetune",
    "causal": "use fathom generate, or fine-tune the model: fathom finetune",
    "replaced": "fine-tune it: fathom finetune",
    "translation": "use fathom generate",
}


def pick_device(device: str | None) -> torch.device:
    """The device by name, or the GPU when there is one.

    Raises:
        SettingsError: no such device here.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(f"the device {device!r} is not there", expected="cpu, or cuda with a GPU") from error
    return chosen
