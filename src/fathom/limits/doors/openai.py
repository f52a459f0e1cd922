"""A causal model behind an OpenAI-compatible endpoint (vLLM, llama.cpp, Ollama and others).

    openai:http://host:8000/v1#MODEL                    whichever of the two it has
    openai:http://host:8000/v1/completions#MODEL        that one alone
    openai:http://host:8000/v1/chat/completions#MODEL

    POST …/chat/completions  {"model", "messages", "max_tokens", "temperature", "n", "seed"}     messages
    POST …/completions       {"model", "prompt", …}                                              continuations
    POST …/completions       {"model", "prompt", "echo": true, "logprobs": 1, "max_tokens": 1}   log-probabilities of a text

What works is tried once when the door is opened. A server that has no chat gets messages as "Question: … Answer:"; where it
gives no log-probabilities of prompts, what needs them is not measurable. Texts go to the URL that was named, and nowhere else.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Sequence
from typing import Any

import numpy as np

from fathom.errors import PredictorError, SettingsError
from fathom.limits.asking import RETRIES, Cost, with_patience
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.doors.http import TIMEOUT, TOKEN, RefusedError, call_json
from fathom.limits.writing.model import TEXT_ENDS, CausalModel, Choice, Request, TooLongError, as_text

CHAT, PLAIN = "/chat/completions", "/completions"
EXPECTED = "an OpenAI-compatible endpoint, such as http://host:8000/v1"
ABSENT = frozenset({404, 405, 501})  # a route that is not there
TOO_LONG = ("context", "too long", "maximum")  # words by which a server says so
STOPS = 4  # that the protocol allows
_TRIED = "The sun rises in the east"


class OpenAIModel(CausalModel):
    """Writes what an endpoint says."""

    door = "openai"
    batch = 1  # so that every answer that was paid for is kept

    def __init__(self, spec: str, *, timeout: float = TIMEOUT, retries: int = RETRIES) -> None:
        """Tries what the endpoint can do.

        Args:
            spec: its URL, as above, without "openai:".
            timeout: seconds for one call.
            retries: further tries while it is opened.

        Raises:
            SettingsError: no such URL, or no name of a model where there are several.
            PredictorError: nothing there that speaks the protocol.
        """
        url, _, model = spec.partition("#")
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password or parts.query:
            raise SettingsError(
                f"the endpoint {re.sub(r'//[^/]*@', '//…@', url).split('?')[0]}",
                expected=f"openai:http://host:8000/v1#MODEL, without a password in it (a key goes into {TOKEN})",
            )
        base = url.rstrip("/")
        routes = [CHAT, PLAIN]
        for route in routes:
            if base.endswith(route):
                base, routes = base.removesuffix(route), [route]
                break
        self._base, self._timeout, self._retries = base, timeout, retries
        self._model = model or self._only_model()
        self.name = f"{base}#{self._model}"
        works = [route for route in routes if self._is_there(route)]
        if not works:
            raise PredictorError(
                f"{base} has no {' and no '.join(routes)}", expected=EXPECTED, do="check the URL, which usually ends in /v1"
            )
        self._chats = CHAT in works
        capabilities = ({"messages"} if self._chats else set()) | ({"continuations"} if PLAIN in works else set())
        if PLAIN in works and self._scores():
            capabilities.add("log-probabilities")
        self.capabilities = frozenset(capabilities)  # type: ignore[arg-type]

    def write(self, requests: Sequence[Request]) -> list[list[str]]:
        """What it writes; asked again for the samples that a server which ignores `n` leaves out.

        Raises:
            NotMeasurableError: a text is to be continued, and there is chat alone.
            TooLongError: it says that the prompt is too long.
            TryAgainError: a timeout, a connection that broke, or a server that is busy.
            PredictorError: a refusal, or an answer without texts.
        """
        return [self._one(request) for request in requests]

    def score(self, choices: Sequence[Choice]) -> list[np.ndarray]:
        """From the log-probabilities of the tokens of text and answer together: of those that reach behind the text."""
        if "log-probabilities" not in self.capabilities:
            return super().score(choices)
        return [np.array([self._log_probability(choice.text, answer) for answer in choice.answers]) for choice in choices]

    def _one(self, request: Request) -> list[str]:
        if not request.message and "continuations" not in self.capabilities:
            raise NotMeasurableError(f"this endpoint answers messages, and has no {PLAIN} to continue a text with")
        stop = list(request.stop)
        if request.message and self._chats:
            route, prompt = CHAT, {"messages": [{"role": "user", "content": request.text}]}
        else:
            text = as_text(request.text) if request.message else request.text
            route, prompt = PLAIN, {"prompt": text}  # type: ignore[dict-item]
            stop += TEXT_ENDS if request.message else ()
        found: list[str] = []
        while len(found) < request.samples:
            body = {
                "max_tokens": request.max_tokens,
                "temperature": request.temperature,
                "n": request.samples - len(found),
                "seed": request.seed + len(found),
                **({"stop": stop[:STOPS]} if stop else {}),
                **prompt,
            }
            texts = [_text(choice, self.name) for choice in self._choices(route, body)]
            found += texts[: request.samples - len(found)]
        return [_cut(text, stop) for text in found]

    def _log_probability(self, text: str, answer: str) -> float:
        body = {"prompt": text + answer, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}
        choice = self._choices(PLAIN, body)[0]
        found = _prompt_tokens(choice)
        if found is None:
            raise PredictorError(
                f"{self.name} left out the log-probabilities of a prompt", expected="those that it gave before"
            )
        ends = len(text) + len(answer)
        shift = _shift(choice, text + answer, found)
        inside = [(start, value) for start, stop, value in found if stop - shift > len(text) and start - shift < ends]
        if not inside or any(value is None for _, value in inside):
            raise PredictorError(f"{self.name} gives no log-probability of {answer!r} behind {text[-40:]!r}")
        return float(sum(value for _, value in inside if value is not None))

    def _only_model(self) -> str:
        """The model's name, where there is one."""
        said = self._patiently(f"{self._base}/models", None)
        listed = said.get("data")
        names = [str(row["id"]) for row in listed if isinstance(row, dict) and "id" in row] if isinstance(listed, list) else []
        if len(names) != 1:
            raise SettingsError(
                f"{self._base} serves {len(names)} models{': ' if names else ''}{', '.join(names[:8])}",
                expected="the name of one",
                do=f"name it: openai:{self._base}#MODEL",
            )
        return names[0]

    def _is_there(self, route: str) -> bool:
        prompt: dict[str, Any] = {"messages": [{"role": "user", "content": _TRIED}]} if route == CHAT else {"prompt": _TRIED}
        try:
            self._choices(route, {"max_tokens": 1, "temperature": 0, **prompt}, patiently=True)
        except RefusedError as error:
            if error.status in ABSENT and "model" not in error.said.casefold():
                return False
            raise
        return True

    def _scores(self) -> bool:
        """Whether it tells how likely the tokens of a prompt are."""
        body = {"prompt": _TRIED, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}
        try:
            found = _prompt_tokens(self._choices(PLAIN, body, patiently=True)[0])
        except RefusedError:
            return False
        return found is not None and sum(1 for start, _, value in found if value is not None and start < len(_TRIED)) >= 2

    def _choices(self, route: str, body: dict[str, Any], *, patiently: bool = False) -> list[dict[str, Any]]:
        url, sent = self._base + route, json.dumps({"model": self._model, **body}).encode()
        try:
            said = self._patiently(url, sent) if patiently else call_json(url, sent, timeout=self._timeout, expected=EXPECTED)
        except RefusedError as error:
            if error.status in (400, 413, 422) and any(
                word in error.said.casefold() for word in ("context", "too long", "maximum")
            ):
                raise TooLongError(f"{self.name} refuses so long a prompt: {error.said[:200]}") from error
            raise
        choices = said.get("choices")
        if not isinstance(choices, list) or not choices or not all(isinstance(choice, dict) for choice in choices):
            shown = json.dumps(said, ensure_ascii=False)[:120]
            raise PredictorError(f"{url} answered without choices: {shown}", expected='"choices" with a text in each')
        return choices

    def _patiently(self, url: str, body: bytes | None) -> dict[str, Any]:
        def failed(error: Exception, tries: int) -> PredictorError:
            return PredictorError(
                f"{url} does not answer: {error}", expected=EXPECTED, do=f"check that it is up; it was asked {tries} times"
            )

        return with_patience(
            lambda: call_json(url, body, timeout=self._timeout, expected=EXPECTED), Cost(), failed, retries=self._retries
        )


