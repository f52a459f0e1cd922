"""The page of a base model: what it learned from text without labels, beside what counting alone achieves.

It reads a `BaseModelRecord` and nothing else, and holds no text of the documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fathom.limits import charts
from fathom.limits.comparison import Making
from fathom.limits.report import Verdict, page_template, percent

_STILL = 0.01  # the loss fell by more than this share between the last two measurements: it had not finished learning

# what is measured, in words, and how it is written
_COLUMNS = {
    "loss": ("loss<small>nats an answer</small>", "{:.4f}"),
    "accuracy": ("right answers", "{:.1%}"),
    "bits_per_byte": ("bits a byte", "{:.4f}"),
    "relation_accuracy": ("pairs told rightly", "{:.1%}"),
    "replaced_accuracy": ("tokens rightly taken for kept or replaced", "{:.1%}"),
}


@dataclass(frozen=True)
class BaseModelRecord:
    """A finished pre-training run."""

    title: str
    asked: str  # what it was asked: "hidden tokens"
    documents: Mapping[str, int]  # {"train": …, "held-out": …}
    corpus_tokens: int
    text_bytes: int
    losses: Sequence[tuple[int, float]]  # (update, loss)
    evaluations: Sequence[Mapping[str, float]]  # "step" and scores, in the order in which they were measured
    kept: int  # the update whose weights were kept
    steps: int
    seconds: float
    tokens: int
    tokens_per_second: float
    flops_per_token: float
    peak: float  # FLOP/s
    utilisation: float  # MFU
    notes: Sequence[str]  # about the documents
    making: Making
    next_commands: Sequence[tuple[str, str]]  # and what each does


def render_base_model(record: BaseModelRecord) -> str:
    """The page."""
    shown = [name for name in _COLUMNS if name in record.evaluations[-1]]
    rows = [
        (int(e["step"]), [_COLUMNS[name][1].format(e[name]).replace("%", "\u00a0%") for name in shown])
        for e in record.evaluations
    ]
    return page_template("base_model.html.j2").render(
        c=record,
        verdict=base_model_verdict(record),
        finding="It knows more than counting tells" if _beats_counting(record) else "No better than counting yet",
        columns=[Markup(_COLUMNS[name][0]) for name in shown],
        rows=rows,
        pictures={
            "held_out": Markup(charts.held_out_chart(record.evaluations)),
            "training": Markup(charts.loss_chart(record.losses)),
        },
    )


def base_model_verdict(record: BaseModelRecord) -> Verdict:
    """What follows from the figures, by fixed rules."""
    kept = _kept(record)
    counting = min(kept["unigram_loss"], kept["bigram_loss"])
    read, held_out = (record.documents[part] for part in ("train", "held-out"))
    found = f"of the {record.asked} in {held_out:,} documents that it never saw it finds {percent(kept['accuracy'])}"
    if _beats_counting(record):
        trust = (
            f"Which words go with which in text like this: {found}, and its loss of {kept['loss']:.2f} nats is below the "
            f"{counting:.2f} of counting which token follows which."
        )
    else:
        loss = f"its loss is {kept['loss']:.2f} nats where counting alone has {counting:.2f}"
        trust = f"Nothing beyond counting yet: {found}, and {loss}."
    unknown = f"it has read {read:,} documents, and answered no question about them but this one"
    distrust = f"Facts, tasks, and any other kind of text: {unknown}."
    do = (
        "Fine-tune it on labelled texts, and measure the result beside a bag of words and beside the same network without "
        "pre-training."
    )
    if _still_learning(record):
        do = f"Train it longer if you can: its loss was still falling at the end. Then: {do[0].lower()}{do[1:]}"
    return Verdict(trust, distrust, do)


def _kept(record: BaseModelRecord) -> Mapping[str, float]:
    return next((e for e in record.evaluations if e["step"] == record.kept), record.evaluations[-1])


def _beats_counting(record: BaseModelRecord) -> bool:
    kept = _kept(record)
    return kept["loss"] < min(kept["unigram_loss"], kept["bigram_loss"])


def _still_learning(record: BaseModelRecord) -> bool:
    if len(record.evaluations) < 2:
        return False
    before, last = record.evaluations[-2]["loss"], record.evaluations[-1]["loss"]
    return last < (1 - _STILL) * before
