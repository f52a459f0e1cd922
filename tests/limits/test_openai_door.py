"""An OpenAI-compatible endpoint: what it can do, what it refuses, and what becomes of it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fathom
from fathom.errors import PredictorError, SettingsError
from fathom.limits import asked as patience
from fathom.limits.asking import BudgetSpentError
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.doors import open_door
from fathom.limits.doors.http import TOKEN
from fathom.limits.doors.openai import OpenAIModel
from fathom.limits.writing.asked import AskedCausal
from fathom.limits.writing.model import Choice, Request, TooLongError
from tests import tiny

Reply = tuple[int, Any, dict[str, str]]


def written(route: str, body: dict[str, Any]) -> Any:
    """What a good server says: the last word of the prompt; of an echo, log-probabilities that count letters."""
    prompt = body["messages"][-1]["content"] if "chat" in route else body["prompt"]
    if body.get("echo"):
        tokens = [piece for word in prompt.split(" ") for piece in (" ", word)][1:]
        tokens = [token for token in tokens if token]
        starts = [sum(map(len, tokens[:place])) for place in range(len(tokens))]
        more = {"tokens": [*tokens, "!"], "token_logprobs": [None, *[-float(len(t)) for t in tokens[1:]], -9.0]}
        return {"choices": [{"text": prompt + "!", "logprobs": {**more, "text_offset": [*starts, len(prompt)]}}]}
    texts = [f" {prompt.split()[-1]} {number}" for number in range(body.get("n", 1))]
    if "chat" in route:
        return {"choices": [{"message": {"role": "assistant", "content": text}} for text in texts]}
    return {"choices": [{"text": text} for text in texts]}


class Server:
    """A server whose replies a test decides."""

    def __init__(self) -> None:
        self.routes = ["/v1/chat/completions", "/v1/completions"]
        self.models = ["tiny"]
        self.reply: Callable[[str, dict[str, Any]], Reply | None] = lambda route, body: None
        self.seen: list[tuple[str, dict[str, Any], str | None]] = []
        self.url = ""

    def handle(self, route: str, body: dict[str, Any], key: str | None) -> Reply:
        self.seen.append((route, body, key))
        if (said := self.reply(route, body)) is not None:
            return said
        if route == "/v1/models":
            return 200, {"data": [{"id": name} for name in self.models]}, {}
        return (200, written(route, body), {}) if route in self.routes else (404, {"detail": "Not Found"}, {})


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, said, headers = found.handle(self.path, json.loads(raw or b"{}"), self.headers.get("Authorization"))
            data = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *args: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{httpd.server_port}/v1"
    yield found
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(patience.time, "sleep", waited.append)
    return waited


def test_both_routes_and_the_log_probabilities_are_found(server: Server) -> None:
    model = open_door(f"openai:{server.url}#tiny")
    assert isinstance(model, OpenAIModel)
    assert (model.name, model.door) == (f"{server.url}#tiny", "openai")
    assert model.capabilities == {"messages", "continuations", "log-probabilities"}
    assert model.write([Request("say yes")]) == [[" yes 0"]]
    assert server.seen[-1][0] == "/v1/chat/completions"
    assert model.write([Request("once upon", message=False, samples=3, temperature=0.5, seed=7)]) == [
        [" upon 0", " upon 1", " upon 2"]
    ]
    route, body, key = server.seen[-1]
    assert (route, body["prompt"], body["n"], body["seed"], body["temperature"], key) == (
        "/v1/completions",
        "once upon",
        3,
        7,
        0.5,
        None,
    )
    found = model.score([Choice("Question: which?\nAnswer:", (" ab", " a long one"))])
    np.testing.assert_array_equal(found[0], [-3.0, -11.0])  # blanks count one each


@pytest.mark.parametrize("counted", [True, False])
def test_scores_are_those_of_the_model_itself(server: Server, tmp_path: Path, counted: bool) -> None:
    """`counted`: whether the token that begins every text counts as text in the places of the others."""
    predictor = fathom.load(tiny.writer_folder(tmp_path / "writer"))
    vocabulary, model = predictor.tokenizer, predictor.model

    def serve(route: str, body: dict[str, Any]) -> Reply | None:
        if not body.get("echo"):
            return None
        before, _ = vocabulary.frame_ids
        assert len(before) == 1
        ids = before + vocabulary.prompt_ids(body["prompt"])
        with torch.inference_mode():
            found = torch.log_softmax(model(torch.tensor([ids])).float(), dim=-1)[0]
        values = [None, *[float(found[place, token]) for place, token in enumerate(ids[1:])]]
        tokens = [vocabulary.id_to_token(ids[0]), *[vocabulary.decode([token]) for token in ids[1:]], "!"]
        begins = 0 if counted else len(tokens[0])
        starts = [max(0, sum(map(len, tokens[:place])) - begins) for place in range(len(tokens))]
        logprobs = {"tokens": tokens, "token_logprobs": [*values, -1.0], "text_offset": starts}
        return 200, {"choices": [{"text": body["prompt"] + "!", "logprobs": logprobs}]}, {}

    server.reply = serve
    through, itself = OpenAIModel(f"{server.url}#tiny"), open_door(predictor)
    choices = [
        Choice("Question: a wonderful film?\nAnswer:", (" dull", " a joy from start to finish", " i loved it")),
        Choice("bad acting and a poor", (" story", " film", "house")),
    ]
    for found, expected in zip(through.score(choices), itself.score(choices), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_name_of_the_only_model_is_found(server: Server) -> None:
    assert OpenAIModel(server.url).name.endswith("#tiny")
    server.models = ["a", "b"]
    with pytest.raises(SettingsError, match="serves 2 models: a, b"):
        OpenAIModel(server.url)


def test_what_a_server_does_not_have_is_known(server: Server) -> None:
    server.routes = ["/v1/chat/completions"]
    model = OpenAIModel(f"{server.url}#tiny")
    assert model.capabilities == {"messages"}
    with pytest.raises(NotMeasurableError, match="no log-probabilities"):
        model.score([Choice("a", (" b", " c"))])
    with pytest.raises(NotMeasurableError, match="has no /completions"):
        model.write([Request("a", message=False)])
    server.routes = ["/v1/completions"]
    model = OpenAIModel(f"{server.url}#tiny")
    assert model.capabilities == {"continuations", "log-probabilities"}
    model.write([Request("who?")])
    assert server.seen[-1][1]["prompt"] == "Question: who?\nAnswer:"
    assert "\n" in server.seen[-1][1]["stop"]
    server.routes = ["/v1/completions", "/v1/chat/completions"]
    assert OpenAIModel(f"{server.url}/chat/completions#tiny").capabilities == {"messages"}
    server.routes = []
    with pytest.raises(PredictorError, match="has no /chat/completions and no /completions"):
        OpenAIModel(f"{server.url}#tiny")


@pytest.mark.parametrize("logprobs", [None, {}, {"tokens": ["The"]}, {"tokens": [1], "token_logprobs": [0.5]}])
def test_a_server_that_ignores_echo_gives_no_log_probabilities(server: Server, logprobs: Any) -> None:
    def reply(route: str, body: dict[str, Any]) -> Reply | None:
        return (200, {"choices": [{"text": "x", "logprobs": logprobs}]}, {}) if body.get("echo") else None

    server.reply = reply
    assert OpenAIModel(f"{server.url}#tiny").capabilities == {"messages", "continuations"}
    server.reply = lambda route, body: (400, {"error": "echo is not supported"}, {}) if body.get("echo") else None
    assert OpenAIModel(f"{server.url}#tiny").capabilities == {"messages", "continuations"}


def test_samples_that_a_server_leaves_out_are_asked_for_again(server: Server) -> None:
    def one(route: str, body: dict[str, Any]) -> Reply | None:
        return (200, {"choices": [{"message": {"content": f"seed {body.get('seed')}"}}]}, {}) if "chat" in route else None

    server.reply = one
    model = OpenAIModel(f"{server.url}#tiny")
    assert model.write([Request("a", samples=3, temperature=1.0, seed=5)]) == [["seed 5", "seed 6", "seed 7"]]


def test_the_key_comes_from_the_environment_and_is_told_nobody(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "sk-very-secret")
    model = OpenAIModel(f"{server.url}#tiny")
    model.write([Request("a")])
    assert {key for _, _, key in server.seen} == {"Bearer sk-very-secret"}
    assert "secret" not in model.name
    server.reply = lambda route, body: (401, {"error": "Incorrect API key provided: sk-very-secret"}, {})
    with pytest.raises(PredictorError) as caught:
        AskedCausal(model).write([Request("b")])
    assert "401" in str(caught.value)
    assert TOKEN in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ((401, {"error": "no key"}, {}), "status 401"),
        ((404, {"error": "The model `tiny` does not exist"}, {}), "does not exist"),
        ((500, {"error": "boom"}, {}), "does not answer: status 500"),
        ((200, b"<html>hello", {}), "no JSON"),
        ((200, ["a"], {}), "a JSON list"),
        ((200, {"object": "error"}, {}), "without choices"),
        ((200, {"choices": []}, {}), "without choices"),
        ((200, {"choices": ["a"]}, {}), "without choices"),
        ((302, {}, {"Location": "http://elsewhere.invalid/"}), "status 302"),
    ],
)
def test_a_bad_endpoint_is_told_when_it_is_opened(server: Server, reply: Reply, message: str) -> None:
    server.reply = lambda route, body: reply
    with pytest.raises(PredictorError, match=message):
        OpenAIModel(f"{server.url}#tiny")


@pytest.mark.parametrize("choice", [{}, {"text": 3}, {"message": "hello"}, {"message": {"role": "assistant"}}, {"delta": {}}])
def test_a_choice_without_text_is_told(server: Server, choice: dict[str, Any]) -> None:
    model = OpenAIModel(f"{server.url}#tiny")
    server.reply = lambda route, body: (200, {"choices": [choice]}, {})
    with pytest.raises(PredictorError, match="a choice that holds no text"):
        model.write([Request("a")])


def test_an_empty_message_is_an_empty_answer(server: Server) -> None:
    model = OpenAIModel(f"{server.url}#tiny")
    server.reply = lambda route, body: (200, {"choices": [{"message": {"content": None}}]}, {})
    assert AskedCausal(model).write([Request("a")]) == [[""]]


def test_nobody_there(no_waiting: list[float]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(PredictorError, match=r"does not answer.*refused"):
        OpenAIModel(f"http://127.0.0.1:{port}/v1#tiny")
    assert no_waiting == [0.5, 1.0]


@pytest.mark.parametrize(
    "spec", ["ftp://host/v1#m", "http://user:secret@host/v1#m", "http:///v1#m", "http://host/v1?key=secret#m", "host/v1"]
)
def test_no_such_url(spec: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_door(f"openai:{spec}")
    assert "openai:http://host:8000/v1#MODEL" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_busy_server_is_waited_for_as_long_as_it_asks(server: Server, no_waiting: list[float]) -> None:
    model = OpenAIModel(f"{server.url}#tiny")
    later = formatdate(time.time() + 20, usegmt=True)
    busy = iter([(429, {}, {"Retry-After": "7"}), (503, {}, {"Retry-After": later}), None, (429, {}, {}), (502, {}, {}), None])
    server.reply = lambda route, body: next(busy)
    asked = AskedCausal(model)
    assert asked.write([Request("a")]) == [["a 0"]]
    assert no_waiting[0] == 7.0
    assert no_waiting[1] == pytest.approx(20, abs=3)
    asked.write([Request("b")])
    assert no_waiting[2:] == [0.5, 1.0]
    assert (asked.cost.retries, asked.cost.calls) == (4, 2)
    server.reply = lambda route, body: (429, {"error": "slow down"}, {})
    with pytest.raises(PredictorError, match=r"slow down.*\n.*\n.*asked 3 times"):
        asked.write([Request("c")])


def test_a_prompt_that_is_too_long_is_not_measurable(server: Server) -> None:
    model = OpenAIModel(f"{server.url}#tiny")
    server.reply = lambda route, body: (400, {"error": "This model's maximum context length is 2048 tokens"}, {})
    with pytest.raises(TooLongError, match="maximum context length"):
        AskedCausal(model).write([Request("a")])


def test_answers_are_kept_counted_and_never_paid_twice(server: Server, tmp_path: Path) -> None:
    model = OpenAIModel(f"{server.url}#tiny")
    asked = AskedCausal(model, cache=tmp_path / "answers.jsonl", budget=6)
    requests = [Request(f"word{number}") for number in range(4)]
    first = asked.write(requests[:3])
    before = len(server.seen)
    assert asked.write(requests[:3]) == first
    assert len(server.seen) == before
    with pytest.raises(BudgetSpentError, match="4 more answers are needed, and 3 calls are left of 6"):
        asked.write([Request("x", samples=4, temperature=1.0)])
    again = AskedCausal(model, cache=tmp_path / "answers.jsonl")
    assert again.kept == 3
    assert again.write(requests)[:3] == first
    assert (again.cost.calls, again.cost.from_cache, again.kept) == (1, 3, 0)
    assert again.digest() != asked.digest()
    assert again.prompts == 4
    scores = again.score([Choice("a b", (" c", " dd"))])
    assert [row.tolist() for row in again.score([Choice("a b", (" c", " dd"))])] == [row.tolist() for row in scores]
    (tmp_path / "answers.jsonl").write_text((tmp_path / "answers.jsonl").read_text() + '["00", {}]\n')
    assert AskedCausal(model, cache=tmp_path / "answers.jsonl").kept == 0


def test_log_probabilities_that_are_none_are_refused(server: Server) -> None:
    model = OpenAIModel(f"{server.url}#tiny")

    def positive(route: str, body: dict[str, Any]) -> Reply | None:
        said = written(route, body)
        said["choices"][0]["logprobs"]["token_logprobs"] = [1.0 for _ in said["choices"][0]["logprobs"]["tokens"]]
        return 200, said, {}

    server.reply = positive
    with pytest.raises(PredictorError, match="log-probabilities, none above 0"):
        AskedCausal(model).score([Choice("a b", (" c", " d"))])
