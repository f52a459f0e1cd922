"""Bits per byte of held-out documents: a causal and a permutation model of one size, an n-gram model, and xz.

All of them are asked the same: every token of every held-out document once, with the number of its tokens given. The tokens are
those of one byte-level BPE, from which the text comes back byte for byte, so bits a byte compare across all of them.

    causal        Σ −log₂ p(token | [CLS], those before it)
    permutation   the same sum in an order of factorisation: from left to right, or a drawn one. In either, each token is
                  predicted once, from those before it in the order and never from itself, so the product is a probability of
                  the document (tests/benchmarks/test_curves.py adds it up over all documents of a small vocabulary: 1). The
                  model is trained to predict all tokens of a row (`predicted: 1`); one of 6, as XLNet is trained, never
                  shows it a short context
    Kneser–Ney    Σ −log₂ p(token | the n − 1 before it); n chosen on documents kept from the training ones
    xz -9e        8 · bytes, with a dictionary as large as the text: of the held-out documents alone, and of training and
                  held-out documents together minus training documents alone. It spends bits on where documents end, too

A document longer than a row is read in windows, each token predicted in one of them: the first window predicts all of its
tokens, a later one the last half of its own, from the half before. [SEP] ends each window, as in training; the permutation
model sees it there, the causal one does not, and neither is charged for it.

The learning curve is of what the runs measured themselves while they trained: rows in which each piece stands alone, so with
less context than in the windows.
"""

from __future__ import annotations

import json
import lzma
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from drawing import STYLE, as_svg
from kneser_ney import KneserNey
from matplotlib.figure import Figure
from steps import kept, pretrained, say, summary, write_record
from torch import Tensor

from fathom.checkpoint import load_model
from fathom.data import Batch, Corpus, CorpusSettings, build_corpus, open_data
from fathom.errors import DataError
from fathom.folders import write_text_atomically
from fathom.model import LanguageModel
from fathom.objectives import CausalLanguage, PermutationLanguage
from fathom.objectives.permutation import Factorisation
from fathom.pipeline.run import run_vocabulary
from fathom.pipeline.settings import PretrainSettings, VocabularySettings
from fathom.text import Tokenizer
from fathom.training.loop import METRICS

SHARES = (1 / 64, 1 / 16, 1 / 4, 1.0)  # of the training documents, from which n-grams are counted
ORDERS = (2, 3, 4, 5)
_BATCH_TOKENS = 8192


@dataclass(frozen=True)
class Window:
    """A stretch of a document as a model reads it."""

    token_ids: np.ndarray  # with the special tokens around it
    start: int  # the first place that is predicted
    stop: int  # after the last one