def _text(choice: dict[str, Any], name: str) -> str:
    message = choice.get("message")
    text = message.get("content") if isinstance(message, dict) else choice.get("text")
    if text is None and isinstance(message, dict) and "content" in message:
        return ""  # what a filter or a limit of tokens left
    if not isinstance(text, str):
        shown = json.dumps(choice, ensure_ascii=False)[:120]
        raise PredictorError(f"{name} answered with a choice that holds no text: {shown}", expected='"text" or "message"')
    return text


def _shift(choice: dict[str, Any], prompt: str, found: Sequence[tuple[int, int, float | None]]) -> int:
    """By how many characters its places are too high: some servers count the token that begins every text as text."""
    said, tokens = choice.get("text"), choice["logprobs"]["tokens"]
    if not tokens or prompt.startswith(tokens[0]) or not isinstance(said, str) or not said.startswith(prompt):
        return 0
    return max(0, found[-1][1] - len(said))


def _cut(text: str, stops: Sequence[str]) -> str:
    """Before the first of them, for servers that leave them in."""
    return text[: min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))]


def _prompt_tokens(choice: dict[str, Any]) -> list[tuple[int, int, float | None]] | None:
    """(start, end, log-probability) of each token of prompt and answer, in characters; None: it gives none."""
    found = choice.get("logprobs")
    if not isinstance(found, dict):
        return None
    tokens, values, starts = found.get("tokens"), found.get("token_logprobs"), found.get("text_offset")
    if not isinstance(tokens, list) or not isinstance(values, list) or len(tokens) != len(values):
        return None
    if not all(isinstance(token, str) for token in tokens) or not all(
        value is None or isinstance(value, int | float) for value in values
    ):
        return None
    if not (isinstance(starts, list) and len(starts) == len(tokens) and all(isinstance(start, int) for start in starts)):
        starts = [sum(map(len, tokens[:place])) for place in range(len(tokens))]
    ends = [*starts[1:], starts[-1] + len(tokens[-1])] if tokens else []
    return list(zip(starts, ends, values, strict=True))
