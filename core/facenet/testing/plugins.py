"""What every plugin must do, of whatever kind: subclass `PluginSuite` and override `plugin`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from facenet.errors import FacenetError, MissingDependency
from facenet.plugins import Plugin
from facenet.testing.making import ARGUMENTS
from facenet.testing.plugin_probe import HEAVY, Probed, probe
from facenet.testing.suite import Suite, to_override

UNKNOWN = "no_such_option"


class PluginSuite(Suite):
    """Override `plugin`, and `options` where the plugin cannot be made without any."""

    @pytest.fixture
    def plugin(self, request: pytest.FixtureRequest) -> Plugin:
        """The installed plugin, as from ``Registry().load("store", "memory")``."""
        to_override(request, "the installed plugin, as from facenet_registry.load(kind, name)")

    @pytest.fixture
    def options(self) -> Mapping[str, Any]:
        """The keys with which it is made, as in YAML."""
        return {}

    @pytest.fixture
    def probed(self, plugin: Plugin, options: Mapping[str, Any]) -> Probed:
        """The plugin in a process of its own, where its libraries are not installed."""
        return probe(plugin.ref.kind, plugin.ref.qualified_name, json.dumps(dict(options)))

    def test_loading_is_light(self, probed: Probed) -> None:
        """If this fails: the plugin's module imports a large library at its top, so that listing,
        checking and configuring wait for it; import it inside the hook that makes."""
        assert probed.heavy == [], f"loading the plugin imports one of {', '.join(HEAVY)}"

    def test_a_missing_library_is_named_with_the_way_to_install_it(
        self, plugin: Plugin, probed: Probed
    ) -> None:
        """If this fails: who has not installed the plugin's libraries is not told how; give
        `install` in `facenet_info`, and import them inside the hook that makes."""
        assert probed.error not in ("ImportError", "BrokenPlugin"), probed.said
        if probed.error == "MissingDependency":
            assert plugin.info.install, f"no `install` is given: {probed.said}"
            assert plugin.info.install in probed.said

    def test_it_says_what_it_is(self, plugin: Plugin) -> None:
        """If this fails: `facenet plugins show` has no line to say what the plugin is."""
        assert plugin.info.summary.strip()
        assert "\n" not in plugin.info.summary
        if plugin.info.requires:
            assert plugin.info.install, "it requires libraries, and gives no `install`"

    def test_licences_are_spdx_ids(self, plugin: Plugin) -> None:
        """If this fails: `licences.allow` refuses the plugin, as one whose licence nobody knows."""
        from facenet.spdx import checked_licence

        for licence in (plugin.info.licence, *plugin.info.requires.values()):
            assert checked_licence(licence) == licence

    def test_every_option_is_described(self, plugin: Plugin) -> None:
        """If this fails: an option is listed, or is a flag, and nobody knows what it does; give
        `Field(..., description=...)`."""
        fields = plugin.options_model.model_fields
        assert [name for name, field in fields.items() if not field.description] == []

    def test_an_unknown_option_is_refused_by_name(
        self, plugin: Plugin, options: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """If this fails: a misspelt key is passed over in silence; give the model
        ``model_config = ConfigDict(extra="forbid")``."""
        given = {**options, UNKNOWN: 1}
        with pytest.raises(FacenetError) as refused:
            plugin.make_from(given, config_dir=tmp_path, **ARGUMENTS[plugin.ref.kind])
        if isinstance(refused.value, MissingDependency):
            pytest.skip(str(refused.value))
        assert UNKNOWN in str(refused.value)
