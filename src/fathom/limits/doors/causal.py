"""A causal model that fathom loads: it writes, scores given texts, and its tokens are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fathom.checkpoint.weights import WEIGHTS
from fathom.errors import DataError, SettingsError
from fathom.folders import sha256_of_file
from fathom.inference import Predictor, make_settings
from fathom.inference.in_context import Question, score_answers, spell_question
from fathom.limits.writing.model import TEXT_ENDS, CausalModel, Choice, Request, TooLongError, as_text
from fathom.model import LanguageModel


class FolderCausal(CausalModel):
    """Writes with a `Predictor`; messages go through the model's own chat template, where it has one."""

    door = "folder"
    capabilities = frozenset({"messages", "continuations", "log-probabilities", "tokens"})

    def __init__(self, predictor: Predictor, *, path: Path | None = None) -> None:
        """`path`: the folder or GGUF file that it was read from; None: it was made in this process.

        Raises:
            SettingsError: a model that writes no text.
        """
        self._writer, self._path = predictor.writer, path
        self._about = predictor.about
        self._tokenizer = predictor.tokenizer
        self.name = "a predictor" if path is None else path.resolve().stem if path.is_file() else path.resolve().name

    def write(self, requests: Sequence[Request]) -> list[list[str]]:
        """What it writes behind each prompt, in one batch."""
        first = requests[0]
        chats = first.message and self._tokenizer.chat_template is not None
        prompts = [self._prompt(request.text, first.message, chats) for request in requests]
        settings = make_settings(
            max_new_tokens=first.max_tokens,
            temperature=first.temperature,
            samples=first.samples,
            seed=first.seed,
            stop=(*first.stop, *(TEXT_ENDS if first.message and not chats else ())),
        )
        self._check_room(prompts, first.max_tokens, framed=chats)
        found = [generation.text for generation in self._writer.generate(prompts, settings, framed=chats)]
        return [found[start : start + first.samples] for start in range(0, len(found), first.samples)]

    def score(self, choices: Sequence[Choice]) -> list[np.ndarray]:
        """Log-probabilities of all answers to each text; as many answers for each."""
        model = self._writer.model
        assert isinstance(model, LanguageModel)  # causal
        questions: list[Question] = []
        for choice in choices:
            try:
                questions.append(spell_question(self._tokenizer, choice.text, choice.answers))
            except SettingsError as error:
                raise DataError(
                    f"{self.name} cannot tell the choices of {choice.text[-80:]!r} apart: {str(error).splitlines()[0]}",
                    expected="choices that its vocabulary spells differently",
                ) from error
        if (longest := max(question.length for question in questions)) > model.config.max_length:
            raise TooLongError(f"a question has {longest:,} tokens, and {self.name} reads {model.config.max_length:,}")
        return list(score_answers(model, questions))

    def fingerprint(self) -> str | None:
        """Of the weights and of what else decides an answer."""
        weights = None if self._path is None else self._path if self._path.is_file() else self._path / WEIGHTS
        if weights is None or not weights.is_file():
            return None
        return f"{sha256_of_file(weights)} {self._about.model_dump_json()}"

    def cut(self, text: str, size: int, more: int) -> tuple[str, str] | None:
        """In its own tokens."""
        ids = self._tokenizer.prompt_ids(text)
        if len(ids) < size + more:
            return None
        start, both = self._tokenizer.decode(ids[:size]), self._tokenizer.decode(ids[: size + more])
        return (start, both[len(start) :]) if both.startswith(start) else None

    def _prompt(self, text: str, message: bool, chats: bool) -> str:
        if not message:
            return text
        return self._writer.chat_prompt([{"role": "user", "content": text}]) if chats else as_text(text)

    def _check_room(self, prompts: Sequence[str], new_tokens: int, *, framed: bool) -> None:
        before, _ = ([], []) if framed else self._tokenizer.frame_ids
        longest = len(before) + max(len(self._tokenizer.prompt_ids(prompt)) for prompt in prompts)
        room = self._writer.model.config.max_length
        if longest + new_tokens > room:
            raise TooLongError(f"a prompt has {longest:,} tokens, and {self.name} reads and writes {room:,} together")
