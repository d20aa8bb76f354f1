"""Bundles on a model hub, spoken to through huggingface_hub as it is installed.

The hub is a server on this machine that answers the few requests of a push and a fetch. Each side
runs in a process of its own, with an empty cache.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

from facenet import Recognizer
from facenet.errors import ConfigError, ModelError, RequestError
from facenet.models import load_model

TOKEN = "hf_token"


@dataclass
class Repository:
    """Files of each commit, and which commit a branch is at."""

    private: bool
    branches: dict[str, str] = field(default_factory=lambda: {"main": "0" * 40})
    commits: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"0" * 40: {}})
    messages: list[str] = field(default_factory=list)

    def files(self, revision: str) -> dict[str, bytes]:
        return self.commits[self.branches.get(revision, revision)]

    def commit(self, branch: str, lines: list[dict[str, Any]]) -> str:
        files = dict(self.files(branch))
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                self.messages.append(value["summary"])
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                del files[value["path"]]
            else:
                raise AssertionError(line["key"])
        commit = hashlib.sha1(f"{len(self.commits)}".encode()).hexdigest()
        self.commits[commit] = files
        self.branches[branch] = commit
        return commit


class Hub(ThreadingHTTPServer):
    """A hub with its repositories; whoever brings the token may write."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.repositories: dict[str, Repository] = {}
        self.served: list[str] = []
        self.broken = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    """The requests of `create_repo`, `upload_folder` and `snapshot_download`."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.headers.get("Content-Length"):
            body = self.chunks()
        match [unquote(part) for part in self.path.split("?")[0].strip("/").split("/")]:
            case ["api", "validate-yaml"]:
                self.answer({"errors": [], "warnings": []})
            case _ if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.answer({"error": "Invalid username or password."}, 401)
            case ["api", "repos", "create"]:
                self.create(json.loads(body))
            case ["api", "models", owner, name, "branch", branch]:
                self.branch(self.server.repositories[f"{owner}/{name}"], branch)
            case ["api", "models", _, _, "preupload", _]:
                files = json.loads(body)["files"]
                regular = {"uploadMode": "regular", "shouldIgnore": False}
                self.answer({"files": [{"path": file["path"], **regular} for file in files]})
            case ["api", "models", owner, name, "commit", branch]:
                lines = [json.loads(line) for line in body.splitlines()]
                commit = self.server.repositories[f"{owner}/{name}"].commit(branch, lines)
                url = f"{self.server.address}/{owner}/{name}/commit/{commit}"
                self.answer({"commitUrl": url, "commitOid": commit, "success": True})
            case other:
                self.answer({"error": f"unknown request {other}"}, 500)

    def do_GET(self) -> None:
        if self.server.broken:
            return self.answer({"error": "down"}, 500)
        match [unquote(part) for part in self.path.split("?")[0].strip("/").split("/")]:
            case ["api", "models", owner, name, "revision", revision]:
                self.info(f"{owner}/{name}", revision)
            case ["api", "models", owner, name, "tree", commit]:
                files = self.server.repositories[f"{owner}/{name}"].files(commit)
                self.answer(
                    [
                        {"type": "file", "path": path, "size": len(content), "oid": oid(content)}
                        for path, content in files.items()
                    ]
                )
            case ["api", "models", owner, name]:
                self.info(f"{owner}/{name}", "main")
            case [owner, name, "resolve", commit, path]:
                self.serve(self.server.repositories[f"{owner}/{name}"], commit, path)
            case other:
                self.answer({"error": f"unknown request {other}"}, 500)

    do_HEAD = do_GET

    def create(self, wanted: dict[str, Any]) -> None:
        if wanted["organization"] == "stranger":
            return self.answer({"error": "You don't have the rights"}, 403)
        id_ = f"{wanted['organization']}/{wanted['name']}"
        url = f"{self.server.address}/{id_}"
        if id_ in self.server.repositories:
            return self.answer({"error": "You already created this model repo", "url": url}, 409)
        private = wanted.get("visibility") == "private" or wanted.get("private", False)
        self.server.repositories[id_] = Repository(private)
        self.answer({"url": url})

    def branch(self, repository: Repository, branch: str) -> None:
        if branch in repository.branches:
            return self.answer({"error": "Reference already exists"}, 409)
        repository.branches[branch] = repository.branches["main"]
        self.answer({})

    def info(self, id_: str, revision: str) -> None:
        repository = self.server.repositories.get(id_)
        allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repository is None or (repository.private and not allowed):
            return self.answer({}, 401, {"X-Error-Code": "RepoNotFound"})
        commit = repository.branches.get(revision, revision)
        if commit not in repository.commits:
            return self.answer({}, 404, {"X-Error-Code": "RevisionNotFound"})
        files = [{"rfilename": path} for path in repository.commits[commit]]
        self.answer({"id": id_, "sha": commit, "private": repository.private, "siblings": files})

    def serve(self, repository: Repository, commit: str, path: str) -> None:
        if self.command == "GET":
            self.server.served.append(path)
        content = repository.commits[commit][path]
        self.answer(content, headers={"ETag": f'"{oid(content)}"', "X-Repo-Commit": commit})

    def answer(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if not isinstance(value, bytes):
            self.send_header("Content-Type", "application/json")
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def chunks(self) -> bytes:
        """A body whose length is not told beforehand."""
        body = b""
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        return body

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


def oid(content: bytes) -> str:
    """The id that git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@dataclass
