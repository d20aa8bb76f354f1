"""`facenet models`, and downloads from a web server that misbehaves."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from facenet.errors import FacenetError, ModelError, RequestError
from facenet.known_models import KnownModel, cache_folder, cached, known_models, path_of
from facenet.known_models.download import ATTEMPTS
from facenet.known_models.fetching import fetch

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "known-models.md"
CONTENT = bytes(range(256)) * 1000
ENTRY = KnownModel(
    name="tiny",
    purpose="tests",
    file="tiny.onnx",
    address="https://example.invalid/tiny.onnx",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    size=len(CONTENT),
    licence="MIT",
    made_by="nobody",
    described_at="https://example.invalid",
)


class Server(ThreadingHTTPServer):
    """A web server with one file, /tiny.onnx; how it misbehaves is set on it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.content = CONTENT
        self.ranges = True
        self.tells_length = True
        self.cut_after: list[int] = []
        """How many bytes the first answers send before the connection is closed."""
        self.redirect: str | None = None
        self.asked: list[str | None] = []
        """The Range header of each request."""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def entry(self) -> KnownModel:
        return dataclasses.replace(ENTRY, address=f"{self.base}/tiny.onnx")

    def handle_error(self, *_: Any) -> None:
        """A client that leaves early is no error here."""


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers["Range"]
        server.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        if server.redirect:
            self.send_response(302)
            self.send_header("Location", server.redirect)
            self.end_headers()
        elif self.path != "/tiny.onnx":
            self.send_error(404)
        elif server.ranges and start >= len(server.content):
            self.send_error(416)
        else:
            self.send_file(server.content[start:] if server.ranges else server.content)

    def send_file(self, body: bytes) -> None:
        partly = len(body) < len(self.server.content)
        self.send_response(206 if partly else 200)
        if self.server.tells_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut_after = self.server.cut_after
        self.wfile.write(body[: cut_after.pop(0)] if cut_after else body)

    def log_message(self, *_: Any) -> None:
        """Tests are quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder of this test alone."""
    monkeypatch.setenv("FACENET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache" / "models"


@pytest.fixture
def partial(cache: Path) -> Path:
    """Where a download that was cut off waits."""
    cache.mkdir(parents=True)
    return cache / "tiny.onnx.partial"


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# The table


def test_every_entry_says_what_it_is_and_cannot_change() -> None:
    known = known_models()
    assert {"yunet", "sface"} <= {model.name for model in known}
    for model in known:
        assert re.fullmatch(r"[a-z0-9_]+", model.name)
        assert re.fullmatch(r"[0-9a-f]{64}", model.sha256)
        assert re.fullmatch(r"https://github\.com/[^/]+/[^/]+/raw/[0-9a-f]{40}/.+", model.address)
        assert model.address.endswith(f"/{model.file}")
        assert model.size > 0
        assert model.licence in {"MIT", "Apache-2.0", "BSD-3-Clause"}
        assert model.purpose
        assert model.made_by
        assert model.described_at.startswith("https://")


def test_no_two_entries_share_a_file() -> None:
    known = known_models()
    assert len({model.file for model in known}) == len({m.sha256 for m in known}) == len(known)


def test_the_page_lists_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows == [
        (model.name, model.purpose, f"{model.size / 1e6:.1f} MB", model.licence)
        for model in known_models()
    ]


def test_looking_weights_up_imports_nothing_heavy_and_no_network() -> None:
    script = (
        "import sys\nfrom facenet.known_models import known_models\nknown_models()\n"
        "print(*sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"torch", "numpy", "pydantic", "PIL", "rich", "click", "urllib.request", "ssl"}
    assert heavy & set(ran.stdout.split()) == set()


# The cache


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("FACENET_CACHE", "/own")
    assert cache_folder() == Path("/own/models")
    monkeypatch.delenv("FACENET_CACHE")
    assert cache_folder() == Path("/xdg/facenet/models")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path("/home/somebody/.cache/facenet/models")


def test_a_path_before_the_file_is_there_says_how_to_fetch_it(cache: Path) -> None:
    with pytest.raises(ModelError) as caught:
        path_of("yunet")
    file = cache / "face_detection_yunet_2023mar.onnx"
    assert str(caught.value) == f"{file}: no such file; fetch it with: facenet models get yunet"


def test_a_file_that_was_changed_does_not_count(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "face_detection_yunet_2023mar.onnx").write_bytes(b"\0" * 232_589)
    with pytest.raises(ModelError, match=r"has SHA-256 \w{64} instead of 8f2383e4dd"):
        path_of("yunet")
    (cache / "face_detection_yunet_2023mar.onnx").write_bytes(b"\0")
    with pytest.raises(ModelError, match="has 1 bytes instead of 232,589"):
        path_of("yunet")


# Downloads


def test_a_file_is_downloaded_whole(server: Server, cache: Path) -> None:
    reports: list[tuple[int, int]] = []
    path = fetch(server.entry, progress=lambda done, total: reports.append((done, total)))
    assert path == cache / "tiny.onnx" == cached(server.entry)
    assert path.read_bytes() == CONTENT
    assert reports[0] == (0, len(CONTENT))
    assert reports[-1] == (len(CONTENT), len(CONTENT))
    assert reports == sorted(reports)


def test_a_file_that_is_here_is_not_asked_for_again(server: Server) -> None:
    assert fetch(server.entry) == fetch(server.entry)
    assert server.asked == [None]


def test_a_file_that_was_changed_is_fetched_again(server: Server) -> None:
    path = fetch(server.entry)
    path.write_bytes(CONTENT[::-1])
    assert fetch(server.entry).read_bytes() == CONTENT


def test_two_that_fetch_one_file_at_once_download_it_once(server: Server) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(fetch, [server.entry] * 8))
    assert paths[0].read_bytes() == CONTENT
    assert (len(set(paths)), server.asked) == (1, [None])


def test_a_cut_connection_goes_on_where_it_stopped(server: Server) -> None:
    server.cut_after = [100_000, 50_000]
    assert fetch(server.entry).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-", "bytes=150000-"]


def test_a_server_without_a_length_is_read_on_too(server: Server) -> None:
    server.tells_length, server.cut_after = False, [100_000]
    assert fetch(server.entry).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100000-"]


def test_a_connection_that_is_always_cut_is_given_up_and_kept(
    server: Server, partial: Path
) -> None:
    server.cut_after = [10] * ATTEMPTS
    with pytest.raises(FacenetError, match=f"cut off {ATTEMPTS} times; 40 of 256,000 bytes"):
        fetch(server.entry)
    assert partial.read_bytes() == CONTENT[:40]
    assert cached(server.entry) is None
    fetch(server.entry)
    assert server.asked[ATTEMPTS:] == ["bytes=40-"]


def test_an_interrupted_download_leaves_no_file_and_goes_on(server: Server, partial: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server.entry, progress=interrupt)
    held = partial.stat().st_size
    assert 0 < held < len(CONTENT)
    assert not partial.with_suffix("").exists()
    assert fetch(server.entry).read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={held}-"]
    assert not partial.exists()


def test_a_server_that_ignores_ranges_starts_over(server: Server, partial: Path) -> None:
    partial.write_bytes(CONTENT[:1000])
    server.ranges = False
    assert fetch(server.entry).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_a_beginning_that_the_server_does_not_have_is_thrown_away(
    server: Server, partial: Path
) -> None:
    partial.write_bytes(CONTENT[:1000])
    server.content = b"short"
    with pytest.raises(FacenetError, match="has 5 bytes there instead of 256,000"):
        fetch(server.entry)
    assert server.asked == ["bytes=1000-", None]
    assert not partial.exists()


def test_a_beginning_that_is_too_long_is_thrown_away(server: Server, partial: Path) -> None:
    partial.write_bytes(CONTENT + b"more")
    assert fetch(server.entry).read_bytes() == CONTENT
    assert server.asked == [None]


def test_a_beginning_that_is_whole_needs_no_server(partial: Path) -> None:
    partial.write_bytes(CONTENT)
    assert fetch(ENTRY).read_bytes() == CONTENT


def test_the_wrong_file_is_thrown_away(server: Server, partial: Path) -> None:
    server.content = CONTENT[::-1]
    with pytest.raises(FacenetError) as caught:
        fetch(server.entry)
    got = hashlib.sha256(CONTENT[::-1]).hexdigest()
    assert f"has SHA-256 {got} instead of {ENTRY.sha256}" in str(caught.value)
    assert str(caught.value).startswith(server.entry.address)
    assert not partial.exists()
    assert cached(server.entry) is None


def test_a_server_that_never_ends_is_left(server: Server, partial: Path) -> None:
    server.content, server.tells_length = CONTENT * 40, False
    reports: list[int] = []
    with pytest.raises(FacenetError, match=r"has [\d,]+ bytes instead of 256,000"):
        fetch(server.entry, progress=lambda done, total: reports.append(done))
    assert reports[-1] < 2 * ENTRY.size
    assert not partial.exists()


def test_what_the_server_does_not_have_is_said(server: Server) -> None:
    missing = dataclasses.replace(ENTRY, address=f"{server.base}/none.onnx")
    with pytest.raises(FacenetError, match=r"none\.onnx: the server answered 404 Not Found"):
        fetch(missing)


def test_without_a_network_the_way_around_it_is_said(cache: Path) -> None:
    address = f"http://127.0.0.1:{closed_port()}/tiny.onnx"
    with pytest.raises(FacenetError) as caught:
        fetch(dataclasses.replace(ENTRY, address=address))
    assert caught.value.exit_code == 1
    assert str(caught.value) == (
        f"{address}: cannot be reached ([Errno 111] Connection refused); a file that was "
        "downloaded elsewhere is brought in with: facenet models get tiny --mirror FOLDER"
    )
    assert not list(cache.glob("tiny*"))


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/tiny.onnx"])
def test_a_redirect_away_from_the_web_is_refused(server: Server, target: str) -> None:
    server.redirect = target
    with pytest.raises(FacenetError, match=r"not allowed|unknown url type: ftp"):
        fetch(server.entry)


def test_a_redirect_keeps_the_range(server: Server, partial: Path) -> None:
    partial.write_bytes(CONTENT[:1000])
    with Server() as front:
        threading.Thread(target=front.serve_forever, args=(0.01,), daemon=True).start()
        front.redirect = server.entry.address
        assert fetch(front.entry).read_bytes() == CONTENT
        front.shutdown()
    assert server.asked == ["bytes=1000-"]


def test_a_full_disk_is_named_and_not_taken_for_a_cut_connection(
    server: Server, partial: Path, full_disk
) -> None:
    with full_disk(100_000), pytest.raises(OSError, match="File too large") as caught:
        fetch(server.entry)
    assert caught.value.filename == str(partial)
    assert server.asked == [None]


# Mirrors


@pytest.mark.parametrize("place", ["tiny.onnx", "tiny/tiny.onnx"])
def test_a_folder_is_a_mirror(tmp_path: Path, place: str) -> None:
    file = tmp_path / "mirror" / place
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    assert fetch(ENTRY, mirror=str(tmp_path / "mirror")).read_bytes() == CONTENT
    assert file.exists()


def test_the_file_itself_is_a_mirror(tmp_path: Path) -> None:
    (tmp_path / "renamed").write_bytes(CONTENT)
    assert fetch(ENTRY, mirror=str(tmp_path / "renamed")).name == "tiny.onnx"


@pytest.mark.parametrize("end", ["", "/"])
def test_a_web_address_is_a_mirror(server: Server, end: str) -> None:
    assert fetch(ENTRY, mirror=server.base + end).read_bytes() == CONTENT


def test_what_a_mirror_has_is_checked_all_the_same(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(b"something else")
    with pytest.raises(FacenetError, match=r"tiny\.onnx: has 14 bytes instead of 256,000"):
        fetch(ENTRY, mirror=str(tmp_path))
    assert not list(cache.glob("tiny*"))


@pytest.mark.parametrize(
    "mirror, problem",
    [
        ("nowhere", "nowhere: no folder with the file tiny.onnx"),
        ("file:///srv", "file:///srv: cannot be a mirror; name a folder, or an http"),
    ],
)
def test_what_cannot_be_a_mirror_is_a_wrong_request(mirror: str, problem: str) -> None:
    with pytest.raises(RequestError, match=re.escape(problem)):
        fetch(ENTRY, mirror=mirror)


@pytest.mark.parametrize("mirror", ["http://", "http://[::1", "http://a:b/", f"http://{'a' * 80}/"])
def test_an_address_that_is_none_is_one_sentence(mirror: str) -> None:
    with pytest.raises(FacenetError, match="cannot be reached"):
        fetch(ENTRY, mirror=mirror)


# The command


def test_the_list_needs_no_network(facenet) -> None:
    ran = facenet("models", "list", "--json")
    found = {entry["name"]: entry for entry in ran.json()}
    assert found["sface"]["path"] is None
    assert (found["sface"]["size"], found["sface"]["licence"]) == (38_696_353, "Apache-2.0")
    out = facenet("models", "list").out
    assert "38.7 MB" in out
    assert "yes" not in out


def test_a_path_that_is_not_here_is_a_wrong_request(facenet) -> None:
    ran = facenet("models", "path", "yunet")
    assert (ran.code, ran.out) == (2, "")
    assert "facenet models get yunet" in ran.err


@pytest.mark.parametrize("verb", ["get", "path"])
def test_an_unknown_name_suggests_the_nearest(facenet, verb: str) -> None:
    ran = facenet("models", verb, "yunnet")
    assert ran.code == 2
    assert ran.err.startswith("facenet: unknown weights 'yunnet', did you mean 'yunet'? (known: ")


def test_a_failed_download_is_one_sentence(facenet) -> None:
    mirror = f"http://127.0.0.1:{closed_port()}"
    ran = facenet("models", "get", "yunet", "--mirror", mirror)
    assert (ran.code, ran.out) == (1, "")
    assert f"{mirror}/face_detection_yunet_2023mar.onnx: cannot be reached" in ran.err
    assert "Traceback" not in ran.err


def test_real_weights_come_from_a_folder(facenet, real_models: Path, cache: Path) -> None:
    ran = facenet("models", "get", "yunet", "--mirror", real_models)
    assert (ran.code, ran.out) == (0, f"{cache / 'face_detection_yunet_2023mar.onnx'}\n")
    again = facenet("models", "get", "yunet")
    assert (again.code, again.out, again.err) == (0, ran.out, "yunet is already here\n")
    assert facenet("models", "path", "yunet").out == ran.out
    found = {entry["name"]: entry["path"] for entry in facenet("models", "list", "--json").json()}
    assert found["yunet"] == ran.out.strip()
