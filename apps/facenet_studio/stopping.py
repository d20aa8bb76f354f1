"""A stop that does not wait for open pages."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

from gradio.routes import App

from facenet.signals import STOPPING, handled


@asynccontextmanager
async def pages_let_go(app: App) -> AsyncIterator[None]:
    """Lifespan in which SIGINT and SIGTERM first end the answers that Gradio gives to open pages.

    The server finishes all answers before it stops, and these last as long as the page is open.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in STOPPING}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(app.stop_event.set)
        if callable(handler := before[signal.Signals(number)]):
            handler(number, frame)

    with handled(stop):
        yield
