"""Training runs that are interrupted in every way we can think of, and have to end as if nothing had happened, bit for bit.

    python -m tests.interruptions --points 100           # `make torture`; `make test` does a handful

Every run is the command line in a process of its own: interrupted, resumed, interrupted again, and in the end compared with
the same command left alone: weights, vocabulary, metrics, held-out figures and the models kept on the way, byte for byte.
Processes are forks of one that has imported torch and computed nothing yet, which saves the seconds that an import takes.

    killed           SIGKILL at a random moment
    stopped          SIGTERM at a random moment: exit code 130, and a checkpoint if training had begun
    killed writing   SIGKILL just before a file is opened, renamed or removed: a checkpoint, a shard, the vocabulary, …
    power cut        the same, and what had not been flushed to the disk is cut short
    no space         files cannot be created any more from some moment on: exit code 4
    file limit       files cannot grow beyond a size (`ulimit -f`): exit code 4 in the middle of a write
    small disk       a file system (tmpfs) that is really full: exit code 4; only where namespaces of users are allowed
    damaged          a byte of the newest checkpoint changed, or a file of it cut or gone: it is named, the one before is used
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"  # pyarrow: a fork keeps no thread

import torch._dynamo  # noqa: F401  torch itself imports it when the first optimizer is made

import fathom.pipeline.finetune
import fathom.pipeline.pretrain  # noqa: F401  here, so that the forks find it imported
from fathom.cli.main import main as fathom_main
from tests import tiny

TIMED = {"killed": signal.SIGKILL, "stopped": signal.SIGTERM}
WRITING = {"killed writing", "power cut", "no space"}
MACHINE = {"no space", "file limit", "small disk"}  # which end with exit code 4
KINDS = (*TIMED, "killed writing", "power cut", "no space", "file limit", "small disk", "damaged")
PLACES = (".partial/vocabulary", ".partial/corpus", ".partial/checkpoints", ".partial/metrics", ".steps/", "/.model.")
TIMES = {"README.md", "report.html", "SHA256SUMS"}  # files that tell how long a run took, or hash one that does
EARLY = PLACES[:2]  # what is written once, before the training
SHAPE = {"width": 16, "depth": 2, "heads": 2, "feed_forward_width": 32}
TRAINING = {"batch_tokens": 256, "learning_rate": 1e-2, "checkpoint_minutes": 1e-9, "keep_every": 7, "evaluations": 3}
PRETRAINING = {
    "vocabulary": {"size": 200, "min_frequency": 1},
    "architecture": SHAPE,
    "dropout": {"hidden": 0.1},
    "max_length": 24,
    "held_out": 0.1,
    "training": TRAINING,
}


def settings(name: str) -> tuple[str, dict[str, Any]]:
    """The verb and the settings of a run."""
    return {
        "masked": ("pretrain", {**PRETRAINING, "objective": "masked"}),
        "replaced": ("pretrain", {**PRETRAINING, "objective": "replaced", "training": {**TRAINING, "optimizer": "muon"}}),
        "permutation": ("pretrain", {**PRETRAINING, "objective": "permutation", "memory": 24}),
        "finetune": ("finetune", {**tiny.SCRATCH, "training": {**TRAINING, "epochs": 3, "batch_rows": 8}}),
    }[name]


RUNS = ("masked", "finetune", "replaced", "permutation")


def write_data(folder: Path) -> None:
    """Sixty documents, and eighty labelled texts."""
    sentences = [*tiny.GOOD, *tiny.BAD]
    rows = [" ".join(f"{sentences[(i * j) % 10].capitalize()} {i}." for j in range(1, 6)) for i in range(60)]
    (folder / "documents.jsonl").write_text("".join(json.dumps({"text": row}) + "\n" for row in rows), encoding="utf-8")
    tiny.csv_file(folder / "labelled.csv")


def command(name: str, data: Path, output: Path) -> list[str]:
    verb, chosen = settings(name)
    file = data / ("labelled.csv" if verb == "finetune" else "documents.jsonl")
    return [verb, str(file), "--output", str(output), "--json", *tiny.flags(chosen)]


# --- one process ---


@dataclass
class Ended:
    """How a process ended."""

    code: int  # minus the signal's number, if one ended it
    said: str
    seconds: float
    signalled: bool = False


def run_process(
    arguments: list[str], prepare: Callable[[], None] = lambda: None, after: tuple[float, int] | None = None
) -> Ended:
    """One command in a fork of this process.

    Args:
        prepare: called in the new process before the command.
        after: (seconds, signal): what it is sent, unless it has ended by then.
    """
    assert len(os.listdir("/proc/self/task")) == 1, "threads would not survive a fork"
    reading, writing = os.pipe()
    started = time.monotonic()
    process = os.fork()
    if process == 0:
        code = 1
        try:
            os.close(reading)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(writing, 2)
            sys.stdout, sys.stderr = (open(descriptor, "w", closefd=False) for descriptor in (1, 2))  # noqa: SIM115
            prepare()
            code = fathom_main(arguments)
            sys.stderr.flush()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    signalled = False
    if after is not None:
        deadline = started + after[0]
        while time.monotonic() < deadline:
            if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
            time.sleep(0.001)
        else:
            os.kill(process, after[1])
            signalled = True
    with open(reading, encoding="utf-8") as pipe:
        said = pipe.read()
    _, status = os.waitpid(process, 0)
    return Ended(os.waitstatus_to_exitcode(status), said, time.monotonic() - started, signalled)


def at_event(place: str, number: int, action: Callable[[], None], *, every: bool = False) -> Callable[[], None]:
    """Does something just before the process changes or flushes a file of a place for the n-th time; or (`every`) each time
    that it makes something there from then on.
    """

    def prepare() -> None:
        left = number

        def hook(event: str, values: tuple[Any, ...]) -> None:
            nonlocal left
            if event in EVENTS and place in str(values[0]):
                left -= 1
                due = left <= 0 and makes(event, values) if every else left == 0
                if due:
                    action()

        sys.addaudithook(hook)

    return prepare


def makes(event: str, values: tuple[Any, ...]) -> bool:
    """Whether an event needs room on the disk: reading a file needs none."""
    return event in ("os.mkdir", "os.rename") or (event == "open" and bool(values[2] & (os.O_WRONLY | os.O_RDWR)))


EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod"}


def no_space() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def power_cut(folder: Path, choose: random.Random) -> tuple[Callable[[], None], Callable[[], None]]:
    """What notes which bytes are on the disk, and what cuts the others off and ends the process."""
    flushed: dict[int, int] = {}  # inode → bytes
    began = time.time()
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        held = os.fstat(descriptor)
        flushed[held.st_ino] = held.st_size

    def watch() -> None:
        os.fsync = fsync

    def cut() -> None:
        for root, _, names in os.walk(folder):
            for name in names:
                held = os.stat(path := os.path.join(root, name))
                safe = flushed.get(held.st_ino, 0)
                if held.st_mtime >= began and held.st_size > safe:
                    os.truncate(path, choose.randint(safe, held.st_size))
        kill_self()

    return watch, cut


def limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


# --- a run, interrupted again and again ---


class TortureError(AssertionError):
    """An interrupted run that is not what it should be."""


@dataclass
class Whole:
    """What a run is that nothing interrupts."""

    files: dict[str, Any]
    seconds: float
    events: dict[str, int]  # how often files of each place are changed
    largest: int  # bytes of the largest file


@dataclass
class Torture:
    """Interrupts runs in `folder` until there were so many interruptions."""

    folder: Path
    choose: random.Random
    mounted: bool  # whether the folder is a file system of its own, whose size can be changed
    counts: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    wholes: dict[str, Whole] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)  # of the present run
    deck: list[str] = field(default_factory=list)

    def whole(self, name: str) -> Whole:
        """The run that nothing interrupts, once for each name."""
        if name not in self.wholes:
            output = self.folder / f"{name}-whole" / "model"
            log = self.folder / "events"

            def note_events() -> None:
                file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

                def hook(event: str, values: tuple[Any, ...]) -> None:
                    if event in EVENTS:
                        os.write(file, f"{values[0]}\n".encode())

                sys.addaudithook(hook)

            ended = run_process(command(name, self.folder, output), note_events)
            if ended.code != 0:
                raise TortureError(f"the run that nothing interrupts failed: {ended.said}")
            paths = log.read_text(encoding="utf-8").splitlines()
            files = [path for path in output.parent.rglob("*") if path.is_file()]
            self.wholes[name] = Whole(
                contents(output),
                ended.seconds,
                {place: sum(place in path for path in paths) for place in PLACES},
                max(path.stat().st_size for path in files),
            )
        return self.wholes[name]

    def run(self, name: str, points: int) -> None:
        """One run with up to so many interruptions, and the comparison at its end."""
        whole = self.whole(name)
        output = self.folder / f"{name}-{self.runs}" / "model"
        self.runs += 1
        self.history = [f"run {self.runs}: {name}"]
        arguments = command(name, self.folder, output)
        damaged: str | None = None
        done = 0
        while done < points and not output.exists():
            kind, happened, damaged = self.interrupt(whole, arguments, output, done, damaged)
            if "--resume" not in arguments:
                arguments.append("--resume")
            if happened:
                done += 1
                self.counts[kind] += 1
            else:
                self.deck.insert(0, kind)
        if not output.exists():
            ended = run_process(arguments)
            self.expect(ended.code == 0, f"the last resumption ended with {ended.code}", ended)
            self.check_damage(damaged, ended)
            left = {path.name for path in output.parent.iterdir()}
            self.expect(left <= {output.name, output.name + ".steps"}, f"left beside the model: {left}", ended)
        found = contents(output)
        different = sorted(path for path in whole.files.keys() | found.keys() if whole.files.get(path) != found.get(path))
        self.expect(not different, f"differs from the run that nothing interrupted: {', '.join(different)}")
        shutil.rmtree(output.parent)

    def interrupt(
        self, whole: Whole, arguments: list[str], output: Path, done: int, damaged: str | None
    ) -> tuple[str, bool, str | None]:
        """Tries one interruption.

        Returns:
            Its kind, whether it happened before the run was over, and the damaged checkpoint that nobody has named yet.
        """
        checkpoints = output.with_name(output.name + ".partial") / "checkpoints"
        kind = self.draw(done, checkpoints)
        if kind == "damaged":
            return kind, True, self.damage(checkpoints)
        ended, how = self.interrupted(kind, whole, arguments, output, done)
        self.history.append(f"{kind}, {how}: exit code {ended.code}")
        self.expect("Traceback" not in ended.said and "bug in fathom" not in ended.said, "an unexplained error", ended)
        if kind in MACHINE:
            codes = {4}
            told = any(reason in ended.said for reason in ("the disk is full", "larger than the file system"))
            self.expect(ended.code == 0 or told, "the machine's fault is not told", ended)
        elif kind == "stopped":
            codes = {130} if ended.said else {130, -signal.SIGTERM}  # the signal itself, before the command has begun
            if "stopped at update" in ended.said:
                self.expect(any(checkpoints.glob("step-*")), "no checkpoint", ended)
        else:
            codes = {-signal.SIGKILL}
        self.expect(ended.code in codes | {0}, f"exit code {ended.code}", ended)
        return kind, ended.code != 0, self.check_damage(damaged, ended)

    def draw(self, done: int, checkpoints: Path) -> str:
        """The next kind: all of them in turn, shuffled, each as soon as it is possible."""
        possible = {kind for kind in KINDS if kind != "small disk" or self.mounted}
        if done == 0 or len(list(checkpoints.glob("step-*"))) < 2:
            possible.discard("damaged")
        if not possible & set(self.deck):
            again = [kind for kind in KINDS if kind != "small disk" or self.mounted]
            self.choose.shuffle(again)
            self.deck += again
        kind = next(kind for kind in self.deck if kind in possible)
        self.deck.remove(kind)
        return kind

    def interrupted(self, kind: str, whole: Whole, arguments: list[str], output: Path, done: int) -> tuple[Ended, str]:
        """A process that is interrupted, and how."""
        if kind in TIMED:
            seconds = self.choose.uniform(0, whole.seconds)
            return run_process(arguments, after=(seconds, TIMED[kind])), f"after {seconds:.3f} s"
        if kind in WRITING:
            places = [place for place in PLACES if whole.events[place] and (done == 0 or place not in EARLY)]
            place = self.choose.choice(places)
            event = self.choose.randint(1, whole.events[place])
            how = f"before change {event} of {place}"
            if kind == "power cut":
                watch, cut = power_cut(output.parent, self.choose)
                prepare = at_event(place, event, cut)

                def both() -> None:
                    watch()
                    prepare()

                return run_process(arguments, both), how
            action = no_space if kind == "no space" else kill_self
            return run_process(arguments, at_event(place, event, action, every=kind == "no space")), how
        if kind == "file limit":
            size = self.choose.randint(1, whole.largest)
            return run_process(arguments, lambda: limit_files(size)), f"{size:,} bytes"
        held = os.statvfs(self.folder)
        used = (held.f_blocks - held.f_bfree) * held.f_frsize
        size = used + self.choose.randint(0, 4 * whole.largest)
        resize(self.folder, size)
        try:
            return run_process(arguments), f"{size - used:,} bytes free"
        finally:
            resize(self.folder, DISK)

    def damage(self, checkpoints: Path) -> str:
        """Changes a file of the newest checkpoint; the checkpoint's name."""
        newest = max(checkpoints.glob("step-*"))
        file = self.choose.choice(sorted(newest.iterdir()))
        content = bytearray(file.read_bytes())
        how = self.choose.choice(["changed", "cut", "gone"])
        if how == "gone":
            file.unlink()
        elif how == "cut":
            file.write_bytes(content[: self.choose.randrange(len(content))])
        else:
            content[self.choose.randrange(len(content))] ^= 1 << self.choose.randrange(8)
            file.write_bytes(content)
        self.history.append(f"damaged: {newest.name}/{file.name} {how}")
        return newest.name

    def check_damage(self, damaged: str | None, ended: Ended) -> str | None:
        """Whether a run that resumed said which checkpoint was damaged; what is still to be said."""
        if damaged is None or "resumed at update" not in ended.said:
            return damaged
        self.expect(f"{damaged} was passed over" in ended.said, f"{damaged} is damaged and was not named", ended)
        return None

    def expect(self, fine: bool, complaint: str, ended: Ended | None = None) -> None:
        if not fine:
            said = f"\nIt said:\n{ended.said}" if ended is not None else ""
            raise TortureError("\n  ".join([complaint, *self.history]) + said)


