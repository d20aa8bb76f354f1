"""Concurrent callers share the calls of one batch function."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class SharedBatches(Generic[Item, Answer]):
    """Calls `function` from one thread at a time, with what all callers have handed in by then.

    Nobody waits for others to come: a caller that finds the function idle runs it at once. Those
    who come meanwhile are served together by the next call, at most `size` items in one, in the
    order in which they came. Where a call fails, each of its items is tried by itself, so that one
    caller's fault is not another's.
    """

    def __init__(self, function: Callable[[list[Item]], Sequence[Answer]], size: int) -> None:
        self._function = function
        self._size = size
        self._waiting: deque[tuple[Item, Future[Answer]]] = deque()
        self._turn = threading.Lock()

    def __call__(self, items: Sequence[Item]) -> list[Answer]:
        """One answer for each item, in order; raises what `function` raises for one of them."""
        tickets: list[Future[Answer]] = [Future() for _ in items]
        self._waiting.extend(zip(items, tickets, strict=True))
        while not all(ticket.done() for ticket in tickets):
            with self._turn:
                if not all(ticket.done() for ticket in tickets):
                    self._serve()
        return [ticket.result() for ticket in tickets]

    def _serve(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(self._size, len(self._waiting)))]
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
