"""The registry with packages that pip has really installed: what works, and what users read."""

from __future__ import annotations

import pytest

from .installing import Environment


def load(name: str) -> str:
    return f"registry.load('store', {name!r})"


def make(name: str) -> str:
    return f"{load(name)}.make_from({{}}, embedding_dim=8, space='s1')"


def checks(environment: Environment) -> list[str]:
    """What `Registry().check()` finds in the packages of the environment."""
    found = environment.evaluate(
        "'\\n'.join(f'{ref.kind} {ref.qualified_name}: {error and type(error).__name__}'"
        " for ref, error in registry.check() if ref.distribution.startswith('acme'))"
    )
    return found.splitlines()


def test_an_installed_store_is_made_by_its_entry_points_name(plugins: Environment) -> None:
    assert plugins.evaluate(make("good")) == "gallery of s1 in 8 dimensions"


def test_a_plugin_says_what_it_is_and_where_it_comes_from(plugins: Environment) -> None:
    assert plugins.evaluate(f"{load('good')}.ref") == "store plugin 'good' of acme-good 1.0"
    assert plugins.evaluate(f"{load('good')}.info.summary") == "A test"


def test_listing_imports_no_plugin(plugins: Environment) -> None:
    listed = "{ref.name for ref in registry.refs('store')} >= {'good', 'raising', 'exiting'}"
    imported = "[name for name in sys.modules if name.startswith('acme')]"
    assert plugins.evaluate(f"({listed}, {imported})") == "(True, [])"


def test_listing_and_loading_need_no_torch(plugins: Environment) -> None:
    assert plugins.evaluate(f"({load('good')}, 'torch' in sys.modules)[1]") == "False"


def test_an_unknown_name_lists_what_is_installed_and_the_nearest(plugins: Environment) -> None:
    message = plugins.evaluate(load("goood"))
    assert message.startswith("UnknownPlugin: unknown store 'goood', did you mean 'good'? ")
    assert "(installed: absent, " in message


@pytest.mark.parametrize("name", ["acme-good:good", "Acme_Good:good"])
def test_a_plugin_may_be_named_with_its_distribution(plugins: Environment, name: str) -> None:
    assert plugins.evaluate(f"{load(name)}.ref.qualified_name") == "acme-good:good"


def test_a_wrong_distribution_suggests_the_right_one(plugins: Environment) -> None:
    assert "did you mean 'acme-good:good'?" in plugins.evaluate(load("acme-goods:good"))


def test_one_name_in_two_distributions_is_ambiguous(plugins: Environment) -> None:
    assert plugins.evaluate(load("twice")) == (
        "AmbiguousPlugin: store 'twice' is offered more than once: "
        "choose 'acme-one:twice' or 'acme-two:twice'"
    )


