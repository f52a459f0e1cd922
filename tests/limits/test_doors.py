"""What a user can name, and what becomes of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import fathom
from fathom.errors import DataError, ModelFolderError, PredictorError, SettingsError
from fathom.inference import make_settings
from fathom.inference.in_context import score_answers, spell_question
from fathom.limits.asked import Asked
from fathom.limits.classifier import NotMeasurableError
from fathom.limits.doors import open_door
from fathom.limits.doors.http import TOKEN
from fathom.limits.writing.model import TEXT_ENDS, CausalModel, Choice, Request, TooLongError
from tests import tiny

TEXTS = ["a joy from start to finish 1", "dull and endless 2", "warm"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model_folder(tmp_path_factory.mktemp("doors") / "model")


def test_folder_gives_everything(folder: Path) -> None:
    classifier, predictor = open_door(folder), fathom.load(folder)
    assert (classifier.name, classifier.door, classifier.labels) == ("model", "folder", ["bad", "good"])
    assert (classifier.probabilities(TEXTS) == predictor.predict_proba(TEXTS)).all()
    logits = classifier.logits(TEXTS)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(softmax, predictor.predict_proba(TEXTS), atol=1e-6)
    weight, bias = predictor.classifier.classifier.weight, predictor.classifier.classifier.bias
    states = classifier.states(TEXTS)
    np.testing.assert_array_equal(states.probabilities, classifier.probabilities(TEXTS))
    np.testing.assert_array_equal(states.lengths.unread, classifier.lengths(TEXTS).unread)
    embedded = torch.from_numpy(classifier.embeddings(TEXTS))
    np.testing.assert_allclose((embedded @ weight.T + bias).detach().numpy(), logits, atol=1e-5)
    lengths = classifier.lengths([TEXTS[0], " ".join(["joy"] * 100)])
    assert lengths.unread[0] == 0 < lengths.unread[1]
    assert lengths.tokens[1] - lengths.unread[1] == 32
    assert classifier.predictor().labels == predictor.labels
    first = classifier.fingerprint()
    assert first == open_door(folder).fingerprint() != None  # noqa: E711
    assert open_door(predictor).fingerprint() is None


def test_folder_with_other_names_for_its_labels(folder: Path) -> None:
    assert open_door(folder, labels=["0", "1"]).labels == ["0", "1"]
    for wrong in (["good", "bad"], ["a"], ["a", "b", "c"]):
        with pytest.raises(SettingsError, match="says that it has bad, good"):
            open_door(folder, labels=wrong)
    with pytest.raises(SettingsError, match="all different"):
        open_door(folder, labels=["x", "x"])


def test_folder_that_is_not_there_is_refused() -> None:
    with pytest.raises(ModelFolderError, match="no model at"):
        open_door("no/such/model")


CHAT = "{% for message in messages %}<{{ message['content'] }}>{% endfor %}"


def test_causal_folder_gives_everything(tmp_path: Path) -> None:
    folder = tiny.writer_folder(tmp_path / "writer")
    model, predictor = open_door(folder), fathom.load(folder)
    assert isinstance(model, CausalModel)
    assert (model.name, model.door) == ("writer", "folder")
    assert model.fingerprint() == open_door(folder).fingerprint() != None  # noqa: E711
    requests = [Request(text, message=False, max_tokens=6) for text in ("a joy", "dull and endless")]
    plain = [one.text for one in predictor.generate(["a joy", "dull and endless"], max_new_tokens=6)]
    assert model.write(requests) == [[text] for text in plain]
    drawn = model.write([Request("a joy", message=False, samples=3, temperature=1.0, seed=4, max_tokens=6)])
    assert [len(its) for its in drawn] == [3]
    assert len(set(drawn[0])) > 1
    choice = Choice("a joy from", (" start", " finish and more", " the"))
    question = spell_question(predictor.tokenizer, choice.text, choice.answers)
    expected = score_answers(predictor.model, [question])[0]
    np.testing.assert_allclose(model.score([choice, choice])[1], expected, atol=1e-5)
    start, more = model.cut("a joy from start to finish, warm and funny", 3, 4) or ("", "")
    ids = predictor.tokenizer.prompt_ids(start + more)
    assert (len(ids), ids[:3]) == (7, predictor.tokenizer.prompt_ids(start))
    assert model.cut("a joy", 30, 40) is None
    for call in (
        lambda: model.write([Request("dull " * 200, max_tokens=4)]),
        lambda: model.score([Choice("dull " * 200, (" a", " b"))]),
    ):
        with pytest.raises(TooLongError, match="writer reads"):
            call()
    with pytest.raises(DataError, match="cannot tell the choices"):
        model.score([Choice("a joy", (" dull", " dull"))])


def test_causal_folder_is_asked_through_its_own_template(tmp_path: Path) -> None:
    predictor = fathom.load(tiny.writer_folder(tmp_path / "chats", chat_template=CHAT))
    framed = predictor.writer.generate(["<a joy>"], make_settings(max_new_tokens=5), framed=True)[0].text
    assert open_door(predictor).write([Request("a joy", max_tokens=5)]) == [[framed]]
    predictor = fathom.load(tiny.writer_folder(tmp_path / "continues"))
    behind = predictor.generate(["Question: a joy\nAnswer:"], max_new_tokens=5, stop=TEXT_ENDS)[0].text
    assert open_door(predictor).write([Request("a joy", max_tokens=5)]) == [[behind]]


def test_scikit_learn_is_taken_as_it_is() -> None:
    texts = [example.text for example in tiny.examples()]
    pipeline = make_pipeline(CountVectorizer(), LogisticRegression())
    pipeline.fit(texts, [example.label for example in tiny.examples()])
    for given in (pipeline, pipeline.predict_proba):
        classifier = open_door(given)
        assert classifier.labels == ["bad", "good"]
        assert (Asked(classifier).probabilities(TEXTS) == pipeline.predict_proba(TEXTS)).all()
    with pytest.raises(NotMeasurableError, match="a Python callable gives no embeddings"):
        open_door(pipeline).embeddings(TEXTS)


def test_python_names_import_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_model_of_doors.py").write_text(
        "class Model:\n"
        "    labels = ['no', 'yes']\n"
        "    def predict_proba(self, texts):\n"
        "        return [[0.25, 0.75] for _ in texts]\n"
        "model = Model()\n"
        "def function(texts):\n"
        "    return model.predict_proba(texts)\n"
        "number = 3\n"
    )
    (tmp_path / "broken_model_of_doors.py").write_text("raise OSError('no weights')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    classifier = open_door("python:own_model_of_doors:model")
    assert (classifier.name, classifier.labels) == ("python:own_model_of_doors:model", ["no", "yes"])
    assert Asked(classifier).probabilities(TEXTS).tolist() == [[0.25, 0.75]] * 3
    assert open_door("python:own_model_of_doors:model.predict_proba").labels == ["no", "yes"]
    assert open_door("python:own_model_of_doors:function", labels=["a", "b"]).labels == ["a", "b"]
    for spec, message in (
        ("python:own_model_of_doors:function", "does not say what the columns of its answers mean"),
        ("python:own_model_of_doors:nothing", "'own_model_of_doors' has no 'nothing'"),
        ("python:own_model_of_doors:number", "is a int"),
        ("python:own_model_of_doors", "expected: python:package.module:attribute"),
        ("python:no_such_module_of_doors:x", "ModuleNotFoundError"),
        ("python:broken_model_of_doors:x", "OSError: no weights"),
    ):
        with pytest.raises(SettingsError) as caught:
            open_door(spec)
        assert message in str(caught.value)


class Endpoint(BaseHTTPRequestHandler):
    """Open Inference Protocol v2: P(good) grows with the length of a text."""

    metadata: dict[str, Any]
    replies: list[tuple[int, dict[str, str], bytes]]  # sent instead of an answer, one a call
    tokens: list[str | None]

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_GET(self) -> None:
        self._send(200, {}, json.dumps(self.metadata).encode())

    def do_POST(self) -> None:
        self.tokens.append(self.headers.get("Authorization"))
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.replies:
            self._send(*self.replies.pop(0))
            return
        (tensor,) = asked["inputs"]
        assert tensor["name"] == "text"
        assert tensor["datatype"] == "BYTES"
        assert tensor["shape"] == [len(tensor["data"]), *self.metadata["inputs"][0]["shape"][1:]]
        rows = [[1 - len(text) / 100, len(text) / 100] for text in tensor["data"]]
        flat = [value for row in rows for value in row]
        output = {"name": "p", "datatype": "FP32", "shape": [len(rows), 2], "data": flat}
        extra = {"name": "label", "datatype": "BYTES", "shape": [len(rows)], "data": ["x"] * len(rows)}
        self._send(200, {}, json.dumps({"model_name": "m", "outputs": [extra, output]}).encode())

    def _send(self, code: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def endpoint() -> Iterator[str]:
    Endpoint.metadata = {
        "name": "m",
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [{"name": "p", "datatype": "FP32", "shape": [-1, 2]}],
        "parameters": {"labels": ["bad", "good"]},
    }
    Endpoint.replies, Endpoint.tokens = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v2/models/m"
    server.shutdown()
    server.server_close()


def test_http_asks_the_open_inference_protocol(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "secret")
    classifier = open_door(endpoint + "/")
    assert (classifier.name, classifier.door, classifier.labels) == (endpoint, "http", ["bad", "good"])
    found = Asked(classifier).probabilities([*TEXTS, "电影很好"])
    np.testing.assert_allclose(found[:, 1], [len(text) / 100 for text in [*TEXTS, "电影很好"]])
    assert Endpoint.tokens == ["Bearer secret"]
    with pytest.raises(NotMeasurableError, match="an HTTP endpoint gives no logits"):
        classifier.logits(TEXTS)


def test_http_with_texts_in_a_column_and_labels_that_the_user_names(endpoint: str) -> None:
    Endpoint.metadata = Endpoint.metadata | {"parameters": None}
    Endpoint.metadata["inputs"] = [{"name": "text", "datatype": "BYTES", "shape": [-1, 1]}]
    with pytest.raises(SettingsError, match="does not say what its labels are"):
        open_door(endpoint)
    assert Asked(open_door(endpoint, labels=["a", "b"])).probabilities(TEXTS).shape == (3, 2)


def test_http_waits_for_a_busy_server_and_not_for_one_that_refuses(endpoint: str) -> None:
    Endpoint.replies = [(503, {"Retry-After": "0"}, b"busy"), (429, {"Retry-After": "0"}, b"busy")]
    asked = Asked(open_door(endpoint), pause=0.0)
    assert asked.probabilities(TEXTS).shape == (3, 2)
    assert asked.cost.retries == 2
    Endpoint.replies = [(503, {}, b"busy")] * 3
    with pytest.raises(PredictorError, match="status 503"):
        asked.probabilities(["another"])
    Endpoint.replies = [(401, {}, b"who are you?")]
    with pytest.raises(PredictorError, match=f"status 401 .*who are you.*(?s:.*){TOKEN}"):
        asked.probabilities(["another"])
    assert not Endpoint.replies


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ((200, {}, b"<html>"), "what is no JSON"),
        ((200, {}, b"[1]"), "a JSON list"),
        ((200, {}, b"{}"), "no output of floating-point numbers"),
        ((200, {}, b'{"outputs": [{"name": "p", "datatype": "FP32", "shape": [3, 4]}]}'), r"p \[3, 4\]"),
        (
            (200, {}, b'{"outputs": [{"name": "p", "datatype": "FP32", "shape": [3, 2], "data": [1]}]}'),
            "do not fit their shape",
        ),
        ((302, {"Location": "http://127.0.0.1:9/other"}, b""), "status 302"),
    ],
)
def test_http_answers_that_are_none_are_said(reply: Any, message: str, endpoint: str) -> None:
    asked = Asked(open_door(endpoint), pause=0.0)
    Endpoint.replies = [reply]
    with pytest.raises(PredictorError, match=message):
        asked.probabilities(TEXTS)
    assert len(Endpoint.tokens) == 1  # none of these gets better by asking again


def test_http_endpoints_that_are_none_are_said(endpoint: str) -> None:
    Endpoint.metadata = Endpoint.metadata | {"inputs": [{"name": "ids", "datatype": "INT64", "shape": [-1, 8]}]}
    with pytest.raises(PredictorError, match=r"reads ids \(INT64\)"):
        open_door(endpoint)
    with pytest.raises(PredictorError, match="does not answer"):
        open_door("http://127.0.0.1:9/v2/models/m")
    for wrong in ("http://127.0.0.1/models/m", "http://user:secret@127.0.0.1/v2/models/m"):
        with pytest.raises(SettingsError, match="expected: http://host/v2/models/NAME") as caught:
            open_door(wrong)
        assert "secret" not in str(caught.value)


def test_a_foreign_architecture_goes_through_transformers(tmp_path: Path) -> None:
    import transformers

    vocabulary = tiny.tokenizer()
    tokens = {"tokenizer_object": vocabulary._backend, "pad_token": "[PAD]", "unk_token": "[UNK]"}
    config = transformers.DebertaV2Config(
        vocab_size=vocabulary.vocab_size,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
        id2label={0: "no", 1: "perhaps", 2: "yes"},
        label2id={"no": 0, "perhaps": 1, "yes": 2},
    )
    torch.manual_seed(0)
    model = transformers.DebertaV2ForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path)
    transformers.PreTrainedTokenizerFast(**tokens).save_pretrained(tmp_path)
    classifier = open_door(tmp_path)
    assert (classifier.door, classifier.labels) == ("transformers", ["no", "perhaps", "yes"])
    found = Asked(classifier).probabilities(TEXTS)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text, row in zip(TEXTS, found, strict=True):
        with torch.inference_mode():
            alone = model(**tokenizer([text], return_tensors="pt")).logits.softmax(dim=1)[0]
        np.testing.assert_allclose(row, alone.numpy(), atol=1e-5)
    assert classifier.lengths([" ".join(["joy"] * 100)]).unread[0] > 0
    assert classifier.fingerprint() is not None
    bare = tmp_path / "bare"
    transformers.DebertaV2Model(config).save_pretrained(bare)
    transformers.PreTrainedTokenizerFast(**tokens).save_pretrained(bare)
    with pytest.raises(ModelFolderError, match="would draw classifier"):
        open_door(bare)