def contents(output: Path) -> dict[str, Any]:
    """Everything that a run has made, but the time it took."""
    found: dict[str, Any] = {}
    for path in (*output.rglob("*"), *output.with_name(output.name + ".steps").rglob("*")):
        name = path.relative_to(output.parent).as_posix()
        if path.name == "made_by.json":
            made = json.loads(path.read_text(encoding="utf-8"))
            found[name] = {**made, "command": "", "seconds": 0, "settings": {}}
            for name_of_speed in ("tokens_per_second", "work"):
                made["metrics"].pop(name_of_speed, None)
        elif path.is_file() and path.name not in TIMES:
            found[name] = path.read_bytes()
    return found


# --- the disk ---

DISK = 1 << 28  # bytes; a size at which nothing is full


def mount(folder: Path) -> bool:
    """Puts a file system of its own into a folder, if the system lets us; it is this process's alone and ends with it."""
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None).unshare(0x10000000 | 0x00020000) != 0:  # CLONE_NEWUSER | CLONE_NEWNS of <sched.h>
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        Path(f"/proc/self/{name}").write_text(text, encoding="ascii")
    options = ["-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    return subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0


def resize(folder: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True, capture_output=True)


def torture(points: int, seed: int, folder: Path, *, mounted: bool, say: Callable[[str], None] = print) -> Torture:
    """So many interruptions.

    Raises:
        TortureError: a run that is not what it should be.
    """
    write_data(folder)
    found = Torture(folder, random.Random(seed), mounted)
    while (done := found.counts.total()) < points:
        name = RUNS[found.runs % len(RUNS)]
        found.run(name, min(found.choose.randint(2, 8), points - done))
        say(f"{found.counts.total()} of {points}: " + "; ".join(found.history))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Interrupts training runs and compares how they end.")
    parser.add_argument("--points", type=int, default=100, help="how many interruptions")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of all choices")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fathom-torture-"))
    mounted = mount(folder)
    print(f"seed {chosen.seed}; {'a disk' if mounted else 'no disk'} of its own in {folder}", flush=True)
    started = time.monotonic()
    try:
        found = torture(chosen.points, chosen.seed, folder, mounted=mounted, say=lambda text: print(text, flush=True))
    except TortureError as error:
        kept = shutil.copytree(folder, f"{folder}-failed")
        print(f"FAILED (--seed {chosen.seed}; what was there is in {kept}): {error}", file=sys.stderr)
        return 1
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)
        shutil.rmtree(folder)
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.counts.most_common())
    print(f"{found.runs} runs, interrupted {found.counts.total()} times ({kinds}), each ended as the run that nothing")
    print(f"interrupted, byte for byte. seed {chosen.seed}, {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