class Machine:
    """A computer of its own as far as the hub's library can tell: its cache and its token."""

    home: Path
    endpoint: str
    token: str = ""
    offline: bool = False

    def run(self, *expressions: str) -> list[str]:
        """For each expression its value, or the error that it raised, as text."""
        settings = {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(self.home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": str(int(self.offline)),
            "HF_TOKEN": self.token,
        }
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT, *expressions],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stderr
        said = ran.stdout.splitlines()
        assert len(said) == len(expressions)
        return said


SCRIPT = """
import sys
import numpy as np
from facenet import Recognizer
from facenet.errors import FacenetError

def load(source, **more):
    return Recognizer.from_pretrained(source, device="cpu", store="memory", **more)

for expression in sys.argv[1:]:
    try:
        print(eval(expression))
    except FacenetError as error:
        print(type(error).__name__, error)
"""


@pytest.fixture
def ours(hub: Hub, tmp_path: Path) -> Machine:
    return Machine(tmp_path / "ours", hub.address, TOKEN)


@pytest.fixture
def theirs(hub: Hub, tmp_path: Path) -> Machine:
    return Machine(tmp_path / "theirs", hub.address)


@pytest.fixture
def push(bundle: Path) -> str:
    """An expression that a push begins with; its arguments are still to come."""
    return f"load({str(bundle)!r}).push_to_hub"


def test_a_bundle_goes_through_the_hub_unchanged(
    hub: Hub, ours: Machine, theirs: Machine, bundle: Path, push: str, tmp_path: Path
) -> None:
    assert ours.run(f"{push}('owner/faces', private=False)") == [f"{hub.address}/owner/faces"]
    crops = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    given, found = tmp_path / "crops.npy", tmp_path / "embeddings.npy"
    np.save(given, crops)
    hub.repositories["owner/faces"].files("main")["notes.txt"] = b"not of the bundle"
    theirs.run(f"np.save({str(found)!r}, load('owner/faces').model.embed(np.load({str(given)!r})))")
    np.testing.assert_array_equal(np.load(found), load_model(bundle).embed(crops))
    assert sorted(hub.served) == ["README.md", "config.json", "model.safetensors"]


def test_a_fetched_bundle_needs_no_network_any_more(ours: Machine, push: str) -> None:
    ours.run(f"{push}('owner/faces')", "load('owner/faces')")
    ours.offline = True
    assert ours.run("load('owner/faces').embed([]).shape") == ["(0, 16)"]


def test_a_push_is_private_and_on_the_main_branch_unless_said_otherwise(
    hub: Hub, ours: Machine, push: str
) -> None:
    said = ours.run(
        f"{push}('owner/faces', revision='v1', commit_message='The first one')",
        "load('owner/faces', revision='v1').embed([]).shape",
        "load('owner/faces')",
        "load('owner/faces', revision='v2')",
        f"{push}('owner/faces')",
    )
    assert said[1:4] == [
        "(0, 16)",
        "ModelError owner/faces: not a model bundle, it has no config.json",
        "ModelError owner/faces: has no revision 'v2'",
    ]
    [repository] = hub.repositories.values()
    assert repository.private
    assert repository.messages == ["The first one", "Model bundle of facenet"]
    assert repository.files("main") == repository.files("v1")


