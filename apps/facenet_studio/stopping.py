"""A stop that does not wait for open pages."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

from gradio.routes import App


@asynccontextmanager
async def pages_let_go(app: App) -> AsyncIterator[None]:
    """Lifespan in which SIGINT and SIGTERM first end the answers that Gradio gives to open pages.

    The server finishes all answers before it stops, and these last as long as the page is open.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # where signals do not arrive
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(app.stop_event.set)
        if callable(handler := before[signal.Signals(number)]):
            handler(number, frame)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
