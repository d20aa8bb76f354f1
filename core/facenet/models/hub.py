"""Bundles on a model hub: fetching one by its id, publishing one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facenet.errors import FacenetError, ModelError, RequestError
from facenet.models.bundle import CONFIG, README, WEIGHTS

FILES = (CONFIG, README, *WEIGHTS)

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"


def find_pretrained(source: str | Path, revision: str | None = None) -> Path:
    """Where a model lies: `source` itself when it exists, else the hub's bundle of that id.

    Raises `ModelError` when there is neither, and what `fetch_bundle` does.
    """
    if Path(source).exists():
        if revision is not None:
            raise RequestError(
                f"revision {revision!r}: {source} is on this machine, where there are none; "
                "leave it out"
            )
        return Path(source)
    if isinstance(source, Path) or not _HUB_ID.fullmatch(source):
        raise ModelError(f"{source}: no such folder, and not the id of a model, owner/name")
    return fetch_bundle(source, revision)


def fetch_bundle(repo_id: str, revision: str | None = None) -> Path:
    """The folder of a hub's bundle in the local cache, downloaded when it is not there yet.

    `revision` is a branch, tag or commit; None: the main branch. Raises `ModelError` when the hub
    has no such bundle, `FacenetError` when the hub cannot be asked.
    """
    with _hub_errors(repo_id, revision, "no such folder here, and no model that you may read"):
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(repo_id, revision=revision, allow_patterns=list(FILES)))
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{repo_id}: not a model bundle, it has no {CONFIG}")
    return folder


def publish_bundle(
    folder: Path, repo_id: str, *, private: bool, revision: str | None, commit_message: str
) -> str:
    """Upload a bundle and return its address; repository and branch are made when missing.

    Raises `RequestError` when the repository is open to all and `private` was asked for, or may
    not be written to, `FacenetError` when the hub cannot be asked.
    """
    with _hub_errors(repo_id, revision, "no model that you may write"):
        from huggingface_hub import HfApi

        api = HfApi()
        address = api.create_repo(repo_id, private=private, exist_ok=True)
        if private and not api.model_info(repo_id).private:
            raise RequestError(f"{repo_id}: is open to all; push to it with private=False")
        if revision is not None:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            revision=revision,
            commit_message=commit_message,
            delete_patterns=list(WEIGHTS),  # those of the other kind, where a bundle was before
        )
    return str(address)


@contextmanager
def _hub_errors(repo_id: str, revision: str | None, missing: str) -> Iterator[None]:
    """Turn what the hub's library raises into one sentence; `missing` begins the one that is said
    when the hub shows no such repository."""
    try:
        import huggingface_hub.errors as hub
    except ModuleNotFoundError as error:
        raise RequestError(
            "huggingface_hub is not installed: pip install 'facenet-kit[hub]'"
        ) from error
    try:
        yield
    except hub.HFValidationError as error:
        raise RequestError(f"{repo_id!r}: not the id of a model, which is owner/name") from error
    except hub.LocalEntryNotFoundError as error:
        # Nothing in the cache; why the hub was not asked stands behind it.
        raise _sentence(error.__cause__ or error, repo_id, revision, missing) from error
    except (hub.HTTPError, hub.OfflineModeIsEnabled) as error:  # type: ignore[attr-defined]
        raise _sentence(error, repo_id, revision, missing) from error


def _sentence(
    error: BaseException, repo_id: str, revision: str | None, missing: str
) -> FacenetError:
    import huggingface_hub.errors as hub
    from huggingface_hub.constants import ENDPOINT

    if isinstance(error, hub.OfflineModeIsEnabled):
        return FacenetError(
            f"{repo_id}: not in the cache, and HF_HUB_OFFLINE forbids to ask {ENDPOINT}"
        )
    if isinstance(error, hub.RevisionNotFoundError):
        return ModelError(f"{repo_id}: has no revision {revision!r}")
    if isinstance(error, hub.GatedRepoError):
        return ModelError(f"{repo_id}: is given on request only; ask for access at {ENDPOINT}")
    status = error.response.status_code if isinstance(error, hub.HfHubHTTPError) else None
    # Hubs answer 401 to whoever may not know whether there is such a repository.
    if isinstance(error, hub.RepositoryNotFoundError) or status == 401:
        return ModelError(f"{repo_id}: {missing} at {ENDPOINT}; {_LOG_IN}")
    if status == 403:
        return RequestError(f"{repo_id}: your token does not allow it at {ENDPOINT}; {_LOG_IN}")
    if status is not None:
        return FacenetError(f"{repo_id}: {ENDPOINT} answers with HTTP status {status}")
    return FacenetError(f"{repo_id}: {ENDPOINT} cannot be reached: {str(error) or repr(error)}")
