"""`fathom predict`: what a model says of texts, from arguments, files or standard input, as they come."""

from __future__ import annotations

import json as json_module
import os
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fathom.cli.console import Bar, percent, say, standard_input, starting
from fathom.cli.options import AnswerPrecision, Device, Json, Precision

if TYPE_CHECKING:
    from fathom.data import Example
    from fathom.inference import Prediction, Predictor
    from fathom.limits.guard import Guarded
    from fathom.limits.policy import Decision


# torch's library for matrix products prepares kernels for each new shape and keeps 1,024 of a kind, some hundred megabytes once
# many texts have brought that many. It reads this when torch is imported. What was kept is rarely of use for the next batch.
_KEPT_KERNELS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "32", "LRU_CACHE_CAPACITY": "32"}


def predict(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A folder or hf:owner/name.")],
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="Texts; none: one a line from standard input.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="A file with texts, a name or hf:owner/name, instead of TEXT.")] = None,
    split: Annotated[str | None, typer.Option(help="Which part of the data.")] = None,
    text: Annotated[str | None, typer.Option(help="The column with the texts. [default: found]")] = None,
    pair: Annotated[str | None, typer.Option(help="The column with second texts.")] = None,
    question: Annotated[str | None, typer.Option(help="Of a model that finds answers: what each text is asked.")] = None,
    policy: Annotated[
        bool,
        typer.Option("--policy", help="Of a classifier that was audited: answer, warn or abstain, as its limits.json says."),
    ] = False,
    limits: Annotated[
        Path | None, typer.Option(help="With --policy: the record, or its folder. [default: in the model's folder]")
    ] = None,
    device: Device = None,
    precision: AnswerPrecision = Precision.FLOAT32,
    json: Json = False,
) -> None:
    """Answer for texts what the model was trained for. With --json, one JSON object a line.

    A classifier labels: text, label, confidence, scores, unread (the tokens of a text that it did not see because the text is
    longer than it reads). A tagger gives entities, a model that finds answers the answer to --question, and a model of hidden
    tokens what it would put in their place.

    With --policy a classifier abstains where its record promises nothing (`fathom limits`); JSON has also action, answer (null
    where it abstains), because (the limits that fired) and labels (the set that holds the true one as often as promised).

    Example: fathom predict runs/quickstart/model "A joy from start to finish."

    Example: fathom predict runs/quickstart/model --json < reviews.txt > answers.jsonl
    """
    os.environ.update({name: count for name, count in _KEPT_KERNELS.items() if name not in os.environ})
    with starting():
        from fathom.data import Columns, Example, open_data
        from fathom.errors import SettingsError
        from fathom.inference import Predictor

    if texts and data is not None:
        raise SettingsError("both TEXT and --data were given", expected="one of them")
    if limits is not None and not policy:
        raise SettingsError("--limits came without --policy", expected="both", do="add --policy, or leave --limits out")
    if policy and precision is not Precision.FLOAT32:
        raise SettingsError(
            f"--policy came with --precision {precision.value}",
            expected="float32, in which the limits were measured",
            do="leave --precision out",
        )
    with starting():
        guarded = _guarded(model, limits, device) if policy else None
        predictor = Predictor.load(model, device=device, precision=precision.value) if guarded is None else guarded.predictor
    chunk = 1024
    if texts:
        examples: Iterator[Example] = (Example(given) for given in texts)
    elif data is not None:
        source = open_data(data, split=split, columns=Columns(text=text, pair=pair), labelled=False)
        examples = iter(source)
    else:
        if sys.stdin.isatty():
            say("type a text and press Enter; Ctrl-D ends")
            chunk = 1
        examples = (Example(line) for line in standard_input())
    answers = _answers(predictor, examples, chunk, question, guarded)
    with Bar("answering", total=None, unit="texts", quiet=json or sys.stdout.isatty()) as bar:
        for found, shown in answers:
            print(json_module.dumps(found, ensure_ascii=False) if json else shown, flush=chunk == 1)
            bar.advance(1)


