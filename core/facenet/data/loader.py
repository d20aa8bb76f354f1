"""A loader whose processes leave it to their parent what a signal means."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, Dataset

from facenet.signals import STOPPING


class FaceLoader(DataLoader[Any]):
    """A `DataLoader` whose processes outlast Ctrl-C and SIGTERM, unless their parent sends it.

    Terminals, service managers and schedulers signal all processes of a job. Were those of the
    loader to die of it, their parent would lack the batches with which it finishes its step.
    """

    def __init__(self, dataset: Dataset[Any], **options: Any) -> None:
        super().__init__(dataset, worker_init_fn=_heed_the_parent_alone, **options)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # processes inherit it
        try:
            return super().__iter__()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _heed_the_parent_alone(_worker: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # a process that was not forked has no mask
    threading.Thread(target=_wait_for_the_parent, daemon=True).start()


def _wait_for_the_parent() -> None:
    parent = multiprocessing.parent_process()
    while parent:
        received = signal.sigwaitinfo(STOPPING)
        if received.si_signo == signal.SIGTERM and received.si_pid == parent.pid:
            os._exit(0)
