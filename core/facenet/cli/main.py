"""The command `facenet`: its own commands, and one for each installed frontend plugin."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence
from importlib import import_module, metadata

import click

from facenet.cli.frontend import FrontendCommand
from facenet.errors import FacenetError, RequestError
from facenet.plugins import Registry

COMMANDS = (
    "train",
    "evaluate",
    "calibrate",
    "benchmark",
    "export",
    "bundle",
    "align",
    "populate",
    "embed",
    "verify",
    "enrol",
    "search",
    "forget",
    "cluster",
    "store",
    "backbones",
    "models",
    "plugins",
    "config",
    "demo",
)
"""Each is the object `command` of the module of its name in this package."""
_DISTRIBUTIONS = {"cv2": "opencv-python", "sklearn": "scikit-learn"}
"""Distributions whose name is not that of the module that they bring."""
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""


class Launcher(click.Group):
    """Finds commands by name, so that one command does not pay for the imports of another."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        frontends = {ref.name for ref in Registry().refs("frontend")}
        return [*COMMANDS, *sorted(frontends - set(COMMANDS))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            command: click.Command = import_module(f"facenet.cli.{cmd_name}").command
            return command
        # A qualified name, dist:name, chooses between frontends of one name.
        bare = cmd_name.rpartition(":")[2]
        refs = [ref for ref in Registry().refs("frontend") if ref.name == bare]
        return FrontendCommand(cmd_name, refs[0].distribution) if refs else None


@click.command(cls=Launcher, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(metadata.version("facenet-kit"), prog_name="facenet")
def facenet() -> None:
    """Train, measure and run face recognition built from plugins."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; exit codes: 0 done, 1 the work failed, 2 the request was wrong."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("facenet").setLevel(logging.INFO)  # what was chosen, such as the device
    try:
        return facenet.main(arguments, prog_name="facenet", standalone_mode=False) or 0
    except FacenetError as error:
        click.echo(f"facenet: {error}", err=True)
        return error.exit_code
    except ModuleNotFoundError as error:
        extra = _extra_that_brings(error)
        if extra is None:
            raise
        click.echo(
            f"facenet: {error.name!r} is not installed: pip install 'facenet-kit[{extra}]'",
            err=True,
        )
        return RequestError.exit_code
    except OSError as error:
        # A disk that is full, a folder that may not be written: the machine's answer, not a bug.
        if error.filename is None:
            raise
        click.echo(f"facenet: {error.filename}: {error.strerror}", err=True)
        return FacenetError.exit_code
    except click.ClickException as error:
        _with_nearest(error).show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("facenet: interrupted; what was finished is kept", err=True)
        return INTERRUPTED


def _with_nearest(error: click.ClickException) -> click.ClickException:
    """The same; where there is no such command, with those of a similar name, which click itself
    finds only for groups that have imported theirs."""
    if not isinstance(error, click.NoSuchCommand) or error.ctx is None:
        return error
    group = error.ctx.command
    assert isinstance(group, click.Group), "nothing else has commands"
    known = group.list_commands(error.ctx)
    return click.NoSuchCommand(error.command_name, possibilities=known, ctx=error.ctx)


def _extra_that_brings(error: ModuleNotFoundError) -> str | None:
    """The extra of our distribution that installs what could not be imported."""
    module = (error.name or "").partition(".")[0]
    missing = _DISTRIBUTIONS.get(module, module)
    for requirement in metadata.requires("facenet-kit") or ():
        found = re.match(r"([\w-]+).*extra == ['\"](\w+)['\"]", requirement)
        if found and found[1] == missing and found[2] != "all":
            return found[2]
    return None
