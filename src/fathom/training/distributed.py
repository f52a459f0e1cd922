"""The processes of one run, its ranks. A run in one process is that of rank 0 of 1, so nobody asks whether there are others.

    torchrun --nproc-per-node 2 -m fathom pretrain …     says in the environment who a process is and where all meet

    an update's batches   0 1 2 3 4 5      rank 0 computes 0 2 4, rank 1 computes 1 3 5; their gradients are added up
    replicated            each rank holds the model (DDP; Li et al. 2020, 2006.15704)
    sharded               each rank holds a part of every tensor and gathers a block while it is computed (FSDP2, after
                          Rajbhandari et al. 2020, 1910.02054, stage 3; Zhao et al. 2023, 2304.11277)

Decisions (stop, save, a loss that is not finite) are taken together, over gloo; gradients go over NCCL between GPUs. A process
that dies closes its connections, so the others notice at their next step together; one that is silent is given up after
`SILENCE`. All of them read and write the same folders: on several machines, on a file system that they share.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from fathom.errors import FathomError, MachineError, SettingsError, ToldElsewhereError
from fathom.model import Transformer
from fathom.training.settings import TrainingSettings

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

T = TypeVar("T")
SILENCE = timedelta(minutes=10)  # after which a process that does not answer counts as lost
_PREPARING = timedelta(days=30)  # the first rank may build a corpus for as long as it takes


class LostRankError(MachineError):
    """Another process of the run died or does not answer."""


@dataclass(frozen=True)
class Ranks:
    """The processes of this run, and which of them this is."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0  # among those on this machine: the number of its GPU
    _patient: Any = field(default=None, repr=False)  # a process group for waits without a limit

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes files and shows progress."""
        return self.rank == 0

    def device(self, device: torch.device) -> torch.device:
        """`device`, or of several GPUs the one that belongs to this rank.

        Raises:
            SettingsError: fewer GPUs than processes, or one named GPU for all of them.
        """
        if self.world == 1 or device.type != "cuda":
            return device
        if device.index is not None:
            raise SettingsError(
                f"the device is {device} and the run has {self.world} processes",
                expected="a GPU for each of them",
                do="leave its number out",
            )
        if self.local_rank >= torch.cuda.device_count():
            raise SettingsError(
                f"process {self.local_rank} of this machine has no GPU: there are {torch.cuda.device_count()}",
                do="start as many processes as there are GPUs (--nproc-per-node), or add --device cpu",
            )
        torch.cuda.set_device(self.local_rank)
        return torch.device("cuda", self.local_rank)

    def require_fit(self, settings: TrainingSettings, *, memory: int) -> None:
        """Raises SettingsError where these ranks cannot share the batches of an update.

        Args:
            memory: tokens that the objective remembers from batch to batch.
        """
        if settings.accumulate % self.world:
            fitting = -(-settings.accumulate // self.world) * self.world
            raise self.told_once(
                SettingsError(
                    f"training.accumulate is {settings.accumulate} and the run has {self.world} processes",
                    expected=f"batches of an update that the processes can share evenly: a multiple of {self.world}",
                    do=f"--set training.accumulate={fitting}; with smaller batches (--batch-tokens), an update stays as large",
                )
            )
        if memory and self.world > 1:
            raise self.told_once(
                SettingsError(
                    f"the objective remembers {memory} tokens from batch to batch and the run has {self.world} processes",
                    expected="one process, which reads all batches in their order",
                    do="set memory to 0, or start without torchrun",
                )
            )

    def require_same(self, what: str, value: str) -> None:
        """Waits for all ranks; raises SettingsError where they do not hold the same value."""
        if len(set(self._gather_patiently(value))) > 1:
            raise self.told_once(
                SettingsError(
                    f"the {self.world} processes of this run do not have the same {what}",
                    expected="the same command, versions, data and folders everywhere",
                    do="on several machines, put data and --output on a file system that they share",
                )
            )

    def deal(self, batches: Sequence[T]) -> list[tuple[int, T, bool]]:
        """This rank's batches of an update, each with its number in the update and whether it counts.

        All ranks get the same number of them, since they compute together: where one has none left, it computes the first
        batch again for nothing.
        """
        numbers = range(self.rank, -(-len(batches) // self.world) * self.world, self.world)
        return [(n, batches[n], True) if n < len(batches) else (0, batches[0], False) for n in numbers]

    def any(self, *flags: bool) -> list[bool]:
        """For each flag, whether it is set on any rank."""
        return [total > 0 for total in self.sum(*map(float, flags))]

    def sum(self, *numbers: float) -> list[float]:
        """Each of the numbers, added up over the ranks."""
        if self.world == 1:
            return list(numbers)
        held = torch.tensor(numbers, dtype=torch.float64)
        with self._noticing():
            dist.all_reduce(held)
        return held.tolist()

    def gather(self, value: T) -> list[T]:
        """What each rank has; anything that JSON can hold."""
        return [value] if self.world == 1 else self._gather(value, lambda *tensors: dist.all_gather(*tensors))

    def from_first(self, value: T) -> T:
        """What the first rank has."""
        return self.gather(value)[0]

    @contextmanager
    def first_goes_ahead(self) -> Iterator[None]:
        """The first rank runs the block; when it has, the others do, and find what it made. If it fails, all end.

        Raises:
            ToldElsewhereError: the first rank failed, and says why.
        """
        if not self.is_first:
            failure: dict[str, Any] | None = self._gather_patiently(None)[0]
            if failure is not None:
                raise ToldElsewhereError(str(failure["text"]), exit_code=int(failure["exit_code"]))
            yield
            return
        try:
            yield
        except BaseException as error:
            code = 130 if isinstance(error, KeyboardInterrupt) else getattr(error, "exit_code", 1)
            with suppress(LostRankError):  # what happened here is to be told
                self._gather_patiently({"text": str(error) or type(error).__name__, "exit_code": code})
            raise
        self._gather_patiently(None)

    def told_once(self, error: FathomError) -> FathomError:
        """An error that all ranks found at the same time, as each should raise it: one tells it, the others end in silence."""
        return error if self.is_first else ToldElsewhereError(str(error), exit_code=error.exit_code)

    @contextmanager
    def ending_if_one_is_lost(self, rescued: Callable[[], str]) -> Iterator[None]:
        """Raises LostRankError where one of the others is gone, and ignores SIGTERM from then on.

        That signal is how torchrun ends the others; what they still have to do and to say is done here, and they end by
        themselves.

        Args:
            rescued: saves what can be saved without the others and says where the run stands.
        """
        try:
            yield
        except (RuntimeError, LostRankError) as error:
            if not self._is_loss(error):
                raise
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            raise LostRankError(
                f"one of the run's {self.world} processes was lost: {rescued()}",
                expected="all of them until the end",
                do="look above for why it ended (memory, perhaps), and repeat the command with --resume",
            ) from error

    def _is_loss(self, error: Exception) -> bool:
        """Gloo raises plain errors, which name its source files."""
        told = isinstance(error, LostRankError | dist.DistError) or "gloo" in str(error) or "NCCL" in str(error)
        return self.world > 1 and told

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise LostRankError(
                f"one of the run's {self.world} processes was lost",
                expected="all of them until the end",
                do="look above for why it ended, and repeat the command with --resume",
            ) from error

    def _gather(self, value: T, all_gather: Callable[[list[Tensor], Tensor], object]) -> list[T]:
        data = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.world)]
        with self._noticing():
            all_gather(sizes, torch.tensor([len(data)]))
            padded = nn.functional.pad(data, (0, int(max(sizes)) - len(data)))
            found = [torch.zeros_like(padded) for _ in sizes]
            all_gather(found, padded)
        return [json.loads(bytes(one[: int(size)].tolist())) for one, size in zip(found, sizes, strict=True)]

    def _gather_patiently(self, value: T) -> list[T]:
        """Waits as long as it takes, and hears signals meanwhile."""

        def all_gather(into: list[Tensor], tensor: Tensor) -> None:
            work = dist.all_gather(into, tensor, group=self._patient, async_op=True)
            while not work.is_completed():
                time.sleep(0.02)
            work.wait()

        return [value] if self.world == 1 else self._gather(value, all_gather)


@contextmanager
def joined() -> Iterator[Ranks]:
    """The ranks of this run by torchrun's environment: connected inside the block, and one alone where there is none.

    Raises:
        MachineError: the processes do not find each other.
    """
    named = {name: os.environ.get(name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")}
    if None in named.values() or named["WORLD_SIZE"] == "1":
        yield Ranks()
        return
    rank, world, local_rank = (int(str(named[name])) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    gpus = torch.cuda.is_available() and dist.is_nccl_available()
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=SILENCE)
        patient = dist.new_group(backend="gloo", timeout=_PREPARING)
    except (RuntimeError, ValueError) as error:
        raise MachineError(
            f"process {rank} of {world} did not find the others at {named['MASTER_ADDR']}:{named['MASTER_PORT']}: "
            f"{str(error).splitlines()[0]}",
            expected="torchrun's environment, and machines that reach each other",
        ) from error
    yield Ranks(rank, world, local_rank, patient)
    dist.destroy_process_group()  # after an error the process ends, which tells the others


class Computation(nn.Module):
    """A model and whatever is computed with it, in one forward pass: the place where DDP and FSDP do their part."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, compute: Callable[[nn.Module], T]) -> T:
        """`compute` of the model."""
        return compute(self.model)


