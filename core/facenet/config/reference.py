"""The configuration reference, docs/configuration.md, rendered from the models themselves.

python -m facenet.config.reference > docs/configuration.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from facenet.config import CONFIGS

Schema = dict[str, Any]

LEAD = """\
# Configuration

<!-- Generated: python -m facenet.config.reference > docs/configuration.md -->

Three kinds of YAML file, one table for each section. Keys that are not listed are refused, and
all problems of a file are reported at once, each with its line.

- **Slots** choose a plugin: a name (`miner: batch_hard`) or a mapping with that plugin's own keys
  (`store: {plugin: pgvector, table: faces}`). `facenet plugins` lists the installed names and
  `facenet plugins show store pgvector` the keys of one; where two packages offer one name, write
  `package:name`. A backbone is an architecture (`resnet18`), `plugin/architecture`, or a mapping.
- **Overrides**: `--set optimizer.lr=3e-4` replaces any key on the command line, items of lists
  too (`--set experiments.0.backbone=resnet18`).
- **Environment**: `${NAME}` and `${NAME:default}` are filled in; `$${` stays `${`.
- **Paths** are relative to the working directory, except the default folder of the embedded
  store, which lies beside the configuration file.
- **Secrets** are masked wherever the configuration is shown.

```bash
facenet config show train --set model.embedding_dim=64
facenet config schema inference > artifacts/inference.schema.json
```

The first prints a file with all its defaults, the second a JSON Schema, with which an editor
completes and checks it.
"""


_TYPES = {
    "array": "list",
    "boolean": "`true` or `false`",
    "integer": "whole number",
    "null": "`null`",
    "number": "number",
    "object": "mapping",
    "string": "text",
}
_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


def reference() -> str:
    """The whole reference as Markdown, ending in a newline."""
    return "\n".join([LEAD, *(line for name in CONFIGS for line in _file(name))])


def _file(name: str) -> Iterator[str]:
    schema = CONFIGS[name].model_json_schema()
    for path, section in _sections(schema, schema):
        yield f"### {name}: {path}\n" if path else f"## {name}\n"
        yield section["description"].split("\n\n")[0].replace("\n", " ") + "\n"
        yield "| key | value | default | meaning |"
        yield "| --- | --- | --- | --- |"
        for key, field in section["properties"].items():
            yield _row(key, field, schema, required=key in section.get("required", ()))
        yield ""


def _sections(section: Schema, root: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """A file's own keys, then its sections; a file within a file is not repeated."""
    yield path, section
    for key, field in section["properties"].items():
        for name in _named(field):
            inner = root["$defs"][name]
            if not _is_slot(inner) and not _is_file(name):
                yield from _sections(inner, root, f"{path}.{key}" if path else key)


def option_rows(schema: Schema) -> Iterator[tuple[str, str, str, str]]:
    """Key, what it accepts, default and meaning of a plugin's options, from their JSON schema."""
    for key, field in schema.get("properties", {}).items():
        default = "required" if key in schema.get("required", ()) else _default(field)
        yield key, _values(field, schema), default, field.get("description", "")


def _row(key: str, field: Schema, root: Schema, *, required: bool) -> str:
    cells = [
        f"`{key}`",
        _values(field, root),
        "**required**" if required else _default(field),
        field.get("description") or f"See below: {key}.",
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _values(field: Schema, root: Schema) -> str:
    """What a key accepts, in plain words."""
    if "anyOf" in field:
        return ", or ".join(_values(choice, root) for choice in field["anyOf"])
    if "$ref" in field:
        (name,) = _named(field)
        if _is_file(name):
            return "a whole train file"
        return "plugin" if _is_slot(root["$defs"][name]) else "section"
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if "prefixItems" in field:
        return f"list of {len(field['prefixItems'])}: {_values(field['prefixItems'][0], root)}"
    if "items" in field:
        return f"list of: {_values(field['items'], root)}"
    kind = "path" if field.get("format") == "path" else _TYPES[field["type"]]
    bounds = [f"{words} {field[bound]:g}" for bound, words in _BOUNDS.items() if bound in field]
    return ", ".join([kind, *bounds])


def _default(field: Schema) -> str:
    if "default" not in field:
        return ""
    value = field["default"]
    if isinstance(value, dict) and "plugin" in value:
        value = value["plugin"]
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _named(field: Schema) -> list[str]:
    """The definitions that a key refers to, in lists and alternatives too."""
    choices = [field, field.get("items", {}), *field.get("anyOf", ())]
    return [choice["$ref"].rpartition("/")[2] for choice in choices if "$ref" in choice]


def _is_slot(schema: Schema) -> bool:
    return "plugin" in schema["properties"]


def _is_file(name: str) -> bool:
    return name in {model.__name__ for model in CONFIGS.values()}


if __name__ == "__main__":
    sys.stdout.write(reference())
