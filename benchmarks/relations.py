"""What a second task of pre-training teaches: hidden tokens alone, with the next sentence (BERT), with sentence order (ALBERT).

Three bases of one size, the same start, the same text, the same number of updates of the same number of places; the record has
the real tokens that each has read. They start from MiniLM, which can read: from random weights (`--model scratch`), four
million tokens teach no relation. Then, as in table 5 of Lan et al. (2020, 1909.11942):

    asked of the bases      hidden tokens; next sentence and sentence order, of pairs of held-out documents
        as trained          by the base's own head, also where it was trained for the other relation. Both heads say 0 where the
                            second text goes on after the first; nothing is trained
        probe               by a logistic regression of the frozen states ([CLS], the means a and b of both texts, |a − b|, a·b)
                            that learns from pairs of training documents
    fine-tuned              two tasks with real labels, the same settings for all bases, in folds: each part of the groups is
                            answered once, by a run that learned from the other parts, with a seed of its own
        answerable          SQuAD 2.0: does this paragraph answer this question? A group is an article
        better              counterfactual IMDB: is the first of a review and its minimally edited twin the kinder one?

Beside each stands chance, and a bag of words: TF-IDF of either text and the cosine between them, logistic regression. The
bases read IMDB's unlabelled half only, so no review of `better` was read before, but for copies.

Intervals draw whole documents, articles or pairs of reviews (`interval_by_group`). Each base was pre-trained once: they say
nothing of other seeds of pre-training.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from steps import finetuned, kept, pretrained, summary, write_record

from fathom.checkpoint import load_model, resolve_model
from fathom.checkpoint.weights import hash_of_weights
from fathom.data import Batch, Corpus, CorpusSettings, Example, build_corpus, open_data, plan_batches
from fathom.data.catalogue import DATA_FOLDER
from fathom.data.packing import PackedRows
from fathom.data.pairs import Relation, SentencePairs
from fathom.errors import DataError
from fathom.inference import Predictor
from fathom.limits.statistics import interval_by_group
from fathom.model import LanguageModel, PretrainingModel
from fathom.objectives import MaskedLanguage
from fathom.objectives.answers import ordinary_tokens
from fathom.objectives.held_out import measure
from fathom.pipeline.evaluate import evaluate
from fathom.pipeline.run import Texts, run_vocabulary
from fathom.pipeline.settings import SCRATCH, DropoutSettings, FinetuneSettings, PretrainSettings, VocabularySettings
from fathom.text import Tokenizer
from fathom.training import TrainingSettings

ASKED: tuple[Relation, ...] = ("next_sentence", "sentence_order")
_BATCH_TOKENS = 8192
Base = LanguageModel | PretrainingModel


def relations(
    settings: dict[str, PretrainSettings],
    folder: Path,
    *,
    vocab_size: int,
    pairs: int,
    folds: int,
    epochs: int,
    rate: float,
    record: Path,
) -> None:
    """Trains what is missing, measures everything and writes the record.

    Args:
        settings: of the three bases by objective, without a vocabulary, of texts without markup.
        vocab_size: of the vocabulary that bases from random weights share.
        pairs: of training documents at most, for each probe and bag of words.
        folds: of fine-tuning.
    """
    one = settings["masked"]
    assert one.data is not None
    documents = open_data(one.data, split=one.split, labelled=False)
    if one.model == SCRATCH:
        learned = VocabularySettings(kind="wordpiece", size=vocab_size)
        tokenizer = run_vocabulary(learned, Texts(documents, one.markup), folder / "vocabulary", markup=one.markup)[0]
        shared = {"vocabulary": learned.model_copy(update={"folder": folder / "vocabulary"})}
        settings = {name: held.model_copy(update=shared) for name, held in settings.items()}
    else:
        tokenizer = Tokenizer.load(resolve_model(one.model)).without_markup()
    made_by = {name: pretrained(held, folder / name) for name, held in settings.items()}
    chosen = CorpusSettings(sentences=one.language, held_out=one.held_out, seed=one.training.seed)
    corpus = build_corpus(documents, tokenizer, folder / "corpus", chosen)
    asked = {"corpus": corpus.manifest.texts_sha256, "pairs": pairs, "length": one.max_length, "seed": one.training.seed}
    intrinsic = {
        name: kept(
            folder / f"{name}.intrinsic.json",
            {**asked, "weights": hash_of_weights(folder / name)},
            lambda name=name: _intrinsic(folder / name, corpus, asked),  # type: ignore[misc]
        )
        for name in settings
    }
    words = kept(folder / "words.intrinsic.json", asked, lambda: _words_alone(corpus, tokenizer, asked))
    tasks = {"answerable": answerable(_data("squad2/train.json.gz")), "better": better(_data("counterfactual_imdb"))}
    downstream = {}
    for task, examples in tasks.items():
        in_fold = folds_of([str(example.group) for example in examples], folds)
        rows = {name: _finetuned(folder, name, task, examples, in_fold, epochs, rate, one.max_length) for name in settings}
        downstream[task] = _compared(rows, examples, _words_in_folds(examples, in_fold))
    found = {
        "name": "pretraining-relations",
        "data": f"{one.data} ({one.split}); squad2; counterfactual_imdb",
        "data_league": f"text: {one.data} ({one.split}) without labels; labels: of each task's own training part",
        "tokens_read": {name: held.metrics["tokens"] for name, held in made_by.items()},
        "intrinsic": {"bases": intrinsic, "words": words},
        "downstream": downstream,
        "finetuning": {"folds": folds, "epochs": epochs, "rate": rate},
        "bases": {name: summary(held) for name, held in made_by.items()},
    }
    write_record(record, found)


# --- what the bases are asked ---


def _intrinsic(folder: Path, corpus: Corpus, asked: dict[str, Any]) -> dict[str, Any]:
    loaded = load_model(folder)
    model, tokenizer = loaded.model, loaded.tokenizer
    assert isinstance(model, LanguageModel | PretrainingModel)
    assert tokenizer.mask_id is not None
    masked = MaskedLanguage(tokenizer.mask_id, tokenizer.vocab_size, tokenizer.special_ids)
    packed = PackedRows(corpus, tokenizer, "held-out", length=asked["length"], seed=asked["seed"])
    paired = SentencePairs(corpus, tokenizer, "held-out", relation="sentence_order", length=asked["length"], seed=asked["seed"])
    tokens = {}
    for name, rows in (("single_texts", packed), ("pairs", paired)):
        found = measure(
            model, masked, (_as_trained(model, batch) for batch in _batches(rows)), special_ids=tokenizer.special_ids
        )
        assert found is not None
        tokens[name] = {"accuracy": found["token"].accuracy, "loss": found["token"].loss, "n": found["token"].answers}
    relation = {}
    for about in ASKED:
        held_out, train = (_pairs(corpus, tokenizer, about, part, asked) for part in ("held-out", "train"))
        groups = [str(held_out.stretches(row)[0][0]) for row in range(len(held_out))]
        as_trained, states = _read(model, held_out, np.arange(len(held_out)))
        learned = np.arange(min(asked["pairs"], len(train)))
        probe = make_pipeline(StandardScaler(), _regression((1e-4, 1e-3, 1e-2, 1e-1, 1.0)))
        probe.fit(_read(model, train, learned)[1], train.labels[learned])
        said = None if as_trained is None else _score(as_trained == held_out.labels, groups)
        relation[about] = {"as_trained": said, "probe": _score(probe.predict(states) == held_out.labels, groups)}
    return {"tokens": tokens, "relations": relation}


def _pairs(corpus: Corpus, tokenizer: Tokenizer, relation: Relation, part: Any, asked: dict[str, Any]) -> SentencePairs:
    return SentencePairs(corpus, tokenizer, part, relation=relation, length=asked["length"], seed=asked["seed"])


def _batches(rows: PackedRows | SentencePairs) -> Iterator[Batch]:
    return (rows.batch(some) for some in plan_batches(rows.lengths, max_tokens=_BATCH_TOKENS, shuffle=False))


def _as_trained(model: Base, batch: Batch) -> Batch:
    """Without segments for a model that was trained without: its vector of a second text is as it was drawn."""
    return replace(batch, segment_ids=None) if isinstance(model, LanguageModel) else batch


def _read(model: Base, pairs: SentencePairs, rows: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """(rows,) what the base's own head says, if it has one, and (rows, 5 D) what a probe is given."""
    said, states = np.zeros(len(rows), dtype=np.int64), np.zeros((len(rows), 5 * model.config.width), dtype=np.float32)
    model.eval()
    for places in plan_batches(pairs.lengths[rows], max_tokens=_BATCH_TOKENS, shuffle=False):
        batch = pairs.batch(rows[places])
        read = _as_trained(model, batch)
        with torch.inference_mode():
            hidden = model.transformer(read.token_ids, read.padding_mask, read.segment_ids)
            if isinstance(model, PretrainingModel):
                said[places] = model.relation_logits(hidden, read.padding_mask).argmax(dim=1).numpy()
            assert batch.segment_ids is not None
            ordinary = ordinary_tokens(batch, ())
            means = []
            for segment in (0, 1):
                inside = (ordinary & (batch.segment_ids == segment))[..., None].to(hidden.dtype)
                means.append((hidden * inside).sum(dim=1) / inside.sum(dim=1).clamp(min=1))
            a, b = means
            states[places] = torch.cat([hidden[:, 0], a, b, (a - b).abs(), a * b], dim=1).numpy()
    return (said if isinstance(model, PretrainingModel) else None), states


