"""Work in threads, of which there are only so many, and for which only so many may wait."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import torch

from facenet_serve import Options
from facenet_serve.problems import RETRY_SECONDS, Problem

Result = TypeVar("Result")

MOST_STREAMS = 4
"""By default: more make batches small, and hold back each other's Python."""


def streams(options: Options, device: torch.device) -> ThreadPoolExecutor:
    """Threads for the calls of a model, which share what cores a worker has.

    A call by itself makes poor use of several cores when its network is small: its threads meet at
    the end of each layer. Several calls at a time, each on cores of its own, never wait.
    """
    cores = max(1, torch.get_num_threads() // options.workers)
    usual = min(cores, MOST_STREAMS) if device.type == "cpu" else 1
    count = options.streams or usual
    return ThreadPoolExecutor(
        count,
        thread_name_prefix="facenet stream",
        initializer=torch.set_num_threads,
        initargs=(max(1, cores // count),),
    )


class Workroom:
    """Runs functions, `concurrency` at a time; `queue` more may wait, and nobody longer than
    `timeout` seconds.

    What those functions need in common, the calls of detector and model, they share: see
    `facenet.recognition.batching`. A function whose caller has given up still runs to its end when
    it has begun, and keeps its place until then. `told` hears how many run or wait.
    """

    def __init__(
        self, concurrency: int, queue: int, timeout: float, told: Callable[[int], None]
    ) -> None:
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="facenet work")
        self._room = concurrency + queue
        self._timeout = timeout
        self._told = told
        self._taken = 0

    async def run(self, function: Callable[..., Result], *values: Any, **named: Any) -> Result:
        """The function's answer; raises what it raises, or `Problem` for lack of room or time."""
        if self._taken >= self._room:
            raise Problem(
                "busy",
                f"{self._taken} requests are waiting already; try again",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        self._take(1)
        context = contextvars.copy_context()
        work = self._pool.submit(context.run, partial(function, *values, **named))
        loop = asyncio.get_running_loop()
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._take, -1))
        answer = asyncio.wrap_future(work)
        try:
            async with asyncio.timeout(self._timeout):
                return await answer
        except TimeoutError:
            if answer.done() and not answer.cancelled():
                raise  # The function's own.
            raise Problem(
                "deadline",
                f"it was not done within {self._timeout:g} s; send less at once, or try again",
                headers={"Retry-After": str(RETRY_SECONDS)},
            ) from None

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _take(self, places: int) -> None:
        self._taken += places
        self._told(self._taken)
