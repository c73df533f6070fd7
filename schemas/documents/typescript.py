"""TypeScript declarations of every message, written from its JSON Schema.

They say names and types only: limits are in the JSON Schemas, and a field with a
default may be left out by who writes it.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

Schema = dict[str, Any]
SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
HEAD = "// Written by `reshelf schemas export` from the message types. Do not edit.\n"
WIDTH = 110


def declarations(components: Mapping[str, Schema]) -> str:
    """One interface for each schema of an object; raises ValueError for a schema that has no type in TypeScript."""
    return "\n".join([HEAD, *("\n".join(_interface(name, schema)) for name, schema in components.items())])


def type_of(schema: Schema) -> str:
    """The type of a value; raises ValueError as `declarations`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(type_of(option) for option in schema["anyOf"])
    kind = schema.get("type")
    if kind == "array":
        return _array(schema)
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"Record<string, {type_of(schema['additionalProperties'])}>"
    if kind not in SIMPLE:
        raise ValueError(f"Expected a type that TypeScript has, got the schema {json.dumps(schema)[:200]}")
    return SIMPLE[kind]


def _array(schema: Schema) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(type_of(part) for part in schema['prefixItems'])}]"
    inner = type_of(schema["items"])
    return f"({inner})[]" if " | " in inner else f"{inner}[]"


def _interface(name: str, schema: Schema) -> Iterator[str]:
    yield from _comment(schema, "")
    yield f"export interface {name} {{"
    for field, about in schema["properties"].items():
        yield from _comment(about, "  ")
        yield f"  {field}{'' if field in schema['required'] else '?'}: {type_of(about)};"
    yield "}\n"


def _comment(schema: Schema, indent: str) -> Iterator[str]:
    text = schema.get("description", "").replace("*/", "*\\/")
    lines = [line for part in text.splitlines() for line in (textwrap.wrap(part, WIDTH) or [""])]
    if len(lines) == 1:
        yield f"{indent}/** {lines[0]} */"
    elif lines:
        yield from (f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */")
