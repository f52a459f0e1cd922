"""A model that writes: prompts in, text out, when it is done or as it comes.

writer = Writer(model, tokenizer, end_ids=[2])
writer.generate(["Once upon a time"], make_settings(temperature=0.8))[0].text
for piece in writer.stream("Once upon a time", make_settings()): print(piece.text, end="")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fathom.errors import DataError, SettingsError
from fathom.inference.decoding import Draft, Finish
from fathom.inference.generation import NEW_TOKENS, WritingModel, generate_tokens, stream_tokens
from fathom.inference.settings import GenerationSettings
from fathom.model import EncoderDecoder
from fathom.model.precision import Precision
from fathom.text import Message, TextStream, Tokenizer, render_chat

_CONTEXT = 8  # last tokens of the prompt, which say how the first ones of the answer are spelled


@dataclass(frozen=True, slots=True)
class Generation:
    """The answer to one prompt."""

    prompt: str
    text: str  # what follows the prompt, without ending tokens, cut before the first stop string
    finish: Finish  # "eos": the model ended it; "stop": a stop string; "length": no more tokens were allowed
    tokens: int  # written, an ending token or stop string included
    prompt_tokens: int  # read, special tokens included
    unread: int  # tokens of the prompt that were left out, since they left no room for an answer
    log_probability: float  # of the tokens written, in nats, by the model alone: no temperature, no restriction
    seconds: float  # from the beginning of its batch to its end


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that has come to an answer. Pieces joined are the answer's text."""

    text: str  # may be empty
    generation: Generation | None  # the whole answer, with the last piece


@dataclass(frozen=True, slots=True)
class _Prompt:
    text: str
    token_ids: list[int]
    unread: int


