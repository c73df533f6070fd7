"""JSON Schema for every message, one AsyncAPI document, and types for TypeScript, written from the types.

The files are checked in beside the code (`schemas/generated`), so that a reader
of the repository and a team in another language see the contract without Python.
Equal types give equal bytes: a difference in the files is a difference in the
contract.
"""

from __future__ import annotations

import json
import re
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec

from schemas.documents import asyncapi, typescript
from schemas.topics import TOPICS

GENERATED = Path(__file__).parent / "generated"
RELEASED = Path(__file__).parent / "released"
TYPES = "messages.d.ts"
EXAMPLES = Path(__file__).parent / "examples"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def messages() -> dict[str, type[msgspec.Struct]]:
    """Message types by file name stem (`catalog-item`), in the order of the topic table."""
    return {stem(message): message for topic in TOPICS for message in topic.messages}


def stem(message: type[msgspec.Struct]) -> str:
    """The name of a message's files: CatalogItem is `catalog-item`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", message.__name__).lower()


def json_schema(message: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one message, limits included."""
    _, components = msgspec.json.schema_components([message], ref_template="#/$defs/{name}")
    schema: dict[str, Any] = _clean(components.pop(message.__name__))
    head = {"$schema": DIALECT, "$id": f"urn:reshelf:message:{stem(message)}"}
    nested = {"$defs": _clean(components)} if components else {}
    return head | schema | nested


def documents() -> dict[str, bytes]:
    """Every JSON document of the export: its name and its bytes."""
    files = {name: json_schema(message) for name, message in messages().items()}
    files["asyncapi"] = asyncapi.document(_components())
    return {f"{name}.json": _pretty(content) for name, content in files.items()}


def declarations() -> bytes:
    """The file TYPES: all messages as types for TypeScript."""
    return typescript.declarations(_components()).encode()


def write(folder: Path | str) -> list[Path]:
    """Write all documents and TYPES to `folder`, made if missing; gives the paths written.

    Raises OSError where the folder cannot be written.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    files = documents() | {TYPES: declarations()}
    for name, content in files.items():
        (target / name).write_bytes(content)
    return [target / name for name in files]


def read(folder: Path | str) -> dict[str, bytes]:
    """The JSON documents in `folder`, as `documents` gives them."""
    return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.json"))}


def _components() -> dict[str, Any]:
    types = list(messages().values())
    _, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    documents: dict[str, Any] = _clean(components)
    return documents


def _pretty(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _clean(node: Any) -> Any:
    """Docstrings without their indentation; everything else as it was."""
    if isinstance(node, dict):
        return {name: _clean(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_clean(value) for value in node]
    return cleandoc(node) if isinstance(node, str) else node
