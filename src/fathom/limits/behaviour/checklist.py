"""Reads the suites that CheckList saved. They are pickles, and a pickle is a program: here it is not run, only read.

`pickletools.genops` lists the opcodes of a pickle without executing any. `_Reader` follows them on a stack of its own, with
texts, numbers, lists and dictionaries; wherever the program would import, call or build something, a `_Nothing` is put down
that remembers the name. So no class is made and no function found, whatever the file says. What a test expects of its
answers is a function in the file, and therefore unknown; for the released sentiment suite it is written down below.
"""

from __future__ import annotations

import gzip
import io
import pickletools
import tarfile
import zlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fathom.errors import DataError
from fathom.limits.behaviour.cases import BehaviourTest, Case, Expectation
from fathom.limits.polarity import Polarity

LARGEST = 512 * 2**20  # bytes, unpacked

# Tests of the released sentiment suite whose expectation is a function, as Ribeiro et al. (2020) describe them.
_MUST = {
    "intensifiers": ("not fall", None),  # the probability of what the first text was answered
    "reducers": ("not rise", None),
    '"used to" should reduce': ("not rise", None),
    "add positive phrases": ("not fall", "good"),
    "add negative phrases": ("not fall", "bad"),
    "simple negations: not negative": ("not be", "bad"),
    "simple negations: I thought x was negative, but it was not (should be neutral or positive)": ("not be", "bad"),
    "Hard: Negation of negative with neutral stuff in the middle (should be positive or neutral)": ("not be", "bad"),
}
_SENTIMENT = ("bad", "neutral", "good")  # its labels 0, 1, 2


def read_checklist(path: Path, sides: Polarity | None, capability: str) -> tuple[list[BehaviourTest], list[str]]:
    """The tests that can be used, and for each other one why not. Arguments as for `read_suite`.

    Raises:
        DataError: not a suite that CheckList saved.
    """
    suite = _follow(_unpacked(path), path)
    tests = suite.state.get("tests") if isinstance(suite, _Nothing) and isinstance(suite.state, dict) else None
    pairs = tests.items if isinstance(tests, _Nothing) else list(tests.items()) if isinstance(tests, dict) else []
    found: list[BehaviourTest] = []
    left: list[str] = []
    for pair in pairs:
        if not (isinstance(pair, tuple) and isinstance(pair[0], str)):
            continue
        cases = _cases(pair[0], pair[1], sides)
        if isinstance(cases, str):
            left.append(f"{pair[0]!r}: {cases}")
        else:
            found.append(BehaviourTest(pair[0], capability, cases))
    if not found and not left:
        raise DataError(f"{path} holds no tests", expected="a suite that CheckList saved")
    return found, left


def _cases(name: str, test: object, sides: Polarity | None) -> list[Case] | str:
    """The cases of one test, or why it cannot be used."""
    if not isinstance(test, _Nothing) or not isinstance(test.state, dict):
        return "it is no test"
    kind, data, labels = test.name.rpartition(" ")[2], test.state.get("data"), test.state.get("labels")
    if not isinstance(data, list) or not data:
        return "it has no texts"
    texts = [_texts(case) for case in data]
    if any(not case for case in texts):
        return "its cases are no texts"
    if kind == "INV":
        return [Case(case, Expectation("stay")) for case in texts if len(case) > 1]
    if sides is None:
        return "which label is the good one cannot be told"
    classes = {"good": sides.good, "bad": sides.bad, "neutral": sides.neutral}
    if kind == "MFT" and labels is not None:
        numbers = labels if isinstance(labels, list) else [labels] * len(texts)
        if len(numbers) != len(texts) or not all(isinstance(number, int) and 0 <= number <= 2 for number in numbers):
            return "its labels are not 0, 1 and 2"
        wanted = [classes[_SENTIMENT[number]] for number in numbers]
        if any(label is None for label in wanted):
            return "it needs a neutral label"
        return [Case(case, Expectation("be", label)) for case, label in zip(texts, wanted, strict=True)]
    if name not in _MUST:
        return "what it expects is program code, which is not run"
    must, side = _MUST[name]
    if must == "not be" or side is not None:
        return [Case(case, Expectation(must, classes[side or "bad"])) for case in texts]  # type: ignore[arg-type]
    return [Case(case, Expectation(must)) for case in texts if len(case) > 1]  # type: ignore[arg-type]


def _texts(case: object) -> tuple[str, ...]:
    parts = case if isinstance(case, list | tuple) else [case]
    found = [part if isinstance(part, str) else _numpy_text(part) for part in parts]
    return tuple(text for text in found if text is not None) if all(text is not None for text in found) else ()


