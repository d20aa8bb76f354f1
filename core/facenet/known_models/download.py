"""HTTP downloads that go on where they were cut off."""

from __future__ import annotations

from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib import request
from urllib.error import HTTPError, URLError

from facenet.errors import FacenetError
from facenet.types import Progress

ATTEMPTS = 4
"""Connections that one download may use."""
TIMEOUT = 30.0
"""Seconds of silence after which a connection counts as cut."""
_CHUNK = 1 << 16
_RANGE_NOT_SATISFIABLE = 416


def download(address: str, partial: Path, size: int, progress: Progress) -> None:
    """Bring `partial`, which may hold the beginning of the file, to the file's `size` in bytes.

    What was received stays in `partial`, whatever happens. A server may send more than `size`
    bytes or the wrong ones: the caller checks them.

    Raises `FacenetError` when the server does not answer, or not with the file.
    """
    if _held(partial) > size:
        partial.unlink()
    for _ in range(ATTEMPTS):
        if _held(partial) >= size:
            return
        _receive(address, partial, size, progress)
    if _held(partial) < size:
        raise FacenetError(
            f"{address}: cut off {ATTEMPTS} times; {_held(partial):,} of {size:,} bytes are kept, "
            "and the same command goes on from there"
        )


def _receive(address: str, partial: Path, size: int, progress: Progress) -> None:
    """Add to `partial` what one connection gives."""
    held = _held(partial)
    response = _open(address, held)
    if response is None:
        partial.unlink()
        return
    with response:
        # A server that knows no ranges sends the whole file again.
        done = held if response.status == 206 else 0
        if response.length is not None and done + response.length != size:
            raise FacenetError(
                f"{address}: the server has {done + response.length:,} bytes there instead of "
                f"{size:,}"
            )
        try:
            with partial.open("ab" if done else "wb") as file:
                progress(done, size)
                while done <= size and (chunk := _read(response)):
                    file.write(chunk)
                    done += len(chunk)
                    progress(done, size)
        except OSError as error:
            # Writing says what is wrong (a full disk), but not with which file.
            raise OSError(error.errno, error.strerror, str(partial)) from error


def _open(address: str, start: int) -> HTTPResponse | None:
    """The server's answer from the byte `start` on; None when it has no such byte."""
    headers = {"Range": f"bytes={start}-"} if start else {}
    try:
        wanted = request.Request(address, headers=headers)
        response: HTTPResponse = _opener().open(wanted, timeout=TIMEOUT)
        return response
    except HTTPError as error:
        error.close()
        if start and error.code == _RANGE_NOT_SATISFIABLE:
            return None
        answer = f"{error.code} {error.reason}"
        raise FacenetError(f"{address}: the server answered {answer}") from None
    except (OSError, HTTPException, ValueError) as error:
        # urllib raises all three, and wraps only some in its own URLError.
        reason = error.reason if isinstance(error, URLError) else error
        raise FacenetError(f"{address}: cannot be reached ({reason})") from None


def _opener() -> request.OpenerDirector:
    """urllib's own without files and FTP, to which a server could otherwise redirect."""
    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler,
        request.HTTPHandler,
        request.HTTPSHandler,
        request.HTTPRedirectHandler,
        request.HTTPErrorProcessor,
        request.HTTPDefaultErrorHandler,
        request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _read(response: HTTPResponse) -> bytes:
    """The next bytes; none at the end, and none when the connection was cut."""
    try:
        return response.read1(_CHUNK)
    except (OSError, HTTPException):
        return b""


def _held(partial: Path) -> int:
    return partial.stat().st_size if partial.is_file() else 0
