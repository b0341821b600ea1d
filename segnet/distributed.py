"""Several processes that train one network: one without torchrun, several under it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Team:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """True in the process that writes files."""
        return self.rank == 0

    def share(self, items: list) -> list:
        """Return this process's part of a batch."""
        return items[self.rank :: self.size]

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return the network whose gradients are averaged over the team."""
        if self.size == 1:
            return network
        if device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
            return DistributedDataParallel(network, device_ids=[device.index])
        return DistributedDataParallel(network)

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a scalar over the team."""
        if self.size == 1:
            return value
        total = value.clone()
        distributed.all_reduce(total)
        return total / self.size

    def leader_says(self, flag: bool, device: torch.device) -> bool:
        """Return the leader's flag in every process."""
        if self.size == 1:
            return flag
        word = torch.tensor([int(flag)], device=device)
        distributed.broadcast(word, src=0)
        return bool(word.item())

    def wait(self) -> None:
        """Return when every process has come here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def join_team(device_name: str) -> Iterator[Team]:
    """Join the team that torchrun's environment describes; without torchrun, be alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team()
        return
    team = Team(int(os.environ["RANK"]), size, int(os.environ["LOCAL_RANK"]))
    on_gpu = device_name != "cpu" and torch.cuda.is_available()
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield team
    finally:
        distributed.destroy_process_group()
