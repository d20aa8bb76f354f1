"""Work on many items in threads, a little ahead of whoever takes the answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def map_ahead(
    function: Callable[[Item], Answer], items: Iterable[Item], workers: int, ahead: int
) -> Generator[tuple[Item, Answer], None, None]:
    """Each item and its answer, in order; at most `ahead` answers wait to be taken.

    `items` may never end. Work that has not begun is dropped when the iterator is closed.
    """
    with ThreadPoolExecutor(max(1, workers)) as pool:
        waiting: deque[tuple[Item, Future[Answer]]] = deque()
        try:
            for item in items:
                waiting.append((item, pool.submit(function, item)))
                if len(waiting) > ahead:
                    first, answer = waiting.popleft()
                    yield first, answer.result()
            while waiting:
                first, answer = waiting.popleft()
                yield first, answer.result()
        finally:
            for _, answer in waiting:
                answer.cancel()
