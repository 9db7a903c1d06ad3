"""A YAML file as plain values that remember their lines; secrets come in from outside.

The scalars are those of YAML 1.2: only `true` and `false` are booleans (`no` is Norway) and
`12:30` is a text. Aliases are refused: settings are shared by standing above the cameras.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

KeyPath: TypeAlias = "tuple[str | int, ...]"
"""Where a value stands in a document, from its root."""

Secrets: TypeAlias = Callable[[str], "str | None"]
"""Returns the secret of a name, or None where there is none."""

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_.-]*)\}")


@dataclass(frozen=True, order=True)
class Fault:
    """One thing wrong in a document: its line (from 1), its key path and what to do."""

    line: int
    path: str
    message: str


@dataclass(frozen=True)
class Document:
    """A parsed file.

    Attributes:
        data: the values, references to secrets replaced.
        lines: line of each key path, from 1.
        secret_paths: key paths whose value came from outside and must never be printed.
        faults: what is wrong already at this level.
    """

    data: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)
    secret_paths: frozenset[KeyPath] = frozenset()
    faults: tuple[Fault, ...] = ()

    def line_of(self, path: KeyPath) -> int:
        """Return the line of the key, or of the nearest one above it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse_document(text: str, secrets: Secrets) -> Document:
    """Parse YAML text; never raises, faults stand in the result.

    Args:
        text: the file's content.
        secrets: called for each `${NAME}`.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _broken(mark.line + 1 if mark else 1, error.problem or str(error))
    except yaml.YAMLError as error:
        return _broken(1, str(error).splitlines()[0])
    except RecursionError:
        return _broken(1, "nested too deeply")
    if node is None:
        return Document({})
    reader = _Reader(secrets)
    data = reader.value(node, ())
    return Document(data, reader.lines, frozenset(reader.secret_paths), tuple(reader.faults))


def path_text(path: KeyPath) -> str:
    """Return a key path as people write it, e.g. `cameras.gate.zones[2]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if part.isprintable() else f".{part!r}"
    return text.removeprefix(".")


def _broken(line: int, problem: str) -> Document:
    return Document({}, faults=(Fault(line, "", f"not valid YAML: {problem}"),))


class _Loader(yaml.SafeLoader):
    """YAML 1.2 scalars, no aliases."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the base class declares it so

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem="aliases (*name) are not allowed", problem_mark=self.get_mark()
            )
        return super().compose_node(parent, index)


_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]{1,18}|0x[0-9a-fA-F]{1,15}", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
)
for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


class _Reader:
    """Turns nodes into values and notes lines, secrets and faults on the way."""

    def __init__(self, secrets: Secrets) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.secret_paths: list[KeyPath] = []
        self.faults: list[Fault] = []
        self._secrets = secrets

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or key in values:
                problem = "a key must be a single word" if key is None else f"{key!r} stands here twice"
                self._fault(key_node, path, problem)
                continue
            below = (*path, key)
            self.lines[below] = key_node.start_mark.line + 1
            values[key] = self.value(value_node, below)
        return values

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        text = str(node.value)
        if node.tag == "tag:yaml.org,2002:int":
            return int(text, 16) if text.startswith("0x") else int(text)
        if node.tag == "tag:yaml.org,2002:float":
            return float(text)
        if node.tag == "tag:yaml.org,2002:bool":
            return text.lower() == "true"
        if node.tag == "tag:yaml.org,2002:null":
            return None
        return self._with_secrets(text, node, path)

    def _with_secrets(self, text: str, node: yaml.Node, path: KeyPath) -> str:
        def replace(reference: re.Match[str]) -> str:
            self.secret_paths.append(path)
            secret = self._secrets(reference[1])
            if secret is None:
                problem = f"{reference[0]} is neither an environment variable nor a credential file"
                self._fault(node, path, problem)
            return reference[0] if secret is None else secret

        return REFERENCE.sub(replace, text)

    def _fault(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        self.faults.append(Fault(node.start_mark.line + 1, path_text(path), message))