def _words_alone(corpus: Corpus, tokenizer: Tokenizer, asked: dict[str, Any]) -> dict[str, Any]:
    """How far a bag of words tells either relation, from the same pairs as the probes."""
    found: dict[str, Any] = {}
    for about in ASKED:
        train, held_out = (_pairs(corpus, tokenizer, about, part, asked) for part in ("train", "held-out"))
        groups = [str(held_out.stretches(row)[0][0]) for row in range(len(held_out))]
        read = [
            [_example(corpus, tokenizer, pairs, row) for row in range(count)]
            for pairs, count in ((train, min(asked["pairs"], len(train))), (held_out, len(held_out)))
        ]
        found[about] = _score(_bag_of_words(*read), groups) | {
            "majority": float(max(np.mean(held_out.labels), 1 - np.mean(held_out.labels)))
        }
    return found


def _example(corpus: Corpus, tokenizer: Tokenizer, pairs: SentencePairs, row: int) -> Example:
    first, second = (tokenizer.decode(corpus.tokens(*stretch).tolist()) for stretch in pairs.stretches(row))
    return Example(first, str(pairs.labels[row]), second)


# --- tasks with labels ---


def _data(name: str) -> Path:
    root = os.environ.get(DATA_FOLDER)
    path = None if root is None else Path(root) / name
    if path is None or not path.exists():
        raise DataError(f"{name} was not found; {DATA_FOLDER} is {root!r}", expected=f"a folder that holds {name}")
    return path


