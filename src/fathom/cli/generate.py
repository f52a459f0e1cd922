"""`fathom generate`: text from prompts, streamed as it is written; or a conversation."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from fathom.cli.console import Bar, say, standard_input, starting
from fathom.cli.options import Device, Json, Seed

if TYPE_CHECKING:
    from fathom.inference import Generation, GenerationSettings, Piece, Writer
    from fathom.text import Message

_AT_ONCE = 16  # prompts that are answered together


def generate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A folder, a name or hf:owner/name.")],
    prompts: Annotated[
        list[str] | None, typer.Argument(metavar="PROMPT", help="Prompts; none: one a line from standard input.")
    ] = None,
    data: Annotated[str | None, typer.Option(help="A file with prompts, a name or hf:owner/name, instead of PROMPT.")] = None,
    split: Annotated[str | None, typer.Option(help="Which part of the data.")] = None,
    text: Annotated[str | None, typer.Option(help="The column with the prompts. [default: found]")] = None,
    chat: Annotated[
        bool,
        typer.Option("--chat", help="Each prompt is a message, put into the model's own chat template; no prompt: a talk."),
    ] = False,
    system: Annotated[str | None, typer.Option(help="With --chat: what the model is told before all messages.")] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(help="Tokens to write at most. [default: 256, or what the model has room for]")
    ] = None,
    temperature: Annotated[float, typer.Option(help="Higher is more varied; 0 takes the likeliest token each time.")] = 0.0,
    top_k: Annotated[int | None, typer.Option(help="Draw among the K likeliest tokens.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw among the likeliest tokens that make up this share.")] = None,
    min_p: Annotated[float | None, typer.Option(help="Draw among tokens at least this likely, over the likeliest.")] = None,
    repetition_penalty: Annotated[float, typer.Option(help="Above 1: what was said becomes less likely.")] = 1.0,
    beams: Annotated[int, typer.Option(help="Beams of a beam search; 1: none.")] = 1,
    length_penalty: Annotated[float, typer.Option(help="Of a beam search; above 0 favours long answers.")] = 1.0,
    stop: Annotated[list[str] | None, typer.Option(help="A text that ends the answer, cut before it; repeatable.")] = None,
    samples: Annotated[int, typer.Option(help="Answers to each prompt.")] = 1,
    cut_prompt: Annotated[bool, typer.Option("--cut-prompt", help="Leave out the start of prompts that are too long.")] = False,
    seed: Seed = 0,
    device: Device = None,
    json: Json = False,
) -> None:
    """Write text. With --json, one JSON object a line: prompt, text, finish, tokens, seconds and more.

    `finish` is "eos" where the model ended its answer, "stop" at a --stop text, "length" where it may write no more.
    Without --temperature, the likeliest token is written each time.

    Example: fathom generate smollm2 "The capital of France is" --max-new-tokens 20

    Example: fathom generate smollm2 --chat "What is a lighthouse?" --temperature 0.7 --top-p 0.9

    Example: fathom generate runs/model --json --beams 4 < prompts.txt > answers.jsonl
    """
    with starting():
        from fathom.errors import SettingsError
        from fathom.inference import Predictor, make_settings

    if prompts and data is not None:
        raise SettingsError("both PROMPT and --data were given", expected="one of them")
    if system is not None and not chat:
        raise SettingsError("--system was given without --chat", expected="both, for a conversation")
    settings = make_settings(
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        beams=beams,
        length_penalty=length_penalty,
        stop=tuple(stop or ()),
        samples=samples,
        cut_prompt=cut_prompt,
        seed=seed,
    )
    with starting():
        writer = Predictor.load(model, device=device).writer
    if chat and not prompts and data is None and sys.stdin.isatty() and not json:
        _talk(writer, _system(system), settings)
        return
    if prompts and len(prompts) == 1 and samples == 1 and not json:
        _show(writer.stream(_framed(writer, prompts[0], chat, system), settings, framed=chat))
        return
    given = iter(prompts) if prompts else _prompts(data, split, text)
    with Bar("writing", total=len(prompts) if prompts else None, unit="prompts", quiet=json or sys.stdout.isatty()) as bar:
        while batch := list(islice(given, _AT_ONCE)):
            asked = [_framed(writer, prompt, chat, system) for prompt in batch]
            found = writer.generate(asked, settings, framed=chat)
            for number, generation in enumerate(found):
                prompt = batch[number // samples]
                print(_as_json(prompt, generation) if json else _as_text(prompt, generation), flush=True)
            bar.advance(len(batch))


def _prompts(data: str | None, split: str | None, text: str | None) -> Iterator[str]:
    """From a file, or the lines of standard input."""
    if data is not None:
        from fathom.data import Columns, open_data

        return (example.text for example in open_data(data, split=split, columns=Columns(text=text), labelled=False))
    if sys.stdin.isatty():
        say("type prompts, one a line; Ctrl-D ends")
    return standard_input()


def _framed(writer: Writer, prompt: str, chat: bool, system: str | None) -> str:
    return writer.chat_prompt([*_system(system), {"role": "user", "content": prompt}]) if chat else prompt


def _system(system: str | None) -> list[Message]:
    return [] if system is None else [{"role": "system", "content": system}]


def _show(pieces: Iterator[Piece]) -> str:
    """Prints an answer as it is written, and gives it back."""
    generation = None
    for piece in pieces:
        print(piece.text, end="", flush=True)
        generation = piece.generation
    print(flush=True)
    assert generation is not None  # the last piece brings it
    if generation.finish == "length":
        say(f"[stopped after {generation.tokens:,} tokens: --max-new-tokens]")
    if generation.unread:
        say(f"[{generation.unread:,} tokens of the prompt not read]")
    return generation.text


def _talk(writer: Writer, said: list[Message], settings: GenerationSettings) -> None:
    """A conversation; when it outgrows the model, the oldest messages after the system's are left out."""
    from fathom.errors import DataError

    first = len(said)
    say("type a message and press Enter; Ctrl-D ends")
    _ask()
    for message in standard_input():
        said.append({"role": "user", "content": message})
        pieces = None
        while pieces is None:
            try:
                pieces = writer.stream(writer.chat_prompt(said), settings, framed=True)
            except DataError:
                if len(said) <= first + 1:
                    raise
                del said[first : first + 2]
                say("[the oldest messages are no longer read]")
        said.append({"role": "assistant", "content": _show(pieces)})
        _ask()


def _ask() -> None:
    print("> ", end="", file=sys.stderr, flush=True)


def _as_json(prompt: str, generation: Generation) -> str:
    found = {
        "prompt": prompt,
        "text": generation.text,
        "finish": generation.finish,
        "tokens": generation.tokens,
        "seconds": round(generation.seconds, 3),
        "log_probability": round(generation.log_probability, 4),
        "prompt_tokens": generation.prompt_tokens,
        "unread": generation.unread,
    }
    return json_module.dumps(found, ensure_ascii=False)


def _as_text(prompt: str, generation: Generation) -> str:
    shown = " ".join(prompt.split())
    notes = [f"{generation.unread:,} tokens of the prompt not read"] if generation.unread else []
    notes += [f"stopped after {generation.tokens:,} tokens"] if generation.finish == "length" else []
    note = f"  [{'; '.join(notes)}]" if notes else ""
    return f"> {shown if len(shown) <= 100 else shown[:99] + '…'}\n{generation.text}{note}\n"