def _numpy_text(value: object) -> str | None:
    """A numpy.str_ was pickled as the call scalar(dtype, bytes): four bytes a character."""
    if isinstance(value, _Nothing) and isinstance(value.given, tuple) and len(value.given) == 2:
        raw = value.given[1]
        if isinstance(raw, bytes) and len(raw) % 4 == 0:
            return raw.decode("utf-32-le", "replace").rstrip("\0")
    return None


@dataclass(eq=False)
class _Nothing:
    """What stands where the program would have imported something, called it, or made an object."""

    name: str
    given: Any = None  # what it would have been called with
    state: Any = None  # what the object would have been filled with
    items: list[Any] = field(default_factory=list)  # what would have been put into it


_MARK = _Nothing("mark")


class _Reader:
    """The stack and the memory of a pickle's program, without what would run anything."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memory: dict[Any, Any] = {}

    def step(self, name: str, given: Any) -> None:
        """One opcode.

        Raises:
            LookupError: one that is not known here.
        """
        if name in _VALUES:
            self.stack.append(given)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memory[given] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memory[len(self.memory)] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            self.stack.append(self.memory[given])
        elif name in _TUPLES:
            self.stack.append(tuple(self._pop(_TUPLES[name])))
        elif name in ("TUPLE", "LIST"):
            self.stack.append(tuple(self._to_mark()) if name == "TUPLE" else self._to_mark())
        elif name in ("APPEND", "APPENDS", "ADDITEMS"):
            new = [self.stack.pop()] if name == "APPEND" else self._to_mark()
            target = self.stack[-1]
            (target if isinstance(target, list) else target.items).extend(new)
        elif name in ("SETITEM", "SETITEMS"):
            new = self._pop(2) if name == "SETITEM" else self._to_mark()
            self._set(list(zip(new[::2], new[1::2], strict=True)))
        elif name == "GLOBAL":
            self.stack.append(_Nothing(given))
        elif name == "STACK_GLOBAL":
            self.stack.append(_Nothing(" ".join(map(str, self._pop(2)))))
        elif name in ("REDUCE", "NEWOBJ"):
            what, with_what = self._pop(2)
            self.stack.append(_Nothing(what.name, with_what))
        elif name == "NEWOBJ_EX":
            what, with_what, _ = self._pop(3)
            self.stack.append(_Nothing(what.name, with_what))
        elif name == "BUILD":
            state = self.stack.pop()
            self.stack[-1].state = state
        elif name in ("POP", "POP_MARK"):
            self.stack.pop() if name == "POP" else self._to_mark()
        elif name == "DUP":
            self.stack.append(self.stack[-1])
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise LookupError(f"the opcode {name}")

    def _pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError("an empty stack")
        found = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return found

    def _to_mark(self) -> list[Any]:
        place = max(place for place, value in enumerate(self.stack) if value is _MARK)
        found = self.stack[place + 1 :]
        del self.stack[place:]
        return found

    def _set(self, pairs: list[tuple[Any, Any]]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            target.update((key, value) for key, value in pairs if isinstance(key, Hashable) and not isinstance(key, tuple))
        else:
            target.items.extend(pairs)


_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_VALUES = frozenset(
    (
        *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING"),
    )
)
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": lambda: _Nothing("set"),
    "MARK": lambda: _MARK,
}


def _follow(raw: bytes, path: Path) -> Any:
    reader = _Reader()
    try:
        for opcode, given, _ in pickletools.genops(raw):
            reader.step(opcode.name, given)
        return reader.stack[-1]
    except Exception as error:
        raise DataError(
            f"{path} cannot be read: {type(error).__name__}: {str(error)[:200]}", expected="a suite that CheckList saved (.pkl)"
        ) from error


def _unpacked(path: Path) -> bytes:
    """The pickle itself, out of .gz or .tar.gz; an archive is read in memory and nothing of it is written."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise DataError(f"{path} is larger than {LARGEST:,} bytes", expected="a suite of tests")
        if raw[257:262] == b"ustar":
            with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
                members = [member for member in archive.getmembers() if member.isfile()]
                inner = archive.extractfile(members[0]) if len(members) == 1 else None
                if inner is None:
                    raise DataError(f"{path} holds {len(members)} files", expected="one suite")
                return inner.read()
        return raw
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{path} cannot be read: {error}", expected="a suite that CheckList saved") from error