def _answers(
    predictor: Predictor, examples: Iterator[Example], chunk: int, question: str | None, guarded: Guarded | None
) -> Iterator[tuple[dict[str, Any], str]]:
    """Each answer as JSON has it and as a person reads it, by what the model is for."""
    from dataclasses import asdict

    from fathom.errors import SettingsError

    task = predictor.about.task
    if question is not None and task != "span":
        raise SettingsError(f"--question was given to a model for the task {task!r}", expected="one that finds answers")
    if task not in ("token", "span", "masked", "pretraining"):
        if guarded is None:
            for prediction in predictor.stream(examples, chunk=chunk):
                yield _as_dict(prediction), _as_text(prediction)
        else:
            for prediction, decision in guarded.stream(examples, chunk=chunk):
                yield _as_dict(prediction) | _decided(decision), _decided_text(prediction, decision)
        return
    while batch := list(islice(examples, chunk)):
        texts = [example.text for example in batch]
        if task != "span" and any(example.pair is not None for example in batch):
            raise SettingsError(f"second texts were given to a model for the task {task!r}", expected="single texts")
        if task == "token":
            for text, entities in zip(texts, predictor.tag(texts), strict=True):
                lines = [f"{entity.label}  {percent(entity.confidence)}  {entity.text}" for entity in entities]
                yield {"text": text, "entities": [asdict(entity) for entity in entities]}, "\n".join(lines or ["nothing"])
        elif task == "span":
            asked = _questions(batch, question)
            for text, one, answer in zip(texts, asked, predictor.answer(asked, texts), strict=True):
                said = "the text does not say" if answer.text is None else answer.text
                yield {"question": one, "text": text, "answer": asdict(answer)}, f"{percent(answer.confidence)}  {said}"
        else:
            for text, places in zip(texts, predictor.fill(texts), strict=True):
                lines = [f"{percent(fill.probability)}  {fill.token}  {fill.text}" for fills in places for fill in fills]
                yield {"text": text, "fills": [[asdict(fill) for fill in fills] for fills in places]}, "\n".join(lines)


def _questions(batch: list[Example], question: str | None) -> list[str]:
    """One a text: its own second text, or the same for all."""
    from fathom.errors import SettingsError

    if question is None and any(example.pair is None for example in batch):
        raise SettingsError(
            "this model finds answers in texts, and was asked nothing", expected="--question, or --pair COLUMN with questions"
        )
    return [question if example.pair is None else example.pair for example in batch]  # type: ignore[misc]


def _as_dict(prediction: Prediction) -> dict[str, Any]:
    return {
        "text": prediction.text,
        "label": prediction.label,
        "confidence": round(prediction.confidence, 6),
        "scores": {label: round(score, 6) for label, score in prediction.scores.items()},
        "unread": prediction.unread,
    }


def _guarded(model: str, record: Path | None, device: str | None) -> Guarded:
    from fathom.limits.guard import Guarded

    return Guarded.load(model, record=record, device=device)


def _decided(decision: Decision) -> dict[str, Any]:
    return {
        "action": decision.action,
        "answer": decision.label,
        "confidence": round(decision.confidence, 6),
        "because": list(decision.because),
        "labels": decision.labels,
    }


def _decided_text(prediction: Prediction, decision: Decision) -> str:
    why = f"  [{decision.action}: {', '.join(decision.because)}]" if decision.because else ""
    text = _shown(prediction.text)
    return f"{decision.label or '—'}  {percent(decision.confidence)}  {text}{why}"


def _shown(given: str) -> str:
    text = " ".join(given.split())
    return text if len(text) <= 100 else text[:99] + "…"


def _as_text(prediction: Prediction) -> str:
    left_out = f"  [{prediction.unread:,} tokens not read]" if prediction.unread else ""
    return f"{prediction.label}  {percent(prediction.confidence)}  {_shown(prediction.text)}{left_out}"
