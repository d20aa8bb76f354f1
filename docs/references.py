"""The references that are made from the code: commands, hooks, and what `facenet` exports.

`python docs/references.py` writes them beside itself. An example of a command is a line of a page
whose code blocks run in the tests.
"""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click

import facenet
from facenet import errors, hookspecs
from facenet.cli.frontend import FrontendCommand
from facenet.cli.main import facenet as launcher

DOCS = Path(__file__).resolve().parent
MADE = "<!-- Generated: make docs -->\n"
MOST_EXAMPLES = 3
WIDTH = 120
OURS = "facenet-kit"
ANSWERS = {
    "facenet.recognition": ("Decision", "Enrolment", "FaceMatches"),
    "facenet.recognition.clusters": ("Clusters",),
    "facenet.stores": ("Receipt",),
    "facenet.training": ("TrainingResult", "Evaluation"),
}
"""What the functions and methods of `facenet` give back, where it is a record of ours."""

SECTIONS = {"Face": "## What is exported\n", "Decision": "## What is given back\n"}
Named = tuple[str, click.Command, click.Context]


def commands() -> str:
    """Every command, with its options and examples."""
    examples = examples_by_command()
    lines = ["# Commands\n", MADE]
    lines.append(
        "`facenet COMMAND --help` prints the same. Exit codes: 0 done, 1 the work failed, 2 the\n"
        "request was wrong, 130 interrupted. `--set` and configuration files: "
        "[configuration](configuration.md).\n"
    )
    for name, command, context in all_commands():
        text = _escaped(help_text(command, context))
        lines += [f"## {name}\n", _with_blocks(text, "  ") + "\n"]
        below = command.list_commands(context) if isinstance(command, click.Group) else []
        if below:
            links = [f"[{sub}](#{f'{name}-{sub}'.replace(' ', '-')})" for sub in below]
            listed = f"Commands: {', '.join(links)}."
            lines.append(textwrap.fill(listed, WIDTH, break_on_hyphens=False) + "\n")
        if runs(command):
            usage = [name, *command.collect_usage_pieces(context)]
            lines.append(f"```text\n{' '.join(piece for piece in usage if piece)}\n```\n")
            lines += _option_table(command, context)
            lines.append("\n".join(["```bash", *examples[name], "```\n"]))
    return "\n".join(lines)


def hooks() -> str:
    """Every hook, with its signature."""
    lines = ["# Hooks\n", MADE, _escaped(str(inspect.getdoc(hookspecs))) + "\n"]
    lines.append("[Plugins](plugins.md) shows them at work.\n")
    for name, hook in all_hooks():
        lines += [f"## {name}\n", f"```python\n{_signature(name, _tree(hook))}\n```\n"]
        lines.append(f"{_prose(hook)}\n")
    return "\n".join(lines)


def api() -> str:
    """What `facenet` exports, what that gives back, and the errors."""
    lines = ["# Python\n", MADE]
    lines.append(
        "`from facenet import Recognizer, load_config`. Images are RGB, embeddings float32 rows\n"
        "of unit length, similarities cosines from -1 to 1.\n"
    )
    for name, thing in described().items():
        lines += [SECTIONS[name]] if name in SECTIONS else []
        tree = _tree(thing)
        lines.append(f"{'####' if '.' in name else '###'} {name}\n")
        lines.append(f"```python\n{_signature(name.rpartition('.')[2], tree)}\n```\n")
        lines.append(f"{_prose(thing)}\n")
    lines += ["## Errors\n", "| in `facenet.errors` | below | what |", "| --- | --- | --- |"]
    for error in all_errors():
        lines.append(f"| `{error.__name__}` | `{error.__mro__[1].__name__}` | {_prose(error)} |")
    return "\n".join(lines) + "\n"


PAGES = {"commands.md": commands, "hooks.md": hooks, "api.md": api}


def all_commands() -> Iterator[Named]:
    """Our commands in the order of `facenet --help`, each followed by those below it."""
    context = click.Context(launcher, info_name="facenet")
    for name in launcher.list_commands(context):
        command = launcher.get_command(context, name)
        assert command is not None
        if not isinstance(command, FrontendCommand) or command.plugin.ref.distribution == OURS:
            yield from _with_those_below(f"facenet {name}", command, context)


def options(command: click.Command, context: click.Context) -> list[click.Option]:
    """What is asked for with a dash, `--help` left out."""
    found = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    return [each for each in found if "--help" not in each.opts]


def runs(command: click.Command) -> bool:
    """Whether a command does something itself, and does not only hold others."""
    return not isinstance(command, click.Group) or command.invoke_without_command


def all_hooks() -> list[tuple[str, Any]]:
    """The hooks of `facenet.hookspecs` by name, in their order."""
    return [item for item in vars(hookspecs).items() if hasattr(item[1], "facenet_spec")]


