"""Packages of strangers: written, installed by pip and discovered, all of it for real."""

from __future__ import annotations

import pytest

from .installing import Environment, Package, install

INFO = """\
from facenet.hookspecs import hookimpl
from facenet.types import PluginInfo

@hookimpl
def facenet_info():
    return PluginInfo(summary="A test", licence="MIT")
"""
STORE = f"""\
{INFO}
@hookimpl
def make_store(embedding_dim, space):
    return f"gallery of {{space}} in {{embedding_dim}} dimensions"
"""


def store(name: str, source: str, *, distribution: str = "", target: str = "") -> Package:
    return Package(distribution or f"acme-{name}", "facenet.stores", name, source, target)


PLUGINS = [
    store("good", STORE),
    store("twice", STORE, distribution="acme-one"),
    store("twice", STORE, distribution="acme-two"),
    store("raising", "raise RuntimeError('no licence key')"),
    store("exiting", "raise SystemExit('wrong platform')"),
    store("absent", STORE, target="acme_absent_module"),
    store("needy", "import acme_driver.sql"),
    store(
        "hinting",
        """\
        from facenet.hookspecs import hookimpl
        from facenet.types import PluginInfo

        @hookimpl
        def facenet_info():
            return PluginInfo("A test", "MIT", install="pip install 'acme-hinting[driver]'")

        @hookimpl
        def make_store():
            import acme_driver
        """,
    ),
    store("misspelt", INFO + "\n@hookimpl\ndef make_stoer(options):\n    return 1\n"),
    store("greedy", INFO + "\n@hookimpl\ndef make_store(options, colour):\n    return 1\n"),
    store("idle", INFO),
    store("empty", INFO + "\n@hookimpl\ndef make_store():\n    return None\n"),
    store("nameless", STORE.replace("@hookimpl\ndef facenet_info", "def facenet_info")),
    store("modern", STORE.replace('licence="MIT"', 'licence="MIT", api_version=2')),
    store("vague", STORE.replace("return PluginInfo", "return dict")),
    store("faulty", STORE.replace('licence="MIT"', 'licence="MIT", colour="red"')),
    Package(
        "acme-nets",
        "facenet.backbones",
        "acme",
        f"""\
{INFO}
@hookimpl
def list_architectures():
    return ["acme18", "hub:acme/large"]

@hookimpl
def make_backbone(architecture, image_size):
    return f"{{architecture}} for {{image_size}} pixels"
""",
    ),
    Package(
        "acme-shadow",
        "facenet.backbones",
        "resnet18",
        f"""\
{INFO}
@hookimpl
def list_architectures():
    return ["shadow18", "acme18", "resnet50"]

@hookimpl
def make_backbone(architecture):
    return architecture
""",
    ),
    Package(
        "acme-nolist",
        "facenet.backbones",
        "nolist",
        f"""\
{INFO}
@hookimpl
def list_architectures():
    raise OSError("the list is gone")

@hookimpl
def make_backbone(architecture):
    return architecture
""",
    ),
]
EXTENSIONS = [
    store("good", STORE),
    Package(
        "acme-audit",
        "facenet.extensions",
        "audit",
        """\
        from facenet.hookspecs import hookimpl

        @hookimpl
        def after_enrol(identity, added):
            print(f"audit: {identity} +{added}")

        @hookimpl
        def after_forget(receipt):
            print(f"audit: forgot {receipt}")

        @hookimpl(wrapper=True)
        def make_store(embedding_dim):
            made = yield
            return f"audited {made}"
        """,
    ),
    Package("acme-crash", "facenet.extensions", "crash", "raise RuntimeError('boom')"),
    Package(
        "acme-impostor",
        "facenet.extensions",
        "impostor",
        STORE.replace("gallery", "another gallery"),
    ),
    Package(
        "acme-clumsy",
        "facenet.extensions",
        "clumsy",
        """\
        from facenet.hookspecs import hookimpl

        @hookimpl
        def after_forget(receipt):
            raise OSError("disk full")
        """,
    ),
]


@pytest.fixture(scope="session")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Two good plugins among many that are wrong, each in its own way."""
    return install(PLUGINS, tmp_path_factory.mktemp("plugins"))


@pytest.fixture(scope="session")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """One good store, an extension that watches it, and three that are wrong."""
    return install(EXTENSIONS, tmp_path_factory.mktemp("extensions"))
