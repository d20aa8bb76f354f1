"""The suites on a plugin as it is installed, for `facenet plugins check KIND NAME`."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from facenet.architectures import architectures, plugin_of, resolve_backbone
from facenet.errors import FacenetError
from facenet.plugins import Plugin, Registry
from facenet.stores import Store
from facenet.testing.backbones import DEFAULT_SIZE, BackboneSuite, build_backbone
from facenet.testing.detectors import DetectorSuite
from facenet.testing.frontends import FrontendSuite
from facenet.testing.galleries import DIM, SPACE, OpenStore, axis
from facenet.testing.listening import Listener, Result
from facenet.testing.miners import MinerSuite
from facenet.testing.plugins import PluginSuite
from facenet.testing.stores import StoreSuite
from facenet.testing.suite import Suite
from facenet.text import count
from facenet.types import Backbone, Detector, Miner, PluginKind

_MODULE = """\
from facenet.testing.installed import Checked

for suite in Checked({kind!r}, {name!r}, {options!r}, {folder!r}).suites():
    globals()[suite.__name__] = suite
"""
_numbers = itertools.count(1)


def run_suites(kind: PluginKind, name: str, options: Mapping[str, Any]) -> list[Result]:
    """Run `PluginSuite` and the suite of its kind on an installed plugin; one result for each test.

    `options` are its keys as in YAML. Raises `ConfigError` for those that are wrong, and
    `FacenetError` where pytest cannot run.
    """
    listener, said = Listener(), io.StringIO()
    with TemporaryDirectory(prefix="facenet-check-", ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        checked = Checked(kind, name, options, folder)
        checked.plugin.checked_options(checked.options_in(place), place)
        values = {"kind": kind, "name": name, "options": dict(options), "folder": folder}
        (place / "test_plugin.py").write_text(_MODULE.format(**values))
        (place / "pytest.ini").write_text("[pytest]\n")
        where = ("-c", str(place / "pytest.ini"), "--rootdir", folder)
        how = ("-p", "no:cacheprovider", "--import-mode=importlib")
        arguments = [*where, *how, str(place / "test_plugin.py")]
        with contextlib.redirect_stdout(said):
            pytest.main(arguments, plugins=[listener])
    if not listener.results:
        raise FacenetError(f"pytest ran no test:\n{said.getvalue()}")
    return listener.results


@dataclass(frozen=True)
class Checked:
    """An installed plugin, its options, and a folder in which galleries may lie."""

    kind: PluginKind
    name: str
    options: Mapping[str, Any]
    folder: str

    def suites(self) -> list[type[Suite]]:
        """Subclasses for this plugin, each under a name that pytest collects."""
        make: Mapping[str, Callable[[], type[Suite]]] = {
            "backbone": self._backbone_suite,
            "miner": self._miner_suite,
            "detector": self._detector_suite,
            "store": self._store_suite,
            "frontend": self._frontend_suite,
        }
        return [self._plugin_suite(), make[self.kind]()]

    @cached_property
    def plugin(self) -> Plugin:
        return plugin_of(Registry(), self.kind, self.name)

    def options_in(self, folder: Path, number: int = 0) -> dict[str, Any]:
        """The options with a number for each {}, and a path in `folder` for one that is needed."""
        options: dict[str, Any] = {
            name: str(folder / "gallery")
            for name, field in self.plugin.options_model.model_fields.items()
            if field.is_required() and field.annotation is Path
        }
        for key, value in self.options.items():
            options[key] = value.replace("{}", str(number)) if isinstance(value, str) else value
        return options

    def _plugin_suite(self) -> type[Suite]:
        checked = self

        class TestPlugin(PluginSuite):
            @pytest.fixture
            def plugin(self) -> Plugin:
                return checked.plugin

            @pytest.fixture
            def options(self) -> Mapping[str, Any]:
                return checked.options_in(Path(checked.folder))

        return TestPlugin

    def _backbone_suite(self) -> type[Suite]:
        checked = self

        class TestBackbone(BackboneSuite):
            @pytest.fixture
            def image_size(self) -> int:
                plugin, name = resolve_backbone(Registry(), checked.name)
                sizes = {each.name: each.input_size for each in architectures(plugin)}
                return sizes[name] or DEFAULT_SIZE

            @pytest.fixture
            def backbone(self, image_size: int) -> Backbone:
                return build_backbone(checked.name, image_size, **checked.options)

        return TestBackbone

    def _miner_suite(self) -> type[Suite]:
        checked = self

        class TestMiner(MinerSuite):
            @pytest.fixture
            def miner(self) -> Miner:
                made: Miner = checked.plugin.make_from(checked.options, progress=lambda: 0.5)
                return made

        return TestMiner

    def _detector_suite(self) -> type[Suite]:
        checked = self

        class TestDetector(DetectorSuite):
            @pytest.fixture
            def detector(self) -> Detector:
                made: Detector = checked.plugin.make_from(checked.options, device="cpu")
                return made

        return TestDetector

    def _frontend_suite(self) -> type[Suite]:
        checked = self

        class TestFrontend(FrontendSuite):
            @pytest.fixture
            def plugin(self) -> Plugin:
                return checked.plugin

            @pytest.fixture
            def options(self) -> Mapping[str, Any]:
                return checked.options

        return TestFrontend

    def _store_suite(self) -> type[Suite]:
        checked = self

        class TestStore(StoreSuite):
            persistent = checked._keeps_what_it_is_given()

            @pytest.fixture
            def open_store(self) -> OpenStore:
                return checked._opener()

        return TestStore

    def _opener(self) -> OpenStore:
        """Opens a gallery of its own, in a folder of its own where its options leave it one."""
        number = next(_numbers)
        # A number in an option makes a gallery another one: all can be beside one configuration.
        apart = self.options_in(Path(), number) == self.options_in(Path())
        config_dir = Path(self.folder, str(number) if apart else "all")
        config_dir.mkdir(exist_ok=True)
        plugin, options, new = self.plugin, self.options_in(config_dir, number), True

        def open_store(embedding_dim: int = DIM, space: str = SPACE) -> Store:
            nonlocal new
            store: Store = plugin.make_from(
                options, config_dir=config_dir, embedding_dim=embedding_dim, space=space
            )
            if new and (held := store.count()):
                store.close()
                pytest.fail(
                    f"the gallery is not empty: it has {count(held, 'identity', 'identities')}; "
                    "each test needs an empty one, so put {} into an option, as in "
                    "--set 'table=check_{}'",
                    pytrace=False,
                )
            new = False
            return store

        return open_store

    def _keeps_what_it_is_given(self) -> bool:
        try:
            open_store = self._opener()
            with open_store() as store:
                store.enrol("ann", axis(0))
            with open_store() as store:
                return bool(store.count())
        except Exception:
            # Whatever it is, the tests meet it again, and say it.
            return True