@pytest.mark.parametrize("distribution", ["acme-one", "acme-two"])
def test_the_distribution_settles_an_ambiguous_name(
    plugins: Environment, distribution: str
) -> None:
    chosen = plugins.evaluate(f"{load(f'{distribution}:twice')}.ref.distribution")
    assert chosen == distribution


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(
            "raising",
            "BrokenPlugin: store plugin 'raising' of acme-raising 1.0 failed to import: "
            "RuntimeError: no licence key (acme_raising)",
            id="raises at import",
        ),
        pytest.param(
            "exiting",
            "BrokenPlugin: store plugin 'exiting' of acme-exiting 1.0 failed to import: "
            "SystemExit: wrong platform (acme_exiting)",
            id="ends the process at import",
        ),
        pytest.param(
            "absent",
            "BrokenPlugin: store plugin 'absent' of acme-absent 1.0 failed to import: "
            "No module named 'acme_absent_module' (acme_absent_module)",
            id="its own module is missing: no library to install",
        ),
        pytest.param(
            "needy",
            "MissingDependency: store plugin 'needy' of acme-needy 1.0 needs the library "
            "'acme_driver', not installed: pip install acme_driver",
            id="needs a library at import, before it can give a hint",
        ),
        pytest.param(
            "misspelt",
            "IncompatiblePlugin: store plugin 'misspelt' of acme-misspelt 1.0 implements an "
            "unknown hook 'make_stoer', did you mean 'make_store'?",
            id="implements a hook that does not exist",
        ),
        pytest.param(
            "greedy",
            "IncompatiblePlugin: store plugin 'greedy' of acme-greedy 1.0 does not fit: "
            "make_store(options, colour) Argument(s) {'colour'} are declared in the hookimpl but "
            "can not be found in the hookspec; the contract is "
            "make_store(options, embedding_dim, space)",
            id="takes an argument that the hook has not",
        ),
        pytest.param(
            "idle",
            "IncompatiblePlugin: store plugin 'idle' of acme-idle 1.0 implements no hook "
            "make_store",
            id="makes nothing",
        ),
        pytest.param(
            "nameless",
            "IncompatiblePlugin: store plugin 'nameless' of acme-nameless 1.0 implements no hook "
            "facenet_info",
            id="does not say what it is",
        ),
        pytest.param(
            "vague",
            "IncompatiblePlugin: store plugin 'vague' of acme-vague 1.0: facenet_info() gave "
            "{'summary': 'A test', 'licence': 'MIT'}, not a PluginInfo",
            id="says it in another form",
        ),
        pytest.param(
            "faulty",
            "BrokenPlugin: store plugin 'faulty' of acme-faulty 1.0: facenet_info() raised "
            "TypeError: PluginInfo.__init__() got an unexpected keyword argument 'colour'",
            id="raises while saying it",
        ),
        pytest.param(
            "modern",
            "IncompatiblePlugin: store plugin 'modern' of acme-modern 1.0 is written for plugin "
            "API 2; this facenet speaks 1",
            id="written for another contract",
        ),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_named_with_the_reason(
    plugins: Environment, name: str, message: str
) -> None:
    assert plugins.evaluate(load(name)) == message


def test_a_library_missing_later_shows_the_plugins_own_hint(plugins: Environment) -> None:
    assert plugins.evaluate(make("hinting")) == (
        "MissingDependency: store plugin 'hinting' of acme-hinting 1.0 needs the library "
        "'acme_driver', not installed: pip install 'acme-hinting[driver]'"
    )


def test_a_plugin_that_makes_nothing_is_broken(plugins: Environment) -> None:
    assert plugins.evaluate(make("empty")) == (
        "BrokenPlugin: store plugin 'empty' of acme-empty 1.0: make_store returned nothing"
    )


def test_check_names_whose_plugin_is_wrong_and_passes_the_others(plugins: Environment) -> None:
    assert checks(plugins) == [
        "backbone acme-nets:acme: None",
        "backbone acme-nolist:nolist: None",
        "backbone acme-shadow:resnet18: None",
        "store acme-absent:absent: BrokenPlugin",
        "store acme-empty:empty: None",
        "store acme-exiting:exiting: BrokenPlugin",
        "store acme-faulty:faulty: BrokenPlugin",
        "store acme-good:good: None",
        "store acme-greedy:greedy: IncompatiblePlugin",
        "store acme-hinting:hinting: None",
        "store acme-idle:idle: IncompatiblePlugin",
        "store acme-misspelt:misspelt: IncompatiblePlugin",
        "store acme-modern:modern: IncompatiblePlugin",
        "store acme-nameless:nameless: IncompatiblePlugin",
        "store acme-needy:needy: MissingDependency",
        "store acme-raising:raising: BrokenPlugin",
        "store acme-one:twice: None",
        "store acme-two:twice: None",
        "store acme-vague:vague: IncompatiblePlugin",
    ]


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        pytest.param("acme", "acme18", id="a plugin's name means its first architecture"),
        pytest.param("acme/acme18", "acme18", id="plugin and architecture"),
        pytest.param("acme-nets:acme/acme18", "acme18", id="distribution, plugin, architecture"),
        pytest.param("acme/hub:acme/large", "hub:acme/large", id="a slash in the architecture"),
    ],
)
def test_a_backbone_is_found_by(plugins: Environment, name: str, architecture: str) -> None:
    assert plugins.evaluate(f"resolve_backbone(registry, {name!r})[1]") == architecture


