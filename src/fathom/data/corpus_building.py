"""Documents → a corpus, shard by shard, in one process or several.

    documents ──bundles of some million characters──► a process: tokens, words, sentences ──► shard-00000, shard-00001, …
    all digests ──► parts ──► corpus.json

A shard is a function of its documents, the tokenizer and the settings, so the number of processes changes nothing, and a
build that was stopped goes on with the first shard that is missing.
"""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np

from fathom.data.corpus import (
    CORPUS,
    PART_NUMBERS,
    PARTS,
    SHARD,
    Corpus,
    CorpusSettings,
    Manifest,
    ShardSummary,
    read_json,
    require_tokenizer,
    seal,
    verify_shard,
)
from fathom.data.examples import Example
from fathom.data.sources import Source
from fathom.data.splits import assign_parts, text_digest
from fathom.errors import DataError, FathomError, MachineError
from fathom.folders import clear_leftovers, machine_errors, write_folder, write_text_atomically
from fathom.text import Tokenizer, split_sentences
from fathom.text.splitting import Span, make_splitter
from fathom.text.tokenizer import whole_text

_TOGETHER = 500_000  # characters tokenised at a time


def build_corpus(
    documents: Iterable[Example],
    tokenizer: Tokenizer,
    output: Path,
    settings: CorpusSettings = CorpusSettings(),
    *,
    processes: int = 1,
    on_shard: Callable[[int, int], None] = lambda shards, documents: None,
) -> Corpus:
    """Writes a corpus, or what is missing of one, and opens it.

    Args:
        documents: one a row; a second text of a row follows the first on a line of its own. Read once, one at a time.
        output: a new or empty folder, or one where a build of the same documents, tokenizer and settings was stopped.
        processes: how many build shards at the same time; with more than one, call this from under
            `if __name__ == "__main__":`, as Python's multiprocessing asks for.
        on_shard: called with the number of shards and documents done.

    Raises:
        DataError: no text at all, text that cannot be read, or other documents than the shards were made of.
        ModelFolderError: a shard that is damaged, or another tokenizer or other settings than before.
        FathomError: `output` holds something else.
        MissingExtraError: spaCy (for sentences) or jieba (for Chinese words) is not installed.
        MachineError: the disk is full, or a process was killed; finished shards stay.
    """
    if settings.sentences is not None:
        split_sentences([], settings.sentences)  # says what is missing before anything is read
    if settings.chinese_words:
        make_splitter("zh")
    manifest = Manifest(
        source=documents.description if isinstance(documents, Source) else "documents",
        settings=settings,
        tokenizer_sha256=tokenizer.digest,
        vocab_size=tokenizer.vocab_size,
    )
    known = _begin(output, manifest, tokenizer)
    names: list[str] = []
    done = 0
    for name in _shards(documents, tokenizer, output, settings, known, processes):
        names.append(name)
        done += read_json(output / name / SHARD, ShardSummary).documents
        on_shard(len(names), done)
    _finish(output, manifest, names, known)
    return Corpus.open(output, verify=False)


def _begin(output: Path, manifest: Manifest, tokenizer: Tokenizer) -> dict[str, str]:
    """Makes the folder, or takes up the one that is there; the seals that are known of an earlier build."""
    with machine_errors(output):
        clear_leftovers(output)  # of a build that was killed
    if not (output / CORPUS).is_file():
        if output.exists() and (not output.is_dir() or any(output.iterdir())):
            raise FathomError(
                f"{output} exists and holds no corpus", expected="a new or empty folder", do="choose another, or empty it"
            )
        write_text_atomically(output / CORPUS, manifest.model_dump_json(indent=2) + "\n")
        return {}
    known = read_json(output / CORPUS, Manifest)
    require_tokenizer(output, known, tokenizer)
    before, now = known.settings.model_dump(), manifest.settings.model_dump()
    if changed := [name for name in now if before[name] != now[name]]:
        raise FathomError(
            f"{output} was begun with other settings: "
            + ", ".join(f"{name} was {before[name]!r} and is {now[name]!r}" for name in changed),
            expected="the same, to go on with it",
            do="take the earlier ones, or build in another folder",
        )
    return known.seals


@dataclass(frozen=True)
class _Bundle:
    """The documents of one shard."""

    folder: Path
    texts: list[str]
    sha256: str


def _bundles(documents: Iterable[Example], output: Path, characters: int) -> Iterator[_Bundle]:
    texts: list[str] = []
    hashes, size, number = hashlib.sha256(), 0, 0
    for example in documents:
        text = whole_text(example.text if example.pair is None else f"{example.text}\n{example.pair}")
        spelled = text.encode()
        hashes.update(len(spelled).to_bytes(8, "big") + spelled)
        texts.append(text)
        size += len(text)
        if size >= characters:
            yield _Bundle(output / f"shard-{number:05}", texts, hashes.hexdigest())
            texts, hashes, size, number = [], hashlib.sha256(), 0, number + 1
    if texts:
        yield _Bundle(output / f"shard-{number:05}", texts, hashes.hexdigest())