def test_what_may_not_be_pushed_is_not(hub: Hub, ours: Machine, push: str) -> None:
    hub.repositories["owner/public"] = Repository(private=False)
    said = ours.run(*(f"{push}({id_!r})" for id_ in ("owner/public", "stranger/faces", "a/b/c")))
    assert said == [
        "RequestError owner/public: is open to all; push to it with private=False",
        f"RequestError stranger/faces: your token does not allow it at {hub.address}; log in with "
        "`hf auth login`, or set HF_TOKEN",
        "RequestError 'a/b/c': not the id of a model, which is owner/name",
    ]
    assert hub.repositories["owner/public"].messages == []


def test_weights_of_the_bundle_before_are_removed(hub: Hub, ours: Machine, push: str) -> None:
    hub.repositories["owner/faces"] = before = Repository(private=True)
    before.files("main").update({"model.onnx": b"old", ".gitattributes": b"kept"})
    ours.run(f"{push}('owner/faces')")
    files = hub.repositories["owner/faces"].files("main")
    assert sorted(files) == [".gitattributes", "README.md", "config.json", "model.safetensors"]


def test_without_a_token_private_and_missing_models_look_alike(
    hub: Hub, theirs: Machine, push: str
) -> None:
    hub.repositories["owner/private"] = Repository(private=True)
    log_in = "log in with `hf auth login`, or set HF_TOKEN"
    no_model = f"no such folder here, and no model that you may read at {hub.address}; {log_in}"
    said = theirs.run("load('owner/private')", "load('owner/missing')", f"{push}('owner/private')")
    assert said == [
        f"ModelError owner/private: {no_model}",
        f"ModelError owner/missing: {no_model}",
        f"ModelError owner/private: no model that you may write at {hub.address}; {log_in}",
    ]


def test_offline_is_one_sentence(hub: Hub, ours: Machine, push: str) -> None:
    ours.offline = True
    sentence = f"not in the cache, and HF_HUB_OFFLINE forbids to ask {hub.address}"
    said = ours.run("load('owner/faces')", f"{push}('owner/faces')")
    assert said == [f"FacenetError owner/faces: {sentence}"] * 2


def test_a_hub_that_cannot_be_reached_is_one_sentence(hub: Hub, ours: Machine, push: str) -> None:
    hub.server_close()
    for sentence in ours.run("load('owner/faces')", f"{push}('owner/faces')"):
        assert sentence.startswith(f"FacenetError owner/faces: {hub.address} cannot be reached: ")


def test_a_hub_that_fails_is_one_sentence(hub: Hub, ours: Machine) -> None:
    hub.broken = True
    [said] = ours.run("load('owner/faces')")
    assert said == f"FacenetError owner/faces: {hub.address} answers with HTTP status 500"


def test_a_missing_library_is_named(ours: Machine) -> None:
    _, said = ours.run("sys.modules.update(huggingface_hub=None)", "load('owner/faces')")
    assert said == "RequestError huggingface_hub is not installed: pip install 'facenet-kit[hub]'"


# without a hub


def test_a_folder_is_loaded_and_saved(bundle: Path, tmp_path: Path, faces: Path) -> None:
    photo = faces / "id-000" / "000.jpg"
    with Recognizer.from_pretrained(bundle, device="cpu", store="memory", threshold=0.5) as first:
        assert first.verify(photo, photo).threshold == 0.5
        saved = first.save_pretrained(str(tmp_path / "saved"))
        again = Recognizer.from_pretrained(str(saved), device="cpu", store="memory")
        np.testing.assert_array_equal(first.embed([photo]), again.embed([photo]))


def test_settings_are_those_of_an_inference_configuration(bundle: Path) -> None:
    with pytest.raises(ConfigError, match="devise: unknown key, did you mean 'device'"):
        Recognizer.from_pretrained(bundle, devise="cpu")
    with pytest.raises(RequestError, match="checkpoint_path: the model is named by `source`"):
        Recognizer.from_pretrained(bundle, checkpoint_path=bundle)


@pytest.mark.parametrize("source", ["nothing", "a/b/c", "/no/where", Path("owner/name")])
def test_what_is_neither_folder_nor_id_is_refused(source: str | Path) -> None:
    with pytest.raises(ModelError, match="no such folder, and not the id of a model, owner/name"):
        Recognizer.from_pretrained(source)


def test_a_folder_has_no_revisions(bundle: Path) -> None:
    with pytest.raises(RequestError, match=r"revision 'v1': .* leave it out"):
        Recognizer.from_pretrained(bundle, revision="v1")
