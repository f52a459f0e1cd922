"""`fathom evaluate`: how right a classifier, or a prompted language model, is on labelled texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fathom.cli.console import Bar, emit, percent, percent_with_interval, say, table
from fathom.cli.options import AnswerPrecision, Device, Json, Precision

if TYPE_CHECKING:
    from fathom.limits.statistics import PairedTest
    from fathom.pipeline.evaluate import Evaluation, Score
    from fathom.pipeline.in_context import Answered, InContext, Mean


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A folder, a name or hf:owner/name.")],
    data: Annotated[str, typer.Option(help="A name, a path or hf:owner/name, with labels.")],
    split: Annotated[str | None, typer.Option(help="Which part of the data. [default: test, where there is one]")] = None,
    text: Annotated[str | None, typer.Option(help="The column with the texts. [default: found]")] = None,
    label: Annotated[str | None, typer.Option(help="The column with the labels. [default: found]")] = None,
    pair: Annotated[str | None, typer.Option(help="The column with second texts.")] = None,
    exclude: Annotated[str | None, typer.Option(help="A yes/no column; rows that say yes are left out.")] = None,
    baseline: Annotated[bool, typer.Option("--baseline", help="Also fit a bag of words on the same training data.")] = False,
    shots: Annotated[
        int | None,
        typer.Option(metavar="K", min=0, help="Of a language model: K labelled texts in its prompt; no weight changes."),
    ] = None,
    orderings: Annotated[
        int | None, typer.Option(min=1, help="With --shots: how often demonstrations are drawn and ordered. [default: 5]")
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            help="With --shots: what is written around {text}, up to {label}; \\n is a new line. [default: "
            "Text: {text}\\nLabel: {label}]"
        ),
    ] = None,
    label_words: Annotated[
        str | None, typer.Option(metavar="A=B,…", help="With --shots: words that stand for labels, negative=bad,positive=good.")
    ] = None,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="With --shots: divide a label's log-probability by its bytes.")
    ] = False,
    text_tokens: Annotated[
        int | None, typer.Option(min=1, help="With --shots: keep the first so many tokens of each text. [default: all]")
    ] = None,
    train_split: Annotated[
        str | None,
        typer.Option(help="With --shots: the part that demonstrations are from. [default: train, or a fifth of the rows]"),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="With --shots: no demonstration shares the value of this column with a text.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=2, help="With --shots: measure on so many texts, drawn by the seed.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="With --shots: decides everything random. [default: 0]")] = None,
    record: Annotated[Path | None, typer.Option(help="Write everything that was measured to this JSON file.")] = None,
    device: Device = None,
    precision: AnswerPrecision = Precision.FLOAT32,
    json: Json = False,
) -> None:
    """Measure a classifier: accuracy with its 95 % interval, calibration, and how many of the texts it was trained on.

    With --shots, measure what a language model does with labelled texts in its prompt, beside always saying the most
    frequent label and beside the same texts with their labels shuffled. It answers with the likeliest label.

    Example: fathom evaluate runs/imdb-minilm --data imdb --baseline

    Example: fathom evaluate smollm2 --data reviews.csv --shots 4
    """
    from fathom.checkpoint import to_json
    from fathom.data import Columns
    from fathom.errors import SettingsError
    from fathom.folders import write_text_atomically
    from fathom.pipeline.evaluate import evaluate_folder
    from fathom.pipeline.in_context import InContextSettings, evaluate_in_context

    bar: Bar | None = None

    def on_phase(phase: str) -> None:
        if not json:
            say(phase)

    def on_batch(rows: int, total: int | None = None) -> None:
        nonlocal bar
        bar = bar or Bar("answering", total=total, unit="texts" if total is None else "prompts", quiet=json).__enter__()
        bar.advance(rows)

    asked: dict[str, Any] = {
        "orderings": orderings,
        "prompt": None if prompt is None else prompt.replace("\\n", "\n"),
        "label_words": None if label_words is None else _label_words(label_words),
        "normalise": normalise or None,
        "text_tokens": text_tokens,
        "seed": seed,
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    _check_shots(shots, baseline, {**asked, "group": group, "limit": limit, "train_split": train_split})
    if shots is not None and precision is not Precision.FLOAT32:
        raise SettingsError(
            f"--shots came with --precision {precision.value}", expected="float32 for prompts", do="leave --precision out"
        )
    columns = Columns(text=text, label=label, pair=pair, group=group, exclude=exclude)
    try:
        if shots is None:
            evaluation, _, found = evaluate_folder(
                model,
                data,
                split=split,
                columns=columns,
                with_baseline=baseline,
                device=device,
                precision=precision.value,
                on_phase=on_phase,
                on_batch=on_batch,
            )
            shown = _text(evaluation)
        else:
            in_context, found = evaluate_in_context(
                model,
                data,
                InContextSettings(shots=shots, **asked),
                split=split,
                train_split=train_split,
                limit=limit,
                columns=columns,
                device=device,
                on_phase=on_phase,
                on_batch=on_batch,
            )
            shown = _in_context_text(in_context, found)
    finally:
        if bar is not None:
            bar.__exit__(None, None, None)
    if record is not None:
        write_text_atomically(record, to_json(found))
    emit(found, json=json, text=shown)


def _text(found: Evaluation) -> str:
    lines = [f"right: {percent_with_interval(found.score.accuracy, found.score.interval, 2)}, n = {found.score.n:,}"]
    if found.seen == found.score.n:
        lines.append("all of the texts were in its training data: this is a figure of memory")
    elif found.seen:
        clean = percent_with_interval(found.without_seen.accuracy, found.without_seen.interval, 2)
        lines.append(f"{found.seen:,} of the texts were in its training data; without them: {clean}")
    if found.duplicates:
        lines.append(f"{found.duplicates:,} {'text repeats' if found.duplicates == 1 else 'texts repeat'} another one")
    if found.baseline is not None:
        beside = found.baseline
        lines += _beside(beside.units, "", beside.score, beside.paired)
        if 0 < found.seen < found.score.n:
            lines += _beside(beside.units, " without them", beside.without_seen, beside.paired_without_seen)
    floor, high = found.calibration_floor
    lines.append(
        f"calibration error: {found.calibration_error:.4f} (a perfectly calibrated model reads {floor:.4f}, at most {high:.4f})"
    )
    if found.truncated_share:
        lines.append(f"{percent(found.truncated_share)} of the texts are longer than the model reads")
    rows = [
        [name, percent(scores.precision), percent(scores.recall), percent(scores.f1), f"{scores.n:,}"]
        for name, scores in found.by_label.items()
    ]
    lines += ["", table(rows, ["label", "precision", "recall", "F1", "texts"]), ""]
    lengths = [
        [f"{part.shortest:,} to {part.longest:,}", percent_with_interval(part.accuracy, part.interval), f"{part.n:,}"]
        for part in found.by_length
    ]
    lines.append(table(lengths, ["tokens", "right", "texts"]))
    return "\n".join(lines)


def _beside(units: str, where: str, score: Score, paired: PairedTest) -> list[str]:
    low, high = paired.interval
    return [
        f"bag of {units}{where}: {percent_with_interval(score.accuracy, score.interval, 2)}",
        f"difference{where}: {100 * paired.difference:+.2f} points ({100 * low:+.2f} to {100 * high:+.2f}), "
        f"exact McNemar p = {paired.p_value:.2g}",
    ]


def _check_shots(shots: int | None, baseline: bool, asked: dict[str, Any]) -> None:
    """Flags that say nothing without --shots, or nothing with it."""
    from fathom.errors import SettingsError

    given = [f"--{name.replace('_', '-')}" for name, value in asked.items() if value is not None]
    if shots is None and given:
        raise SettingsError(
            f"{', '.join(given)} came without --shots",
            expected="a language model and a number of demonstrations",
            do="add --shots K, or leave them out",
        )
    if shots is not None and baseline:
        raise SettingsError(
            "--shots and --baseline were both given, but a prompted language model has no labelled training data",
            do="leave one of the two out",
        )


def _label_words(given: str) -> dict[str, str]:
    """negative=bad,positive=good as a mapping."""
    from fathom.errors import SettingsError

    parts = [part.partition("=") for part in given.split(",")]
    words = {label.strip(): word.strip() for label, _, word in parts}
    if len(words) < len(parts) or not all(label and word for label, word in words.items()):
        raise SettingsError(f"--label-words {given}", expected="a word for each label, such as negative=bad,positive=good")
    return words


def _in_context_text(found: InContext, record: dict[str, Any]) -> str:
    what = found.demonstrated
    available, words = record["available"], zip(found.labels, found.words, strict=True)
    sampled = f", drawn from {available:,} by seed {record['settings']['seed']}" if found.n < available else ""
    lines = [
        f"{found.n:,} texts{sampled}; demonstrations from {found.pool:,} others ({record['demonstrations_from']})",
        f"prompt: {found.prompt!r}, where the label is {', '.join(f'{word!r} for {label!r}' for label, word in words)}",
    ]
    if found.cut:
        lines.append(f"{found.cut:,} of the texts were cut to {record['settings']['text_tokens']:,} tokens")
    if record["seen"]:
        lines.append(f"{record['seen']:,} of the texts were in its training data")
    elif record["seen"] is None:
        lines.append("which texts the model was pre-trained on is not known; these may be among them")
    score = found.majority
    lines += ["", f"always {found.most_frequent!r}: {percent_with_interval(score.accuracy, score.interval)}"]
    score = found.zero.score
    lines.append(f"no demonstrations: {percent_with_interval(score.accuracy, score.interval)}{_mcnemar(found.zero)}")
    if what is not None:
        over = "orderings and texts" if len(what.orderings) > 1 else "texts; there is one ordering"
        shots = "1 demonstration" if found.shots == 1 else f"{found.shots} demonstrations"
        lines.append(f"{shots}: {_mean(what.accuracy)}, mean and interval over {over}")
        if what.shuffled is not None:
            lines.append(f"the same with their labels shuffled: {_mean(what.shuffled)}")
        lines += ["", table(*_orderings(found)), "p: exact McNemar test"]
    return "\n".join([*lines, "", *record["conclusions"]])


def _orderings(found: InContext) -> tuple[list[list[str]], list[str]]:
    """A line for each ordering."""
    assert found.demonstrated is not None
    headers = ["ordering", "right", f"says {found.most_frequent}", f"p beside always {found.most_frequent}"]
    rows = []
    for number, ordering in enumerate(found.demonstrated.orderings, start=1):
        given = ordering.given
        share = percent(given.said[found.most_frequent] / found.n)
        rows.append([str(number), percent_with_interval(given.score.accuracy, given.score.interval), share])
        rows[-1].append(f"{given.beyond_majority.p_value:.2g}")
        if ordering.shuffled is not None and ordering.beyond_shuffled is not None:
            rows[-1] += [percent(ordering.shuffled.score.accuracy), f"{ordering.beyond_shuffled.p_value:.2g}"]
    return rows, headers + (["labels shuffled", "p beside shuffled"] if found.shots > 1 else [])


def _mean(mean: Mean) -> str:
    return percent_with_interval(mean.value, mean.interval)


def _mcnemar(answered: Answered) -> str:
    return f", exact McNemar p = {answered.beyond_majority.p_value:.2g} beside that"
