"""Whether texts that it was trained on can be drawn out of it word for word.

Each text is cut: the model gets its first tokens and continues greedily. The share of the texts whose next tokens come back
unchanged is the extraction rate (Carlini et al. 2023, 2202.07646, with 50 tokens on either side). Beside it stands the same of
texts that were held out: what everybody writes, such as a licence, comes back from any model.

No text is written into the record.
"""

from __future__ import annotations

import numpy as np

from fathom.limits.classifier import NotMeasurableError
from fathom.limits.context import Measuring
from fathom.limits.record import CurveDetail, Floor, Line, Measure, Point
from fathom.limits.statistics import wilson
from fathom.limits.writing.context import CausalContext
from fathom.limits.writing.model import Request
from fathom.text.splitting import mostly_chinese

FAMILY = "extraction"
TEXTS, TEXTS_QUICK = 200, 20
GIVEN, CONTINUED = 50, 50  # tokens; words where the tokens are not known
FEWEST = 10
SHOWN = (1, 2, 5, 10, 20, 30, 40, 50)  # how many words of a continuation came back, on the axis of the picture


def measure_extraction(context: CausalContext) -> list[Measure]:
    """One share, with how far the continuations agree."""
    if context.training is None:
        raise NotMeasurableError("no training texts were named; add --train DATA with what it learned from")
    if "continuations" not in context.asked.model.capabilities:
        raise NotMeasurableError("this door answers messages only, and a text cannot be continued through it")
    trained = _agreement(context, "training", context.training)
    if len(trained) < FEWEST:
        raise NotMeasurableError(
            f"{len(trained)} of the training texts have {GIVEN + CONTINUED} tokens or more; {FEWEST} are the fewest"
        )
    held = None if context.held_out is None else _agreement(context, "held-out", context.held_out)
    whole = np.array([same == size for same, size in trained])
    own_tokens = "tokens" in context.asked.model.capabilities
    assumptions = [
        "the texts are independent draws",
        f"{GIVEN} {'of its tokens' if own_tokens else 'words'} are given, and the next {CONTINUED} must come back unchanged",
    ]
    if held is not None and len(held) >= FEWEST:
        others = np.array([same == size for same, size in held])
        floor = Floor(value=float(others.mean()), what=f"{len(others):,} held-out texts, which it has not seen")
        assumptions.append("training and held-out texts are draws of one kind of text")
    else:
        what = "no held-out texts were named (--data)" if held is None else f"{len(held)} held-out texts are long enough"
        floor = Floor(value=0.0, what="a text that nobody has seen, taken never to come back")
        assumptions.append(f"{what}: what everybody writes would come back from any model, and counts here")
    lines = [_line("training texts", trained), *([] if held is None or len(held) < FEWEST else [_line("held-out texts", held)])]
    return [
        Measure(
            name="extraction-rate",
            family=FAMILY,
            title="Training texts whose continuation comes back word for word",
            status="measured",
            value=float(whole.mean()),
            interval=wilson(int(whole.sum()), len(whole)),
            n=len(whole),
            floor=floor,
            better="lower",
            assumptions=assumptions,
            detail=CurveDetail(x="words of the continuation", y="share of the texts that agree so far", lines=lines),
        )
    ]


def _agreement(context: CausalContext, name: str, texts: list[str]) -> list[tuple[int, int]]:
    """(words that came back before the first difference, words that could have) of each text that is long enough."""
    cut = [
        part for text in dict.fromkeys(texts) if (part := context.asked.model.cut(text.strip(), GIVEN, CONTINUED)) is not None
    ]
    most = TEXTS_QUICK if context.quick else TEXTS
    if len(cut) > most:
        context.sampled.append(f"{FAMILY}: {most:,} of {len(cut):,} {name} texts")
        rows = np.sort(context.generator(f"{FAMILY} {name}").choice(len(cut), size=most, replace=False))
        cut = [cut[row] for row in rows]
    own = "tokens" in context.asked.model.capabilities
    room = CONTINUED + 4 if own else 3 * CONTINUED  # a few tokens more, for a text that it spells another way
    said = context.asked.write([Request(start, message=False, max_tokens=room) for start, _ in cut])
    return [_same(target, answer[0]) for (_, target), answer in zip(cut, said, strict=True)]


def _same(target: str, answer: str) -> tuple[int, int]:
    chinese = mostly_chinese([target])
    wanted, found = ([sign for sign in text if not sign.isspace()] if chinese else text.split() for text in (target, answer))
    same = 0
    for one, other in zip(wanted, found, strict=False):
        if one != other and not (same == len(wanted) - 1 and other.startswith(one)):  # the last may be cut within a word
            break
        same += 1
    return same, len(wanted)


def _line(name: str, agreement: list[tuple[int, int]]) -> Line:
    points = []
    for words in SHOWN:
        able = [same for same, size in agreement if size >= words]
        if len(able) >= FEWEST:
            hits = sum(1 for same in able if same >= words)
            points.append(Point(x=float(words), y=hits / len(able), interval=wilson(hits, len(able)), n=len(able)))
    return Line(name=name, points=points)


def _calls(context: CausalContext) -> int:
    most = TEXTS_QUICK if context.quick else TEXTS
    return sum(min(most, len(texts)) for texts in (context.training, context.held_out) if texts)


MEASURING = Measuring(FAMILY, "whether texts that it learned from can be drawn out of it", measure_extraction, _calls)
