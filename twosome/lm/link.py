"""Processes that `torchrun` or `accelerate launch` started together, and what they say to each other.

By torch.distributed's gloo, on every device: what crosses are texts, log-probabilities and adapters, which are small,
and gloo lets two processes share a GPU and tells at once when one of them has died. A message is JSON and tensors;
nothing is pickled. Its length goes before it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from safetensors.torch import load, save
from torch import Tensor

from twosome.errors import RankError, is_out_of_memory

FOREVER = timedelta(days=365)  # that a rank waits for the next question
LENGTH = 8  # bytes of a length


class Message(NamedTuple):
    """What is said, plain data, and tensors by their names; they arrive on the CPU."""

    said: dict[str, Any]
    tensors: dict[str, Tensor] = {}  # noqa: RUF012  (never changed)


def packed(message: Message) -> bytearray:
    """A message as bytes: the length of its JSON, the JSON, the tensors as safetensors."""
    text = json.dumps(message.said).encode()
    tensors = save({name: tensor.detach().cpu().contiguous() for name, tensor in message.tensors.items()})
    return bytearray(len(text).to_bytes(LENGTH, "big") + text + tensors)


def unpacked(data: bytes) -> Message:
    """The inverse of `packed`."""
    end = LENGTH + int.from_bytes(data[:LENGTH], "big")
    return Message(json.loads(data[LENGTH:end]), load(data[end:]))


class Link:
    """This process among `size`, its `rank` among them, and the way to the others.

    `seconds`: how long a message may take to come or go, None for any time.
    """

    def __init__(self) -> None:
        dist.init_process_group("gloo")
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.seconds: float | None = None

    def send(self, to: int, message: Message) -> None:
        """Send a message. Raises `RankError` where the other process has died or does not take it in time."""
        data = packed(message)
        self._move(dist.isend, torch.tensor([len(data)]), to)
        self._move(dist.isend, torch.frombuffer(data, dtype=torch.uint8), to)

    def receive(self, sender: int) -> Message:
        """Wait for a message. Raises `RankError` where the other process has died or says nothing in time."""
        size = torch.zeros(1, dtype=torch.int64)
        self._move(dist.irecv, size, sender)
        data = torch.empty(int(size), dtype=torch.uint8)
        self._move(dist.irecv, data, sender)
        return unpacked(data.numpy().tobytes())

    def close(self) -> None:
        """End the connections: the others see it and end too."""
        if dist.is_initialized():
            dist.destroy_process_group()

    def _move(self, way: Any, tensor: Tensor, other: int) -> None:
        try:
            way(tensor, other).wait(FOREVER if self.seconds is None else timedelta(seconds=self.seconds))
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            if "Timed out" in str(error) and self.seconds is not None:
                raise RankError(
                    f"{self._named(other)} did not answer within {self.seconds:g} s: it hangs, or its passes take "
                    "longer than that (rank_timeout allows more, a smaller policy.token_budget makes them shorter)."
                ) from None
            raise RankError(
                f"{self._named(other)} has died: killed, perhaps for want of memory, or its machine is gone. Look at "
                "what it printed."
            ) from None

    def _named(self, rank: int) -> str:
        return f"Rank {rank} of the {self.size} processes"