class Writer:
    """Continues texts, or writes one from another, with one model. Not changed by that, so threads may share it."""

    def __init__(
        self, model: WritingModel, tokenizer: Tokenizer, *, end_ids: Iterable[int], precision: Precision = "float32"
    ) -> None:
        """`end_ids`: tokens that end an answer."""
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.end_ids = frozenset(end_ids)
        self.precision: Precision = precision

    def generate(self, prompts: Sequence[str], settings: GenerationSettings, *, framed: bool = False) -> list[Generation]:
        """`settings.samples` answers to each prompt, in the order of the prompts; of a beam search the best first.

        Args:
            prompts: any strings. A causal model gets before them what its vocabulary puts before a text, and nothing after.
            framed: the prompts spell all special tokens themselves, as `chat_prompt` does.

        Raises:
            DataError: something that is not a string, or a prompt that leaves no room for an answer.
        """
        if isinstance(prompts, str):
            raise DataError(f"generate got one string, {prompts[:60]!r}", expected="a list of strings", do="pass [prompt]")
        read = [self._read(prompt, settings, framed) for prompt in prompts]
        token_ids = [prompt.token_ids for prompt in read]
        answers = generate_tokens(self.model, token_ids, settings, **self._ending(settings))
        return [self._generation(prompt, one, settings) for prompt, its in zip(read, answers, strict=True) for one in its]

    def stream(self, prompt: str, settings: GenerationSettings, *, framed: bool = False) -> Iterator[Piece]:
        """The answer to one prompt in pieces, as it is written; arguments and errors as for `generate`.

        A piece never ends inside a character, and never holds what may become a stop string. A beam search, which knows
        its answer only at the end, gives one piece.

        Raises:
            SettingsError: several samples.
        """
        if settings.samples > 1:
            raise SettingsError(f"{settings.samples} samples cannot be streamed", expected="one", do="use generate")
        if settings.beams > 1:
            found = self.generate([prompt], settings, framed=framed)[0]
            return iter([Piece(found.text, found)])
        read = self._read(prompt, settings, framed)
        return self._pieces(read, stream_tokens(self.model, read.token_ids, settings, **self._ending(settings)), settings)

    def chat_prompt(self, messages: Sequence[Message]) -> str:
        """The prompt for a conversation, by the model's own template; to be answered with `framed=True`.

        Raises:
            SettingsError: a model without a template.
            DataError: messages that the template refuses.
        """
        template = self.tokenizer.chat_template
        if template is None:
            raise SettingsError("this model has no chat template", expected="a model that was trained on conversations")
        bos, eos = self.tokenizer.bos_id, self.tokenizer.eos_id
        spelled = self.tokenizer.id_to_token
        return render_chat(
            template,
            messages,
            bos_token=None if bos is None else spelled(bos),
            eos_token=None if eos is None else spelled(eos),
        )

    def _read(self, text: str, settings: GenerationSettings, framed: bool) -> _Prompt:
        translates, longest = isinstance(self.model, EncoderDecoder), self.model.config.max_length
        before, after = ([], []) if framed else self.tokenizer.frame_ids
        content = self.tokenizer.prompt_ids(text)
        if not translates:
            after = []
            longest -= min(NEW_TOKENS, longest // 2) if settings.max_new_tokens is None else settings.max_new_tokens
        unread = max(0, len(before) + len(content) + len(after) - longest) if settings.cut_prompt else 0
        token_ids = [*before, *content[unread:], *after]
        # an empty prompt: GPT-2 begins a text with the token that ends one
        return _Prompt(text, token_ids or sorted(self.end_ids)[:1], min(unread, len(content)))

    def _ending(self, settings: GenerationSettings) -> dict[str, Any]:
        def stops(answer: Draft) -> bool:
            text = self._text(answer)
            return any(stop in text for stop in settings.stop)

        return {"end_ids": self.end_ids, "stops": stops if settings.stop else None, "precision": self.precision}

    def _pieces(self, prompt: _Prompt, answers: Iterator[Draft], settings: GenerationSettings) -> Iterator[Piece]:
        stream, shown = TextStream(self.tokenizer), 0
        context = self._context(prompt.token_ids)
        start = len(self.tokenizer.decode(context))
        text = stream.push(context)
        for answer in answers:
            if answer.finish is not None:
                generation = self._generation(prompt, answer, settings)
                yield Piece(generation.text[shown:], generation)
                return
            text += stream.push(answer.token_ids[-1:])
            written = text[start:]
            certain = len(written) - _may_become(written, settings.stop)
            if certain > shown:
                yield Piece(written[shown:certain], None)
                shown = certain

    def _text(self, answer: Draft) -> str:
        """What an answer says, spelled as behind its prompt: alone, some vocabularies drop the blank of its first word."""
        token_ids = answer.token_ids[:-1] if answer.finish == "eos" else answer.token_ids
        context = self._context(answer.prompt_ids)
        before, both = self.tokenizer.decode(context), self.tokenizer.decode(context + token_ids)
        return both[len(before) :] if both.startswith(before) else self.tokenizer.decode(token_ids)

    def _context(self, prompt_ids: list[int]) -> list[int]:
        return [] if isinstance(self.model, EncoderDecoder) else prompt_ids[-_CONTEXT:]

    def _generation(self, prompt: _Prompt, answer: Draft, settings: GenerationSettings) -> Generation:
        assert answer.finish is not None
        text = self._text(answer)
        ends = [place for stop in settings.stop if (place := text.find(stop)) >= 0]
        return Generation(
            prompt=prompt.text,
            text=text[: min(ends, default=len(text))],
            finish=answer.finish,
            tokens=len(answer.token_ids),
            prompt_tokens=len(answer.prompt_ids),
            unread=prompt.unread,
            log_probability=answer.log_probability,
            seconds=answer.seconds,
        )


def _may_become(text: str, stops: Sequence[str]) -> int:
    """Characters at the end of a text that may be the beginning of a stop string."""
    return max((size for stop in stops for size in range(1, len(stop)) if text.endswith(stop[:size])), default=0)
