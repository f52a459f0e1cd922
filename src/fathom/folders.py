"""Folders that are written whole or not at all, and that can be checked later.

    with write_folder(Path("runs/model")) as folder:      # a temporary folder beside runs/model
        (folder / "config.json").write_text(...)
    # only now does runs/model exist: every byte on disk, with SHA256SUMS (the format of `sha256sum --check`)

A process killed at any moment leaves either the old folder, the new one, or, for the instant between two renames of an
overwrite, the old one under a hidden name beside it; never half of one. The next write to the same place clears that up.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from fathom.errors import FathomError, MachineError, ModelFolderError

MANIFEST = "SHA256SUMS"

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}\.(?P<kind>partial|replaced)")  # as tempfile makes them below
_MACHINE_ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than the file system or `ulimit -f` allows",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "no permission to write",
    errno.EPERM: "no permission to write",
    errno.EIO: "the disk reports an input/output error",
}


@contextmanager
def machine_errors(path: Path) -> Iterator[None]:
    """Turns "disk full", "read-only" and "no permission" while writing `path` into a MachineError (exit code 4)."""
    try:
        yield
    except Exception as error:
        reason = machine_reason(error)
        if reason is None:
            raise
        raise MachineError(
            f"{path} cannot be written: {reason}",
            expected="a folder that can be written, with enough space",
            do="free some space or choose another output; nothing that was there before has been changed",
        ) from error


def machine_reason(error: BaseException) -> str | None:
    """What the machine could not do, in words; None for an error that is not the machine's fault."""
    if isinstance(error, FathomError):
        return None
    if isinstance(error, OSError):
        return _MACHINE_ERRORS.get(error.errno or 0)
    told = re.search(r"\(os error (\d+)\)", str(error))  # how safetensors and tokenizers, which are Rust, tell it
    return _MACHINE_ERRORS.get(int(told[1])) if told else None


def sha256_of_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_existing(target: Path, *, overwrite: bool) -> None:
    """Raises FathomError where writing `target` would destroy something the caller did not ask to replace, or cannot be done.

    With `overwrite`, only a folder that fathom wrote (it holds a manifest) or an empty one is replaced.
    """
    above = next((parent for parent in target.parents if parent.exists()), None)
    if above is not None and not above.is_dir():
        raise FathomError(f"{above} is a file, so {target} cannot be made", expected="a place in a folder", do="choose another")
    if not target.exists() and not target.is_symlink():
        return
    if target.is_dir() and not any(target.iterdir()):
        return
    if not overwrite:
        raise FathomError(
            f"{target} already exists", expected="an output that does not exist yet", do="choose another, or add --overwrite"
        )
    if not (target.is_dir() and not target.is_symlink() and (target / MANIFEST).is_file()):
        raise FathomError(
            f"{target} exists and was not written by fathom (no {MANIFEST} in it), so --overwrite does not remove it",
            expected="a folder that fathom wrote",
            do="choose another output, or remove it yourself",
        )


@contextmanager
def write_folder(target: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yields a temporary folder that becomes `target` when the block ends without an error, and vanishes otherwise.

    Raises FathomError if `target` exists and may not be replaced, MachineError if the disk is full or read-only.
    """
    with machine_errors(target):
        clear_leftovers(target.parent, [target.name])
    refuse_existing(target, overwrite=overwrite)
    with machine_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
        try:
            yield temporary
            _write_manifest(temporary)
            temporary.chmod(0o755)
            _replace(temporary, target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def clear_leftovers(folder: Path, names: Iterable[str] | None = None) -> None:
    """Clears up after processes that were killed while they wrote something into `folder`.

    What was half written goes; an old version that stood aside while the new one took its place comes back.

    Args:
        names: of what was written; None: whatever it was.
    """
    if not folder.is_dir():
        return
    for left in list(folder.iterdir()):
        found = _TEMPORARY.fullmatch(left.name)
        if found is None or (names is not None and found["name"] not in names):
            continue
        target, aside = folder / found["name"], left / found["name"]
        if found["kind"] == "replaced" and aside.exists() and not target.exists():
            aside.rename(target)
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def verify_folder(folder: Path, *, strict: bool = False) -> None:
    """Raises ModelFolderError naming every file whose bytes are not those that were written.

    Args:
        strict: of a folder that nobody but fathom changes, where every file has to be in a manifest. Otherwise files may have
            come since, and a folder without a manifest, which came from elsewhere, is taken as it is.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        if strict:
            raise ModelFolderError(f"{folder} is damaged: {MANIFEST} is missing", expected="a folder that was written whole")
        return
    damaged = []
    listed = {MANIFEST}
    for number, line in enumerate(manifest.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        expected, separator, name = line.partition("  ")
        if not separator or Path(name).is_absolute() or ".." in Path(name).parts:
            raise ModelFolderError(f"{manifest}, line {number}: {line!r}", expected="a SHA-256 sum, two blanks and a file name")
        listed.add(name)
        path = folder / name
        if not path.is_file():
            damaged.append(f"{name} is missing")
        elif sha256_of_file(path) != expected:
            damaged.append(f"{name} has changed since it was written")
    if strict:
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        damaged += [f"{name} is not in {MANIFEST}" for name in sorted(there - listed)]
    if damaged:
        raise ModelFolderError(
            f"{folder} is damaged: " + "; ".join(damaged),
            expected=f"the files that {MANIFEST} lists",
            do=f"restore the folder, or delete {MANIFEST} if you changed it on purpose",
        )


@contextmanager
def verifying(folder: Path) -> Iterator[None]:
    """`verify_folder` beside what is done with the folder inside; what it finds comes before any other error."""
    with ThreadPoolExecutor(1) as others:
        verified = others.submit(verify_folder, folder)
        try:
            yield
        finally:
            verified.result()


def write_text_atomically(path: Path, text: str) -> None:
    """Writes a file whole or not at all (UTF-8)."""
    with machine_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _write_manifest(folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{sha256_of_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / MANIFEST).write_text("".join(lines), encoding="utf-8")
    for path in [*files, folder / MANIFEST]:
        path.chmod(0o644)  # some libraries write files that only their owner may read
        _fsync(path)
    _fsync(folder)


def _replace(temporary: Path, target: Path) -> None:
    if target.is_dir():
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".replaced", dir=target.parent))
        target.rename(aside / target.name)
        temporary.rename(target)
        shutil.rmtree(aside, ignore_errors=True)
    else:
        temporary.rename(target)
    _fsync(target.parent)


def _fsync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":  # Windows cannot open a folder to flush it
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