def sharded_copy(model: nn.Module, ranks: Ranks) -> Computation:
    """A copy of `model` of which each rank holds a part; `model` itself moves to the processor's memory."""
    from torch.distributed.device_mesh import init_device_mesh  # this and FSDP take most of a second to import
    from torch.distributed.fsdp import fully_shard

    device = next(model.parameters()).device
    for tensor in model.state_dict().values():
        dist.broadcast(tensor, src=0)
    computation = Computation(copy.deepcopy(model))
    model.cpu()
    mesh = init_device_mesh(device.type, (ranks.world,))
    for block in blocks_of(computation):
        fully_shard(block, mesh=mesh)
    fully_shard(computation, mesh=mesh)
    return computation


def replicated(model: nn.Module, ranks: Ranks) -> nn.Module:
    """`model` so that its gradient is the mean over the ranks."""
    if ranks.world == 1:
        return Computation(model)
    # with relative positions, what stands for segments or starts the query stream learns from some batches only
    parts_rest = any(isinstance(part, Transformer) and part.config.positions == "relative" for part in model.modules())
    return DistributedDataParallel(Computation(model), find_unused_parameters=parts_rest, gradient_as_bucket_view=True)


def blocks_of(model: nn.Module) -> Iterator[nn.Module]:
    """The blocks of every stack in a model."""
    return (block for part in model.modules() if isinstance(part, Transformer) for block in part.blocks)


