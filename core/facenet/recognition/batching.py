"""Concurrent callers share the calls of one batch function."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class SharedBatches(Generic[Item, Answer]):
    """Calls `function` with what all callers have handed in by then, at most `size` items in one
    call, in the order in which they came.

    Nobody waits for others to come: a caller that finds the function idle has it called at once,
    and those who come meanwhile are served together by the next call. Calls are made by the callers
    themselves, one at a time; or in `lanes`, as many at a time as it has threads. Where a call
    fails, each of its items is tried by itself, so that one caller's fault is not another's.
    """

    def __init__(self, function: Callable[[list[Item]], Sequence[Answer]], size: int) -> None:
        self.lanes: Executor | None = None
        self._function = function
        self._size = size
        self._waiting: deque[tuple[Item, Future[Answer]]] = deque()
        self._turn = threading.Lock()

    def __call__(self, items: Sequence[Item]) -> list[Answer]:
        """One answer for each item, in order; raises what `function` raises for one of them."""
        tickets: list[Future[Answer]] = [Future() for _ in items]
        self._waiting.extend(zip(items, tickets, strict=True))
        # A call takes `size` items, or all that wait: with so many none of these is left over.
        for _ in range(0, len(items), self._size):
            if self.lanes is not None:
                self.lanes.submit(self._serve)
                continue
            with self._turn:
                self._serve()
        return [ticket.result() for ticket in tickets]

    def _serve(self) -> None:
        batch: list[tuple[Item, Future[Answer]]] = []
        with contextlib.suppress(IndexError):  # nothing waits any more
            while len(batch) < self._size:
                batch.append(self._waiting.popleft())
        if not batch:
            return
        try:
            self._answer(batch)
        except BaseException as error:
            # Interrupted: the others must not wait for an answer that will never come.
            for _, ticket in batch:
                if not ticket.done():
                    ticket.set_exception(error)
            raise

    def _answer(self, batch: list[tuple[Item, Future[Answer]]]) -> None:
        try:
            answers = self._function([item for item, _ in batch])
            if len(answers) != len(batch):
                raise ValueError(f"{len(answers)} answers were given for {len(batch)} items")
        except Exception as error:  # whatever the function raises is its caller's to see
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            for pair in batch:
                self._answer([pair])
            return
        for (_, ticket), answer in zip(batch, answers, strict=True):
            ticket.set_result(answer)
