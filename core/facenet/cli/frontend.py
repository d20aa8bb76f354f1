"""An installed frontend plugin as a command: its options model is its flags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from facenet.cli.options import config_options, load_inference_config
from facenet.licensing import check_licences, plugin_chains
from facenet.plugins import Plugin, Registry


class FrontendCommand(click.Command):
    """Listed by metadata alone; the plugin is imported when its help or its run is asked for."""

    def __init__(self, name: str, distribution: str) -> None:
        super().__init__(name, callback=self._run, short_help=f"Frontend plugin of {distribution}.")
        self._plugin: Plugin | None = None
        config_options("inference")(self)

    @property
    def plugin(self) -> Plugin:
        """The frontend, imported on first use."""
        if self._plugin is None:
            self._plugin = Registry().load("frontend", str(self.name))
        return self._plugin

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        fields = self.plugin.options_model.model_fields
        flags = [
            click.Option(
                [f"--{name.replace('_', '-')}", name],
                help=f"{field.description or name} [default: {field.default}]",
                metavar="VALUE",
            )
            for name, field in fields.items()
        ]
        return [*flags, *super().get_params(ctx)]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.help = f"{self.plugin.info.summary} (licence: {self.plugin.info.licence})."
        super().format_help_text(ctx, formatter)

    def _run(self, config: Path, overrides: tuple[str, ...], **flags: Any) -> int:
        given = {name: value for name, value in flags.items() if value is not None}
        loaded = load_inference_config(config, overrides)
        check_licences(loaded.licences.allow, plugin_chains(self.plugin))
        from facenet.recognition import Recognizer

        with Recognizer.from_config(loaded) as recognizer:
            options = {**loaded.frontends.get(self.plugin.ref.name, {}), **given}
            frontend = self.plugin.make_from(
                options, config_dir=loaded.config_dir, recognizer=recognizer
            )
            code: int = frontend.run()
            return code
