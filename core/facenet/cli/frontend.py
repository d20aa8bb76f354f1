"""An installed frontend plugin as a command: its options model is its flags."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facenet.cli.options import config_options, load_inference_config
from facenet.licensing import check_licences, plugin_chains
from facenet.plugins import Plugin, Registry

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


class FrontendCommand(click.Group):
    """Listed by metadata alone; the plugin is imported when its help or its run is asked for.

    Without further words it runs the frontend; with them, one of the plugin's `frontend_commands`,
    behind which `--config` and `--set` may stand too.
    """

    def __init__(self, name: str, distribution: str) -> None:
        super().__init__(
            name,
            callback=self._run,
            short_help=f"Frontend plugin of {distribution}.",
            invoke_without_command=True,
            no_args_is_help=False,
            subcommand_metavar="",
        )
        config_options("inference")(self)

    @cached_property
    def plugin(self) -> Plugin:
        """The frontend, imported on first use."""
        return Registry().load("frontend", str(self.name))

    @cached_property
    def _further(self) -> dict[str, click.Command]:
        """The plugin's own commands, by name."""
        return {str(each.name): each for each in self.plugin.call("frontend_commands") or ()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._further)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self._further.get(cmd_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _configuration_first(args))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not self._further:
            ctx.fail(f"Got unexpected extra argument ({' '.join(args)})")
        return super().resolve_command(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        fields = self.plugin.options_model.model_fields
        flags = [_flag(name, field) for name, field in fields.items()]
        return [*flags, *super().get_params(ctx)]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.help = f"{self.plugin.info.summary} (licence: {self.plugin.info.licence})."
        super().format_help_text(ctx, formatter)

    def _run(self, config: Path, overrides: tuple[str, ...], **flags: Any) -> int:
        given = {name: value for name, value in flags.items() if value is not None}
        loaded = load_inference_config(config, overrides)
        options = self.plugin.checked_options(
            {**loaded.frontends.get(self.plugin.ref.name, {}), **given}, loaded.config_dir
        )
        context = click.get_current_context()
        if context.invoked_subcommand:
            context.obj = options
            return 0
        check_licences(loaded.licences.allow, plugin_chains(self.plugin))
        from facenet.recognition import Recognizer

        with Recognizer.from_config(loaded) as recognizer:
            code: int = self.plugin.make(options, recognizer=recognizer).run()
            return code


def _configuration_first(arguments: list[str]) -> list[str]:
    """The same words, `--config` and `--set` with their values before all others."""
    first: list[str] = []
    others: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, _ = word.partition("=")
        if name not in ("--config", "--set"):
            others.append(word)
        elif equals:
            first.append(word)
        elif (value := next(words, None)) is not None:
            first += [word, value]
        else:
            others.append(word)
    return [*first, *others]


def _flag(name: str, field: FieldInfo) -> click.Option:
    """One key of an options model; what is given is checked by the model, not here."""
    flag = f"--{name.replace('_', '-')}"
    text = field.description or name
    if field.annotation is bool:
        # Without a default of its own, so that one that is not given leaves the YAML's.
        switch = [f"{flag}/--no-{flag.removeprefix('--')}", name]
        return click.Option(switch, default=None, help=f"{text} [default: {_shown(field)}]")
    return click.Option([flag, name], metavar="VALUE", help=f"{text} [default: {_shown(field)}]")


def _shown(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if isinstance(default, bool):
        return "yes" if default else "no"
    return "none" if default is None else str(default)