def test_no_plugin_takes_another_ones_backbone_silently(plugins: Environment) -> None:
    """A plugin that is called as a network of torchvision's: neither is meant unless it is said."""
    said = plugins.evaluate("resolve_backbone(registry, 'resnet18')")
    assert said == (
        "AmbiguousPlugin: backbone 'resnet18' is offered more than once: "
        "choose 'resnet18/shadow18' or 'torchvision/resnet18'"
    )
    for chosen in ("torchvision/resnet18", "resnet18/shadow18"):
        found = f"resolve_backbone(registry, {chosen!r})"
        assert plugins.evaluate(f"'/'.join(({found}[0].ref.name, {found}[1]))") == chosen
    preferred = plugins.evaluate("resolve_backbone(registry, 'resnet50')[0].ref.name")
    assert preferred == "torchvision"


def test_an_architecture_of_two_plugins_is_ambiguous(plugins: Environment) -> None:
    assert plugins.evaluate("resolve_backbone(registry, 'acme18')") == (
        "AmbiguousPlugin: backbone 'acme18' is offered more than once: "
        "choose 'acme/acme18' or 'resnet18/acme18'"
    )


def test_a_backbone_is_built_for_an_image_size(plugins: Environment) -> None:
    call = "make_from({}, architecture='acme18', pretrained=False, image_size=64)"
    built = plugins.evaluate(f"registry.load('backbone', 'acme').{call}")
    assert built == "acme18 for 64 pixels"


def test_an_unknown_architecture_suggests_the_nearest(plugins: Environment) -> None:
    assert plugins.evaluate("resolve_backbone(registry, 'acme/acme81')") == (
        "UnknownPlugin: backbone plugin 'acme' has no architecture 'acme81', did you mean 'acme18'?"
    )


def test_a_backbone_plugin_that_cannot_list_is_named(plugins: Environment) -> None:
    assert plugins.evaluate("resolve_backbone(registry, 'nolist')") == (
        "BrokenPlugin: backbone plugin 'nolist' of acme-nolist 1.0: "
        "list_architectures() raised OSError: the list is gone"
    )


def test_an_extension_wraps_what_a_plugin_makes(extensions: Environment) -> None:
    assert extensions.evaluate(make("good")) == "audited gallery of s1 in 8 dimensions"


def test_an_extension_is_told_what_has_happened(extensions: Environment) -> None:
    told = extensions.evaluate("registry.notify('after_enrol', identity='Ada', added=2)")
    assert told.splitlines() == ["audit: Ada +2", "None"]


def test_an_extension_that_fails_is_logged_and_stops_nobody(extensions: Environment) -> None:
    result = extensions.run("registry.notify('after_forget', receipt='Ada')")
    assert result.stdout.splitlines() == ["audit: forgot Ada", "None"]
    assert "'clumsy' of acme-clumsy 1.0 failed in after_forget" in result.stderr
    assert "OSError: disk full" in result.stderr


def test_an_extension_that_cannot_be_loaded_is_skipped_with_a_warning(
    extensions: Environment,
) -> None:
    result = extensions.run(load("good"))
    assert result.returncode == 0
    assert (
        "extension skipped: extension plugin 'crash' of acme-crash 1.0 failed to import: "
        "RuntimeError: boom (acme_crash)"
    ) in result.stderr


def test_no_extension_answers_in_a_plugins_place(extensions: Environment) -> None:
    result = extensions.run(make("good"))
    assert "another gallery" not in result.stdout
    assert (
        "extension plugin 'impostor' of acme-impostor 1.0 may only wrap make_store: "
        "mark it with hookimpl(wrapper=True)"
    ) in result.stderr


def test_check_covers_extensions(extensions: Environment) -> None:
    assert checks(extensions) == [
        "store acme-good:good: None",
        "extension acme-audit:audit: None",
        "extension acme-clumsy:clumsy: None",
        "extension acme-crash:crash: BrokenPlugin",
        "extension acme-impostor:impostor: IncompatiblePlugin",
    ]


def test_a_trace_shows_who_answers_and_no_arguments(extensions: Environment) -> None:
    result = extensions.run(make("good"), FACENET_TRACE="1")
    traced = [line for line in result.stderr.splitlines() if "hook make_store" in line]
    assert traced == [
        "facenet hook make_store -> acme-good:good, extension acme-audit:audit",
    ]
    assert "s1" not in result.stderr