def windows(tokens: np.ndarray, length: int, before: Sequence[int], after: Sequence[int]) -> Iterator[Window]:
    """Windows of `length` tokens at most, in which each token of a document is predicted once."""
    room = length - len(before) - len(after)
    step = max(1, room // 2)
    done = 0
    while done < len(tokens):
        end = min(room if done == 0 else done + step, len(tokens))
        begin = max(0, done + step - room)
        ids = np.concatenate([before, tokens[begin:end], after]).astype(np.int64)
        yield Window(ids, len(before) + done - begin, len(before) + end - begin)
        done = end


@dataclass
class InOrder(PermutationLanguage):
    """Predicts the places it is told to, all of them, in a given kind of order."""

    left_to_right: bool = True
    asked: Tensor | None = field(default=None, repr=False)  # (B, L) booleans, set before each batch

    def factorise(self, batch: Batch, generator: torch.Generator | None = None) -> Factorisation:
        """The asked places of each row by column, or as drawn; everything else is seen from the start."""
        assert self.asked is not None
        rows, length = self.asked.shape
        numbers = torch.arange(length).expand(rows, length)
        order = self.keys(rows, length, generator).masked_fill(~self.asked, torch.inf).argsort(dim=1, stable=True)
        count = self.asked.sum(dim=1, keepdim=True)
        ranks = torch.zeros_like(order).scatter(1, order, numbers + 1) * self.asked
        most = int(count.max())
        return Factorisation(ranks, order[:, :most], numbers[:, :most] < count)

    def keys(self, rows: int, length: int, generator: torch.Generator | None) -> Tensor:
        """(B, L) what the places of each row are ordered by."""
        if self.left_to_right:
            return torch.arange(length, dtype=torch.double).repeat(rows, 1)
        return torch.rand(rows, length, generator=generator, dtype=torch.double)


def document_nats(
    model: LanguageModel,
    asks: CausalLanguage | InOrder,
    documents: Sequence[np.ndarray],
    tokenizer: Tokenizer,
    length: int,
) -> np.ndarray:
    """(documents,) −ln p of each."""
    frame = tokenizer.frame()
    found = [(n, window) for n, one in enumerate(documents) for window in windows(one, length, frame.before, frame.after)]
    found.sort(key=lambda pair: len(pair[1].token_ids))
    nats, answered = np.zeros(len(documents)), 0
    generator = torch.Generator().manual_seed(0)
    rows = max(1, _BATCH_TOKENS // length)
    model.eval()
    for begin in range(0, len(found), rows):
        some = found[begin : begin + rows]
        batch, asked = _batch([window for _, window in some], tokenizer.pad_id)
        if isinstance(asks, InOrder):
            asks.asked = asked
        with torch.no_grad():
            answers = asks.answers(model, batch, generator)
        question = answers.question
        inside = asked[question.rows, question.columns]
        owners = np.array([number for number, _ in some])[question.rows[inside].numpy()]
        np.add.at(nats, owners, answers.nats[inside].double().numpy())
        answered += int(inside.sum())
    if answered != sum(map(len, documents)):
        raise DataError(f"{answered:,} tokens were predicted", expected=f"each of {sum(map(len, documents)):,} once")
    return nats


def _batch(some: Sequence[Window], pad_id: int) -> tuple[Batch, Tensor]:
    longest = max(len(window.token_ids) for window in some)
    token_ids = torch.full((len(some), longest), pad_id)
    padding, asked = torch.ones(len(some), longest, dtype=torch.bool), torch.zeros(len(some), longest, dtype=torch.bool)
    for row, window in enumerate(some):
        token_ids[row, : len(window.token_ids)] = torch.from_numpy(window.token_ids)
        padding[row, : len(window.token_ids)] = False
        asked[row, window.start : window.stop] = True
    mask = padding if padding.any() else None
    batch = Batch(token_ids, mask, None, None, list(range(len(some))), tokens=int((~padding).sum()))
    return batch, asked


def xz_bytes(text: bytes) -> int:
    """Bytes of `xz -9e` with a dictionary that holds all of the text."""
    size = min(max(len(text), 2**16), 2**32 - 1)
    return len(lzma.compress(text, filters=[{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": size}]))


def curves(settings: dict[str, PretrainSettings], folder: Path, *, vocab_size: int, record: Path, picture: Path) -> None:
    """Trains what is missing, measures everything and writes the record and its picture.

    Args:
        settings: of the two models, without a vocabulary.
    """
    vocabulary = VocabularySettings(kind="bpe", size=vocab_size, lowercase=False)
    any_of_them = settings["causal"]
    assert any_of_them.data is not None
    documents = open_data(any_of_them.data, split=any_of_them.split, labelled=False)
    say(f"— {folder / 'vocabulary'}")
    tokenizer = run_vocabulary(vocabulary, _Readable(documents), folder / "vocabulary", markup=True)[0]
    shared = {"vocabulary": vocabulary.model_copy(update={"folder": folder / "vocabulary"})}
    settings = {name: one.model_copy(update=shared) for name, one in settings.items()}
    made_by = {name: pretrained(one, folder / name) for name, one in settings.items()}
    seed = any_of_them.training.seed
    corpus = build_corpus(
        documents, tokenizer, folder / "corpus", CorpusSettings(sentences=None, held_out=any_of_them.held_out, seed=seed)
    )
    train, held_out = ([corpus.tokens(number) for number in corpus.documents(part)] for part in ("train", "held-out"))
    text_bytes = int(corpus.text_bytes[corpus.documents("held-out")].sum())
    asked = {
        "corpus": corpus.manifest.texts_sha256,
        "tokenizer": tokenizer.digest,
        "held_out": any_of_them.held_out,
        "seed": seed,
    }

    def neural(name: str) -> dict[str, Any]:
        return _neural(name, folder / name, held_out, text_bytes, settings[name].max_length)

    by_model = {name: neural(name) for name in settings}
    counted = kept(
        folder / "kneser-ney.bits.json",
        {**asked, "shares": SHARES, "orders": ORDERS},
        lambda: _kneser_ney(train, held_out, text_bytes, tokenizer.vocab_size),
    )
    packed = kept(folder / "xz.bits.json", asked, lambda: _xz(corpus, tokenizer, text_bytes))
    found = {
        "name": "pretraining-curves",
        "data": f"{any_of_them.data} ({any_of_them.split})",
        "data_league": f"text: {any_of_them.data} ({any_of_them.split}) without labels, nothing else",
        "documents": corpus.manifest.documents,
        "train": {"tokens": sum(map(len, train)), "bytes": int(corpus.text_bytes[corpus.documents("train")].sum())},
        "held_out": {"tokens": sum(map(len, held_out)), "bytes": text_bytes},
        "models": {
            name: {
                **by_model[name],
                "curve": _curve(folder / name, sum(map(len, held_out)), text_bytes),
                "made_by": summary(made_by[name]),
            }
            for name in made_by
        },
        "kneser_ney": counted,
        "xz": packed,
    }
    write_record(record, found)
    write_text_atomically(picture, draw(found))


@dataclass(frozen=True)
class _Readable:
    """Texts of examples, more than once."""

    examples: Any

    def __iter__(self) -> Iterator[str]:
        return (example.text for example in self.examples)


def _neural(name: str, folder: Path, held_out: list[np.ndarray], text_bytes: int, length: int) -> dict[str, Any]:
    loaded = load_model(folder)
    model, tokenizer = loaded.model, loaded.tokenizer
    assert isinstance(model, LanguageModel)
    parameters = {
        "all": sum(parameter.numel() for parameter in model.parameters()),
        "in_blocks": sum(parameter.numel() for parameter in model.transformer.blocks.parameters()),
    }
    if name == "causal":
        ways = {"left_to_right": document_nats(model, CausalLanguage(), held_out, tokenizer, length)}
    else:
        ways = {
            way: document_nats(model, InOrder(tokenizer.special_ids, left_to_right=first), held_out, tokenizer, length)
            for way, first in (("left_to_right", True), ("drawn_order", False))
        }
    return {"parameters": parameters, **{way: _bits(nats, held_out, text_bytes) for way, nats in ways.items()}}


def _bits(nats: np.ndarray, documents: Sequence[np.ndarray], text_bytes: int) -> dict[str, float]:
    total = float(nats.sum())
    return {"bits_per_byte": total / math.log(2) / text_bytes, "nats_per_token": total / sum(map(len, documents))}


def _kneser_ney(train: list[np.ndarray], held_out: list[np.ndarray], text_bytes: int, vocab_size: int) -> dict[str, Any]:
    """By share of the training documents; the order is the best one on a fiftieth of them, which is counted at the end."""
    order = np.random.default_rng(0).permutation(len(train))
    size = max(1, len(train) // 50)
    dev, rest = [train[row] for row in order[:size]], [train[row] for row in order[size:]]
    found = []
    for share in SHARES:
        documents = rest[: max(1, round(share * len(rest)))]
        model = KneserNey(documents, vocab_size=vocab_size, longest=max(ORDERS))
        on_dev = {n: float(model.nats(dev, n).mean()) for n in ORDERS}
        best = min(on_dev, key=on_dev.__getitem__)
        if share == 1:
            documents = train
            model = KneserNey(train, vocab_size=vocab_size, longest=best)
        found.append(
            {
                "documents": len(documents),
                "tokens": sum(map(len, documents)),
                "order": best,
                "dev_nats_per_token": {str(n): value for n, value in on_dev.items()},
                **_bits(model.nats(held_out, best), held_out, text_bytes),
            }
        )
        say(f"Kneser–Ney, {found[-1]['tokens']:,} tokens, order {best}: {found[-1]['bits_per_byte']:.4f} bits per byte")
    return {"dev_documents": size, "by_size": found, "best": found[-1]}


def _xz(corpus: Corpus, tokenizer: Tokenizer, text_bytes: int) -> dict[str, Any]:
    held_out, train = (
        [tokenizer.decode(corpus.tokens(number).tolist()).encode() for number in corpus.documents(part)]
        for part in ("held-out", "train")
    )
    if sum(map(len, held_out)) != text_bytes:
        raise DataError(
            f"the held-out documents have {text_bytes:,} bytes, and {sum(map(len, held_out)):,} come back from their tokens",
            expected="a vocabulary that loses nothing",
        )
    alone, before, both = (xz_bytes(b"\n".join(texts)) for texts in (held_out, train, train + held_out))
    return {
        "held_out_alone": {"bytes": alone, "bits_per_byte": 8 * alone / text_bytes},
        "after_training_text": {"bytes": both - before, "bits_per_byte": 8 * (both - before) / text_bytes},
    }


def _curve(folder: Path, tokens: int, text_bytes: int) -> list[dict[str, float]]:
    """What a run measured while it trained: (tokens seen, bits per byte)."""
    seen, points = 0, []
    for line in (folder / METRICS).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if "tokens" in entry:
            seen = entry["tokens"]
        elif "score" in entry:
            bits = entry["loss"] * tokens / text_bytes / math.log(2)
            points.append({"step": entry["step"], "tokens": seen, "nats_per_token": entry["loss"], "bits_per_byte": bits})
    return points


_COLOURS = {"causal": "#1f5fae", "permutation": "#b5521b", "kneser_ney": "#3a7d44", "xz": "#777777"}


def figure(record: dict[str, Any]) -> Figure:
    """Bits per byte against tokens of training text."""
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(7, 4.2), layout="constrained")
        axes = drawn.add_subplot()
        for name, held in record["models"].items():
            points = [(point["tokens"], point["bits_per_byte"]) for point in held["curve"]]
            said = f"{name}, {held['parameters']['all'] / 1e6:.1f} M parameters"
            axes.plot(*zip(*points, strict=True), "o-", color=_COLOURS[name], markersize=3.5, label=said)
        counted = [(point["tokens"], point["bits_per_byte"]) for point in record["kneser_ney"]["by_size"]]
        said = f"Kneser–Ney n-grams (n = {record['kneser_ney']['best']['order']} on all)"
        axes.plot(*zip(*counted, strict=True), "s--", color=_COLOURS["kneser_ney"], markersize=4, label=said)
        bits = record["xz"]["after_training_text"]["bits_per_byte"]
        axes.axhline(bits, color=_COLOURS["xz"], linewidth=1.2, linestyle=":", label="xz -9e, after the training text")
        axes.set_xscale("log")
        axes.set_xlabel("tokens of training text read")
        axes.set_ylabel("bits per byte, held-out documents")
        axes.legend(frameon=False, fontsize=9.5)
        return drawn


def draw(record: dict[str, Any]) -> str:
    """The picture as an SVG file that is the same every time it is made from the same record."""
    return as_svg(figure(record), "pretraining-curves")
