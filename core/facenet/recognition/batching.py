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
            answers = self._function([item for item, _ in batch])
        except Exception as error:
            if len(batch) > 1:
                for pair in batch:
                    self._serve_alone(*pair)
            else:
                batch[0][1].set_exception(error)
        except BaseException as error:
            # Interrupted: the others must not wait for an answer that will never come.
            for _, ticket in batch:
                ticket.set_exception(error)
            raise
        else:
            for (_, ticket), answer in zip(batch, answers, strict=True):
                ticket.set_result(answer)

    def _serve_alone(self, item: Item, ticket: Future[Answer]) -> None:
        try:
            [answer] = self._function([item])
        except BaseException as error:
            ticket.set_exception(error)
        else:
            ticket.set_result(answer)