def _shards(
    documents: Iterable[Example],
    tokenizer: Tokenizer,
    output: Path,
    settings: CorpusSettings,
    known: dict[str, str],
    processes: int,
) -> Iterator[str]:
    """The names of the shards in their order, each when it is whole."""
    bundles = _bundles(documents, output, settings.shard_characters)
    if processes == 1:
        for bundle in bundles:
            if not _is_there(bundle, known):
                _write_shard(bundle, tokenizer, settings)
            yield bundle.folder.name
        return
    pool = ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_start_process, initargs=(tokenizer, settings)
    )
    waiting: deque[tuple[str, Future[None] | None]] = deque()
    try:
        for bundle in bundles:
            waiting.append((bundle.folder.name, None if _is_there(bundle, known) else pool.submit(_write_in_process, bundle)))
            while len(waiting) > 2 * processes:  # so that memory holds few bundles
                yield _done(*waiting.popleft())
        while waiting:
            yield _done(*waiting.popleft())
    except BrokenProcessPool as error:
        raise MachineError(
            "a process that built a shard was killed",
            expected="enough memory for all of them",
            do="build again, with fewer processes; finished shards are kept",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _done(name: str, future: Future[None] | None) -> str:
    if future is not None:
        future.result()
    return name


def _is_there(bundle: _Bundle, known: dict[str, str]) -> bool:
    """Whether a shard is finished, whole and made of these documents."""
    if not bundle.folder.exists():
        return False
    verify_shard(bundle.folder, known.get(bundle.folder.name))
    if read_json(bundle.folder / SHARD, ShardSummary).texts_sha256 != bundle.sha256:
        raise DataError(
            f"{bundle.folder} was made of other documents than those that are there now",
            expected="the same documents in the same order",
            do="build in another folder, or delete this one",
        )
    return True


_tokenizer: Tokenizer
_settings: CorpusSettings


def _start_process(tokenizer: Tokenizer, settings: CorpusSettings) -> None:
    global _tokenizer, _settings
    _tokenizer, _settings = tokenizer, settings
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that asked for the corpus decides
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # processes share the cores already
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """A process whose parent was killed would wait for ever."""
    wait([sentinel])
    os._exit(1)


def _write_in_process(bundle: _Bundle) -> None:
    _write_shard(bundle, _tokenizer, _settings)


def _write_shard(bundle: _Bundle, tokenizer: Tokenizer, settings: CorpusSettings) -> None:
    sentences: list[list[Span]] | None = None
    if settings.sentences is not None:
        sentences = split_sentences(bundle.texts, settings.sentences)
    ids, words, sentence_ends, kept = [], [], [], []
    total = 0
    for number, one in enumerate(_spell(bundle.texts, tokenizer, settings)):
        if not len(one.ids) or not bundle.texts[number].strip():
            continue
        ids.append(one.ids)
        words.append(one.word_starts)
        sentence_ends.append(total + _sentence_ends(one, None if sentences is None else sentences[number]))
        kept.append(number)
        total += len(one.ids)
    narrow = np.uint16 if tokenizer.vocab_size <= 2**16 else np.int32
    arrays = {
        "tokens": _joined(ids, np.int32).astype(narrow),
        "word_starts": np.packbits(_joined(words, np.bool_)),
        "sentence_ends": _joined(sentence_ends, np.int64),
        "document_ends": np.cumsum([len(one) for one in ids], dtype=np.int64),
        "text_bytes": np.array([len(bundle.texts[number].encode()) for number in kept], dtype=np.int64),
        "digests": np.array([text_digest(Example(bundle.texts[number])) for number in kept], dtype=np.uint64),
    }
    summary = ShardSummary(
        documents=len(kept),
        blank=len(bundle.texts) - len(kept),
        sentences=len(arrays["sentence_ends"]),
        tokens=total,
        text_bytes=int(arrays["text_bytes"].sum()),
        texts_sha256=bundle.sha256,
    )
    with write_folder(bundle.folder) as folder:
        for name, array in arrays.items():
            _save(folder / f"{name}.npy", array)
        (folder / SHARD).write_text(summary.model_dump_json(indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class _Spelled:
    """The tokens of one document."""

    ids: np.ndarray  # (tokens,) int32
    word_starts: np.ndarray  # (tokens,) booleans
    ends: np.ndarray  # (tokens,) characters up to the end of each


def _spell(texts: list[str], tokenizer: Tokenizer, settings: CorpusSettings) -> Iterator[_Spelled]:
    """Many texts at a time; an endless one in parts, because a tokenizer takes 700 bytes a token."""
    parts = ((number, *part) for number, text in enumerate(texts) for part in _parts(text))
    arrays: list[tuple[int, _Spelled]] = []
    while chunk := list(_up_to(parts, _TOGETHER)):
        spelled = tokenizer.spell([text for _, _, text in chunk], chinese_words=settings.chinese_words)
        for (number, start, _), one in zip(chunk, spelled, strict=True):
            ends = np.array([end for _, end in one.offsets], dtype=np.int64) + start
            found = _Spelled(np.array(one.token_ids, dtype=np.int32), np.array(one.word_starts, dtype=bool), ends)
            if arrays and arrays[-1][0] != number:
                yield _whole([one for _, one in arrays])
                arrays.clear()
            arrays.append((number, found))
    if arrays:
        yield _whole([one for _, one in arrays])


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Where each part starts, and the part: all of a text, or `_TOGETHER` characters, cut before a blank if there is one."""
    start = 0
    while start == 0 or start < len(text):
        end = start + _TOGETHER
        if end < len(text):
            end = max((text.rfind(blank, start + 1, end) for blank in " \n"), default=-1)
            end = start + _TOGETHER if end < 0 else end
        yield start, text[start:end]
        start = end


def _up_to(parts: Iterator[tuple[int, int, str]], characters: int) -> Iterator[tuple[int, int, str]]:
    """The next ones, until they have so many characters."""
    size = 0
    for part in parts:
        yield part
        size += len(part[2])
        if size >= characters:
            return


def _whole(parts: list[_Spelled]) -> _Spelled:
    if len(parts) == 1:
        return parts[0]
    return _Spelled(*(np.concatenate([getattr(one, name) for one in parts]) for name in ("ids", "word_starts", "ends")))


def _sentence_ends(spelled: _Spelled, sentences: list[Span] | None) -> np.ndarray:
    """(sentences,) in tokens; a token belongs to the sentence that holds its last character."""
    if not sentences:
        return np.array([len(spelled.ids)], dtype=np.int64)
    ends = np.array([end for _, end in sentences])
    sentence_of = np.searchsorted(ends[:-1], np.maximum.accumulate(spelled.ends))  # the last one has all that follows it
    return np.append(np.flatnonzero(np.diff(sentence_of)) + 1, len(sentence_of))


def _joined(arrays: list[np.ndarray], kind: type[np.generic]) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=kind)


def _save(path: Path, array: np.ndarray) -> None:
    """As `np.save` does, which loses the reason where a disk is full."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    path.write_bytes(file.getbuffer())


def _finish(output: Path, manifest: Manifest, names: list[str], known: dict[str, str]) -> None:
    """Parts and the manifest, from what the shards hold."""
    folders = [output / name for name in names]
    if more := sorted(folder.name for folder in output.glob("shard-*") if folder.name not in names):
        raise DataError(
            f"{output} holds {more[0]}, for which there are no documents any more",
            expected="the same documents as before",
            do="build in another folder, or delete this one",
        )
    summaries = [read_json(folder / SHARD, ShardSummary) for folder in folders]
    digests = _joined([np.load(folder / "digests.npy") for folder in folders], np.uint64)
    if not len(digests):
        rows = sum(summary.blank for summary in summaries)
        raise DataError(
            f"{manifest.source}: {f'{rows:,} rows without a word' if rows else 'no rows'}",
            expected="documents to make a corpus of",
            do="check which column holds the text",
        )
    share = manifest.settings.held_out
    shares = {"train": 1 - share, "held-out": share} if share else {"train": 1.0}
    of_documents = assign_parts([str(digest) for digest in digests.tolist()], shares, seed=manifest.settings.seed)
    parts = np.array([PART_NUMBERS["held-out" if part == "held-out" else "train"] for part in of_documents], dtype=np.uint8)
    if (output / PARTS).exists():
        verify_shard(output / PARTS, known.get(PARTS))
    else:
        with write_folder(output / PARTS) as folder:
            _save(folder / f"{PARTS}.npy", parts)
    files = [file for folder in (*folders, output / PARTS) for file in folder.glob("*.npy")]
    whole = manifest.model_copy(
        update={
            "complete": True,
            "texts_sha256": hashlib.sha256("".join(one.texts_sha256 for one in summaries).encode()).hexdigest(),
            "documents": {part: int((parts == number).sum()) for part, number in PART_NUMBERS.items()},
            "blank": sum(one.blank for one in summaries),
            "sentences": sum(one.sentences for one in summaries),
            "tokens": sum(one.tokens for one in summaries),
            "text_bytes": sum(one.text_bytes for one in summaries),
            "file_bytes": sum(file.stat().st_size for file in files),
            "seals": {folder.name: seal(folder) for folder in (*folders, output / PARTS)},
        }
    )
    write_text_atomically(output / CORPUS, whole.model_dump_json(indent=2) + "\n")
