"""Every error that facenet raises on purpose.

Two families matter to a caller: `RequestError` means that what was asked for is wrong and
asking again will not help (exit code 2, HTTP 4xx); any other `FacenetError` means that the
work itself failed (exit code 1).
"""

from __future__ import annotations

from collections.abc import Sequence


class FacenetError(Exception):
    """Base of all facenet errors; its text is one sentence fit to be shown to a user."""

    exit_code = 1


class RequestError(FacenetError):
    """The request was wrong: a file, key, field or value that the user can mend."""

    exit_code = 2


class ConfigError(RequestError):
    """A configuration file, override or environment value is wrong; one line per problem."""


class DataError(RequestError):
    """A data set cannot be used: missing folder, too few identities or images."""


class ImageError(RequestError):
    """An image cannot be decoded, or holds no face."""


class NoFaceError(ImageError):
    """A photo in which no face was found."""


class QualityError(ImageError):
    """A photo is not good enough to be enrolled; `codes` says why, in words for programs."""

    def __init__(self, message: str, codes: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.codes = tuple(codes)


class ModelError(RequestError):
    """A checkpoint or bundle is missing, damaged, or not the one that was asked for."""


class DeviceError(RequestError):
    """The compute device that was asked for is not usable here."""


class StoreError(RequestError):
    """A store refuses a call: unreachable, bound to another model, or bad vectors."""


class StoreUnavailable(StoreError):
    """A store cannot answer now, whatever it is asked: unreachable, busy, full, or closed."""


class FrontendError(RequestError):
    """A frontend cannot start: port taken, address unknown."""


class TrainingError(FacenetError):
    """Training stopped before it was done."""


class PluginError(RequestError):
    """A plugin cannot be used; the five subclasses say why."""


class UnknownPlugin(PluginError):
    """No installed plugin has that name."""


class AmbiguousPlugin(PluginError):
    """Two distributions offer that name; `distribution:name` chooses."""


class BrokenPlugin(PluginError):
    """The plugin raised while it was imported."""


class MissingDependency(PluginError):
    """The plugin is fine, but a library it needs is not installed."""


class IncompatiblePlugin(PluginError):
    """The plugin was written against another version of the contract."""