def not_yet_added_up(computation: nn.Module) -> AbstractContextManager[None]:
    """In which gradients stay this rank's own, because more of them follow."""
    return computation.no_sync() if isinstance(computation, DistributedDataParallel) else nullcontext()


def clip_gradient(parameters: Iterable[nn.Parameter], limit: float) -> float:
    """Scales a gradient, sharded or not, to a norm of at most `limit`; returns the norm that it had."""
    parameters = list(parameters)
    norm = whole(nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None]))
    nn.utils.clip_grads_with_norm_(parameters, limit, norm)
    return float(norm)


def whole(tensor: Tensor) -> Tensor:
    """A tensor of which this rank may hold a part; all ranks ask for it together."""
    return tensor.full_tensor() if _is_sharded(tensor) else tensor


def shard_like(tensor: Tensor, other: Tensor) -> Tensor:
    """This rank's part of a tensor, if `other`, of the same shape, is held in parts."""
    if _is_sharded(tensor) or not _is_sharded(other):
        return tensor
    from torch.distributed.tensor import DTensor, Replicate

    mesh = other.device_mesh
    everywhere = DTensor.from_local(tensor.to(other.device), mesh, [Replicate()] * mesh.ndim, run_check=False)
    return everywhere.redistribute(placements=other.placements)


def _is_sharded(tensor: Tensor) -> TypeGuard[DTensor]:
    return hasattr(tensor, "full_tensor")  # only a DTensor has it