def described() -> dict[str, Any]:
    """What the page on Python describes, by name; a class is followed by its public methods."""
    exported = [(name, getattr(facenet, name)) for name in facenet.__all__]
    given = [
        (name, getattr(import_module(home), name)) for home in ANSWERS for name in ANSWERS[home]
    ]
    found = {}
    for name, thing in exported + given:
        found[name] = thing
        for method in ast.iter_child_nodes(_tree(thing)) if inspect.isclass(thing) else ():
            if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                found[f"{name}.{method.name}"] = inspect.getattr_static(thing, method.name)
    return found


def all_errors() -> list[type[Exception]]:
    """The classes of `facenet.errors`, in their order."""
    return [
        each
        for each in vars(errors).values()
        if inspect.isclass(each) and issubclass(each, errors.FacenetError)
    ]


def examples_by_command() -> dict[str, list[str]]:
    """Lines of tested blocks and of help texts, by the command that they run."""
    found: dict[str, list[str]] = {name: [] for name, _, _ in all_commands()}
    pages = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]
    lines = [
        line
        for page in pages
        if page.name not in PAGES
        for line in _shell_lines(page.read_text(encoding="utf-8"))
    ]
    for _, command, context in all_commands():
        lines += re.findall(r"^ +(facenet .*)", help_text(command, context), re.MULTILINE)
    for line in dict.fromkeys(lines):
        words = shlex.split(line.replace("\\\n", " "))
        words = words[words.index("facenet") :]
        starts = (" ".join(words[:length]) for length in (4, 3, 2))
        name = next((start for start in starts if start in found), None)
        if name and len(found[name]) < MOST_EXAMPLES:
            found[name].append(line)
    return found


def _shell_lines(page: str) -> Iterator[str]:
    for block in re.findall(r"^```bash\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        for line in re.findall(r"^(?:[^\n]*\\\n)*[^\n]*$", block, re.MULTILINE):
            inner = re.search(r"\$\((facenet [^()]*)\)", line)
            if inner:
                yield inner[1]
            if re.match(r"(?:[A-Z_]+=\S+ )*facenet ", line):
                yield line.removesuffix(" &")


def _with_those_below(name: str, command: click.Command, parent: click.Context) -> Iterator[Named]:
    context = click.Context(command, info_name=name.rpartition(" ")[2], parent=parent)
    yield name, command, context
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            below = command.get_command(context, sub)
            assert below is not None
            yield from _with_those_below(f"{name} {sub}", below, context)


def help_text(command: click.Command, context: click.Context) -> str:
    """What `--help` says before the options."""
    formatter = click.HelpFormatter(width=WIDTH)
    command.format_help_text(context, formatter)
    return textwrap.dedent(formatter.getvalue()).strip("\n")


def _option_table(command: click.Command, context: click.Context) -> list[str]:
    records = [option.get_help_record(context) for option in options(command, context)]
    rows = [(flags, " ".join(text.split())) for flags, text in filter(None, records)]
    # A bar would end a cell, even within a code span.
    cells = [(flags.replace("|", " or "), text.replace("|", " or ")) for flags, text in rows]
    table = [f"| `{flags}` | {_escaped(text)} |" for flags, text in cells]
    return ["| option | |", "| --- | --- |", *table, ""] if table else []


def _tree(thing: Any) -> ast.FunctionDef | ast.ClassDef:
    thing = getattr(thing, "fget", None) or getattr(thing, "__func__", thing)
    [tree] = ast.parse(textwrap.dedent(inspect.getsource(thing))).body
    assert isinstance(tree, ast.FunctionDef | ast.ClassDef)
    return tree


def _signature(name: str, tree: ast.FunctionDef | ast.ClassDef) -> str:
    """As it would be written, one parameter a line where it is long."""
    if isinstance(tree, ast.ClassDef):
        parts = [ast.unparse(line) for line in tree.body if isinstance(line, ast.AnnAssign)]
        if not parts:
            return f"class {name}"
        answer = ""
    else:
        parts = re.split(r", (?![^\[(]*[\])])", ast.unparse(tree.args))
        parts = [part for part in parts if part not in ("self", "cls", "")]
        parts = [re.sub("^(.+: .+?)=", r"\1 = ", part) for part in parts]
        answer = f" -> {ast.unparse(tree.returns)}" if tree.returns else ""
        if any(ast.unparse(each) == "property" for each in tree.decorator_list):
            return f"{name}{answer.replace(' ->', ':')}"
    line = f"{name}({', '.join(parts)}){answer}"
    if len(line) <= 90:
        return line
    return "\n".join([f"{name}(", *(f"    {part}," for part in parts), f"){answer}"])


def _prose(thing: Any) -> str:
    """A docstring as Markdown: what it shows at a prompt becomes a block."""
    return _with_blocks(_escaped(inspect.getdoc(thing) or ""), ">>> ")


def _with_blocks(text: str, sign: str) -> str:
    """Lines that begin with `sign` in a block of their own."""
    return re.sub(
        rf"\n?(?:^{sign}.*\n?)+",
        lambda shown: f"\n```text\n{textwrap.dedent(shown[0]).strip()}\n```\n",
        text,
        flags=re.MULTILINE,
    )


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;")


if __name__ == "__main__":
    for page, make in PAGES.items():
        (DOCS / page).write_text(make(), encoding="utf-8")