def answerable(path: Path) -> list[Example]:
    """SQuAD 2.0 (Rajpurkar et al. 2018, 1806.03822): a question, a paragraph, and whether the one is answered in the other."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        articles = json.load(file)["data"]
    names = {False: "answerable", True: "unanswerable"}
    return [
        Example(question["question"], names[question["is_impossible"]], paragraph["context"], article["title"])
        for article in articles
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


def better(folder: Path) -> list[Example]:
    """Counterfactual IMDB (Kaushik et al. 2020, 1909.12434): a review and its edited twin, half of them in either order."""
    twins = [pair for name in ("train", "dev") for pair in _twins(folder / f"{name}_paired.tsv")]
    swapped = np.random.default_rng(0).permutation(np.arange(len(twins)) % 2 == 1).tolist()
    return [
        Example(unkind, "second", kind, name) if swap else Example(kind, "first", unkind, name)
        for (kind, unkind, name), swap in zip(twins, swapped, strict=True)
    ]


def folds_of(groups: Sequence[str], folds: int) -> np.ndarray:
    """(n,) the fold of each row: whole groups, the largest first, each to the fold that has the fewest rows."""
    names, place, sizes = np.unique(np.array(groups), return_inverse=True, return_counts=True)
    fold, held = np.zeros(len(names), dtype=np.int64), np.zeros(folds, dtype=np.int64)
    order = np.random.default_rng(0).permutation(len(names))
    for group in order[np.argsort(-sizes[order], kind="stable")]:
        fold[group] = held.argmin()
        held[fold[group]] += sizes[group]
    found: np.ndarray = fold[place]
    return found


def _twins(path: Path) -> list[tuple[str, str, str]]:
    """(the kinder review, the unkinder one, the name of the pair)."""
    held: dict[str, dict[str, str]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            held.setdefault(row["batch_id"], {})[row["Sentiment"]] = row["Text"]
    wrong = [name for name, texts in held.items() if set(texts) != {"Positive", "Negative"}]
    if wrong or not held:
        raise DataError(
            f"{path}: {len(wrong)} of {len(held)} pairs are not one of each", expected="a positive and a negative text"
        )
    return [(texts["Positive"], texts["Negative"], f"{path.stem} {name}") for name, texts in held.items()]


def _finetuned(
    folder: Path, base: str, task: str, examples: list[Example], in_fold: np.ndarray, epochs: int, rate: float, length: int
) -> np.ndarray:
    """(examples,) booleans: right."""
    correct = np.zeros(len(examples), dtype=bool)
    for fold in range(int(in_fold.max()) + 1):
        train, test = (_chosen(examples, in_fold != fold), _chosen(examples, in_fold == fold))
        settings = FinetuneSettings(
            data=task,
            model=str(folder / base),
            max_length=length,
            dropout=DropoutSettings(hidden=0.1, classifier=0.1),
            training=TrainingSettings(epochs=epochs, batch_tokens=4096, batch_rows=32, learning_rate=rate, seed=fold),
        )
        output = folder / f"{task}-{base}-fold-{fold}"
        finetuned(settings, train, None, output)
        asked = {"test": _digest(test), "weights": hash_of_weights(output)}
        answers = output.with_name(output.name + ".answers.json")
        found = kept(answers, asked, lambda output=output, test=test: _answers(output, test))  # type: ignore[misc]
        correct[in_fold == fold] = np.array(list(found)) == "1"
    return correct


def _chosen(examples: list[Example], rows: np.ndarray) -> list[Example]:
    return [examples[row] for row in np.flatnonzero(rows)]


def _answers(folder: Path, test: list[Example]) -> str:
    _, answers = evaluate(Predictor.load(folder), test)
    return "".join(map(str, (answers.probabilities.argmax(axis=1) == answers.labels).astype(int)))


def _digest(examples: Sequence[Example]) -> str:
    return hashlib.sha256(repr([(one.text, one.pair, one.label) for one in examples]).encode()).hexdigest()


def _bag_of_words(train: Sequence[Example], test: Sequence[Example]) -> np.ndarray:
    """(test,) booleans: right. TF-IDF of words and pairs of words of either text, each with weights of its own."""
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2).fit(
        text for example in train for text in (example.text, str(example.pair))
    )

    def features(examples: Sequence[Example]) -> sparse.csr_matrix:
        a = words.transform([example.text for example in examples])
        b = words.transform([str(example.pair) for example in examples])
        return sparse.csr_matrix(sparse.hstack([a, b, sparse.csr_matrix(a.multiply(b).sum(axis=1))]))

    model = _regression((0.1, 1.0, 10.0, 100.0))
    model.fit(features(train), [example.label for example in train])
    right: np.ndarray = model.predict(features(test)) == np.array([example.label for example in test])
    return right


def _regression(strengths: tuple[float, ...]) -> GridSearchCV:
    """Logistic regression; how much its weights are held back is chosen by cross-validation on what it learns from."""
    return GridSearchCV(LogisticRegression(max_iter=2000), {"C": strengths}, cv=3)


def _words_in_folds(examples: list[Example], in_fold: np.ndarray) -> np.ndarray:
    correct = np.zeros(len(examples), dtype=bool)
    for fold in range(int(in_fold.max()) + 1):
        correct[in_fold == fold] = _bag_of_words(_chosen(examples, in_fold != fold), _chosen(examples, in_fold == fold))
    return correct


def _compared(rows: dict[str, np.ndarray], examples: list[Example], words: np.ndarray) -> dict[str, Any]:
    """Of each base, and of each pair of bases."""
    groups, labels = [str(example.group) for example in examples], [str(example.label) for example in examples]
    names = list(rows)
    pairs = [(a, b) for place, a in enumerate(names) for b in names[:place]]
    return {
        "n": len(examples),
        "groups": len(set(groups)),
        "majority": max(map(labels.count, set(labels))) / len(labels),
        "bag_of_words": _score(words, groups),
        "bases": {name: _score(rows[name], groups) for name in names},
        "differences": {f"{a} minus {b}": _score(rows[a].astype(float) - rows[b], groups) for a, b in pairs},
    }


def _score(values: np.ndarray, groups: Sequence[str]) -> dict[str, Any]:
    """The mean of (n,) numbers with its interval for other groups."""
    return {"value": float(np.mean(values)), "interval": interval_by_group(values, groups), "n": len(values)}
