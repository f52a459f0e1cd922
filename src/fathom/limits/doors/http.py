"""A classifier behind HTTP that speaks the Open Inference Protocol v2 (KServe, Triton, MLServer, `fathom serve`).

    GET  http://host/v2/models/NAME        names and types of inputs and outputs
    POST http://host/v2/models/NAME/infer  {"inputs": [{"name", "shape": [n], "datatype": "BYTES", "data": [texts]}]}

Its answer is the output of floating-point numbers of shape (n, K). The protocol has no place for labels; where the metadata's
`parameters` hold a list called `labels`, it is taken, otherwise the user names them.

`call_json` serves every door that speaks HTTP.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import IO, Any

import numpy as np

from fathom.errors import PredictorError, SettingsError
from fathom.limits.classifier import Classifier, TryAgainError

TOKEN = "FATHOM_HTTP_TOKEN"  # the environment variable that holds a bearer token; sent to the named host only
TIMEOUT = 60.0  # seconds for one call
LARGEST_ANSWER = 64 * 2**20  # bytes
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})  # states that may be over at the next try


class OpenInferenceClassifier(Classifier):
    """Answers with what an endpoint says."""

    door = "http"
    batch = 32

    def __init__(self, url: str, *, labels: list[str] | None = None, timeout: float = TIMEOUT) -> None:
        """Reads the model's metadata.

        Args:
            url: http://host/v2/models/NAME, with /versions/VERSION behind it where there are several.
            labels: by column of the output.
            timeout: seconds for one call.

        Raises:
            SettingsError: not such a URL, or nothing says what the labels are.
            PredictorError: nothing there that speaks the protocol, or a model that reads no texts.
        """
        parts = urllib.parse.urlsplit(url)
        if parts.username or parts.password or "/v2/models/" not in parts.path or parts.query or parts.fragment:
            raise SettingsError(
                f"the endpoint {parts.scheme}://{parts.hostname}{parts.path}",
                expected=f"http://host/v2/models/NAME, without a password in it (a token goes into {TOKEN})",
            )
        self.name = url.removesuffix("/").removesuffix("/infer")
        self._timeout = timeout
        try:
            said = self._call(self.name, None)
        except TryAgainError as error:
            raise PredictorError(
                f"{self.name} does not answer: {error}", expected="a running endpoint", do="check that it is up"
            ) from error
        texts = [entry for entry in _tensors(said, "inputs") if entry.get("datatype") == "BYTES"]
        if len(texts) != 1:
            found = ", ".join(f"{entry.get('name')} ({entry.get('datatype')})" for entry in _tensors(said, "inputs"))
            raise PredictorError(
                f"{self.name} reads {found or 'nothing that its metadata names'}", expected="one input of datatype BYTES, texts"
            )
        self._input, self._columns = str(texts[0]["name"]), len(texts[0].get("shape") or [1])
        parameters = said.get("parameters")
        own = parameters.get("labels") if isinstance(parameters, dict) else None
        own = [str(label) for label in own] if isinstance(own, list) and own else labels
        if own is None:
            raise SettingsError(
                f"{self.name} does not say what its labels are",
                expected="the labels in the order of its output",
                do="name them: --labels negative,positive",
            )
        self.labels = own

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """What it says.

        Raises:
            TryAgainError: a timeout, a connection that broke, or a server that is busy.
            PredictorError: a refusal, or an answer that holds no probabilities.
        """
        shape = [len(texts), *[1] * (self._columns - 1)]
        asked = {"inputs": [{"name": self._input, "shape": shape, "datatype": "BYTES", "data": list(texts)}]}
        said = self._call(f"{self.name}/infer", json.dumps(asked).encode("utf-8", "surrogatepass"))
        outputs = [entry for entry in _tensors(said, "outputs") if str(entry.get("datatype")).startswith("FP")]
        fitting = [entry for entry in outputs if entry.get("shape") == [len(texts), len(self.labels)]]
        if len(fitting) != 1:
            found = ", ".join(f"{entry.get('name')} {entry.get('shape')}" for entry in outputs)
            raise PredictorError(
                f"{self.name} answered {len(texts)} texts with {found or 'no output of floating-point numbers'}",
                expected=f"one output of shape [{len(texts)}, {len(self.labels)}], for the labels {', '.join(self.labels)}",
            )
        try:
            return np.array(fitting[0]["data"], dtype=np.float64).reshape(len(texts), len(self.labels))
        except (KeyError, TypeError, ValueError) as error:
            raise PredictorError(f"{self.name} sent data that do not fit their shape: {error}") from error

    def _call(self, url: str, body: bytes | None) -> dict[str, Any]:
        return call_json(url, body, timeout=self._timeout, expected="an endpoint of the Open Inference Protocol v2")


class RefusedError(PredictorError):
    """An endpoint that answers with an error which another try would not change."""

    def __init__(self, status: int, said: str, given: str, *, expected: str, do: str) -> None:
        super().__init__(given, expected=expected, do=do)
        self.status, self.said = status, said


def call_json(url: str, body: bytes | None, *, timeout: float, expected: str) -> dict[str, Any]:
    """What an endpoint says: a JSON object. The token goes along where the environment holds one; redirects are refused.

    Args:
        url: asked as it stands.
        body: JSON to post; None: GET.
        timeout: seconds.
        expected: what should be there, for an error.

    Raises:
        TryAgainError: a timeout, a connection that broke or was refused, a server that is busy or failed.
        RefusedError: any other status than success.
        PredictorError: an answer that is too large, or no JSON object.
    """
    headers = {"Accept": "application/json"} | ({} if body is None else {"Content-Type": "application/json"})
    token = os.environ.get(TOKEN)
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with _OPENER.open(request, timeout=timeout) as answer:
            raw = answer.read(LARGEST_ANSWER + 1)
    except urllib.error.HTTPError as error:
        said = _body(error)
        said = said.replace(token, "…") if token else said  # some servers repeat a key that they refuse
        reason = f"status {error.code} {error.reason}: {said[:300]}"
        if error.code in PASSING:
            raise TryAgainError(reason, wait=_seconds(error.headers)) from error
        do = f"check the URL{' and ' + TOKEN if error.code in (401, 403) else ''}"
        raise RefusedError(error.code, said, f"{url} refused: {reason}", expected=expected, do=do) from error
    except (OSError, HTTPException) as error:  # URLError and timeouts are OSErrors
        raise TryAgainError(f"{type(error).__name__}: {error}") from error
    if len(raw) > LARGEST_ANSWER:
        raise PredictorError(f"{url} answered with more than {LARGEST_ANSWER:,} bytes")
    try:
        found = json.loads(raw)
    except ValueError as error:
        raise PredictorError(f"{url} answered with what is no JSON: {raw[:80]!r}", expected="a JSON object") from error
    if not isinstance(found, dict):
        raise PredictorError(f"{url} answered with a JSON {type(found).__name__}", expected="a JSON object")
    return found


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry texts and token to a host that nobody named."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        """Makes it an HTTPError."""
        return


_OPENER = urllib.request.build_opener(_NoRedirect)


def _tensors(said: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = said.get(key)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _body(error: urllib.error.HTTPError) -> str:
    """The beginning of what it says."""
    try:
        return error.read(2000).decode("utf-8", "replace")
    except (OSError, HTTPException):
        return ""


def _seconds(headers: Message) -> float | None:
    """Retry-After: seconds, or a date."""
    said = headers.get("Retry-After", "").strip()
    if said.isdigit():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except ValueError:
        return None
