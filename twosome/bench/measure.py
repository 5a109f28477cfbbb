"""Tokens, FLOPs, peak memory and interleaved seconds of a piece of work."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import torch

from twosome.bench.published import decoder
from twosome.types import LanguageModel

Job: TypeAlias = Callable[[], object]
Range: TypeAlias = dict[str, float]  # median, min, max
Row: TypeAlias = dict[str, Any]
"""One measurement as the JSON holds it: `environment`, `mode`, `scheme`, `label`, `decisions`, and what was found."""


M_MMAP_THRESHOLD, LARGER = -3, 2**16  # of glibc's <malloc.h>; bytes from which a block is mapped, and unmapped, alone


class Seconds(NamedTuple):
    """`wall`: on the clock; `cpu`: of this process, which a neighbour on the machine does not lengthen as much."""

    wall: float
    cpu: float


class Tokens:
    """Positions that went through the transformer, padding included, while the block runs."""

    total = 0


@contextmanager
def tokens_of(lm: LanguageModel) -> Iterator[Tokens]:
    """Count every position that is fed to the transformer."""
    counted = Tokens()

    def count(_module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        ids = kwargs["input_ids"] if kwargs.get("input_ids") is not None else args[0]
        counted.total += ids.numel()

    handle = decoder(lm).register_forward_pre_hook(count, with_kwargs=True)
    try:
        yield counted
    finally:
        handle.remove()


def flops(job: Job) -> int:
    """Floating-point operations by torch's counter, which is taught the CPU's attention kernel.

    Attention is counted dense, masked pairs too, for every scheme; a gradient checkpoint's second forward is counted.
    """
    from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

    aten = torch.ops.aten

    def forward(query: torch.Size, key: torch.Size, value: torch.Size, *_: object, **__: object) -> int:
        return sdpa_flop_count(query, key, value)

    def backward(
        gradient: torch.Size, query: torch.Size, key: torch.Size, value: torch.Size, *_: object, **__: object
    ) -> int:
        return sdpa_backward_flop_count(gradient, query, key, value)

    cpu = {
        aten._scaled_dot_product_flash_attention_for_cpu: forward,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: backward,
    }
    with FlopCounterMode(display=False, custom_mapping=cpu) as counter:
        job()
    return counter.get_total_flops()


def peak_memory(job: Job, device: torch.device) -> int | None:
    """Bytes that the work holds at its worst beyond what was held before it (the weights).

    On CUDA by the allocator's own count; on Linux by the resident memory, to about a megabyte; elsewhere None.
    """
    if device.type == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        job()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    if not Path("/proc/self/clear_refs").exists():
        return None
    _give_back()
    Path("/proc/self/clear_refs").write_text("5")  # resets the process's own high-water mark
    before = _status("VmRSS")
    job()
    return max(0, _status("VmHWM") - before)


def give_back_at_once() -> None:
    """From now on glibc gives every larger block back when it is freed, so that resident memory is what is held.

    Left to itself it keeps freed blocks of up to 32 MiB for the next ones, which seldom fit: passes of many sizes then
    look as if each held twice what it does. Elsewhere nothing is done.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(M_MMAP_THRESHOLD, LARGER)


def seconds(job: Job, device: torch.device) -> Seconds:
    """How long a job takes, the accelerator's queue included."""
    _synchronize(device)
    wall, cpu = time.perf_counter(), time.process_time()
    job()
    _synchronize(device)
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def interleaved(jobs: Mapping[str, Job], repetitions: int, device: torch.device) -> dict[str, list[Seconds]]:
    """A B C A B C ...: a slow moment of the machine then hits all schemes, and ratios are taken within a round."""
    times: dict[str, list[Seconds]] = {name: [] for name in jobs}
    for _ in range(repetitions):
        for name, job in jobs.items():
            times[name].append(seconds(job, device))
    return times


def range_of(values: list[float]) -> Range:
    """Median, least and most."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _give_back() -> None:
    """Return freed memory to the system, or the next measurement would use it unseen."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(field)))


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
