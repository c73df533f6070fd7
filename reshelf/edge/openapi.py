"""The OpenAPI document of the edge, from the same types that check events."""

from __future__ import annotations

from typing import Any

from msgspec import json as msgspec_json

from reshelf.edge.intake import FORMS
from reshelf.service_settings import EdgeSettings
from schemas.messages.layouts import Layout

Node = dict[str, Any]
REFERENCES = "#/components/schemas/{name}"


def document(settings: EdgeSettings) -> Node:
    """OpenAPI 3.1, with the limits of `settings`."""
    _, components = msgspec_json.schema_components([*FORMS.values(), Layout], ref_template=REFERENCES)
    own = {"Slate": _SLATE, "Batch": _batch(settings), "Result": _RESULT, "Error": _ERROR}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Reshelf edge", "version": "1", "description": "Layouts and events over HTTP."},
        "paths": {
            "/layouts/{page}/{segment}": {"get": _LAYOUT},
            "/layouts/{page}": {"get": _LAYOUT_BY_ITEMS},
            "/events": {"post": _EVENTS},
        }
        | _health(),
        "components": {
            "schemas": components | own,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}] if settings.token.get_secret_value() else [],
    }


def _ref(name: str) -> Node:
    return {"$ref": REFERENCES.format(name=name)}


def _reply(about: str, schema: Node) -> Node:
    return {"description": about, "content": {"application/json": {"schema": schema}}}


def _object(**properties: Node) -> Node:
    return {"type": "object", "required": list(properties), "properties": properties}


def _name(name: str, where: str, about: str, longest: int = 128) -> Node:
    schema = {"type": "string", "minLength": 1, "maxLength": longest}
    return {"name": name, "in": where, "required": where == "path", "description": about, "schema": schema}


def _batch(settings: EdgeSettings) -> Node:
    kinds = [{"allOf": [_ref(form.__name__), _object(kind={"const": kind})]} for kind, form in FORMS.items()]
    return _object(events={"type": "array", "maxItems": settings.max_events, "items": {"anyOf": kinds}})


def _health() -> Node:
    about = {"/live": "Whether layouts are still read.", "/ready": "Whether all layouts were read once."}
    replies = {"200": _reply("Yes.", {"type": "object"}), "503": _reply("No.", {"type": "object"})}
    return {path: {"get": {"summary": text, "security": [], "responses": replies}} for path, text in about.items()}


_TEXT: Node = {"type": "string"}
_WHOLE: Node = {"type": "integer"}
_ERROR = _object(error=_TEXT)
_SLATE = _object(
    page=_TEXT,
    segment=_TEXT,
    version=_WHOLE,
    expires_at=_WHOLE,
    variant=_WHOLE,
    slate={"type": "object", "additionalProperties": _TEXT},
)
_SLATE["properties"] |= {
    "visitor_segment": {
        "type": "string",
        "description": "The visitor's segment, to report with events and to send as `segment` next time; where it was "
        "asked for by items.",
    },
    "rows": {
        "type": "object",
        "additionalProperties": _TEXT,
        "description": "Row to shelf, on a page with shelves.",
    },
    "shelves": {
        "type": "object",
        "additionalProperties": {"$ref": REFERENCES.format(name="LayoutShelf")},
        "description": "The shelves that `rows` names.",
    },
}
_REFUSAL = _object(index=_WHOLE, reason=_TEXT, detail=_TEXT, retry={"type": "boolean"})
_RESULT = _object(accepted=_WHOLE, errors={"type": "array", "items": _REFUSAL})
_TAG = {"name": "If-None-Match", "in": "header", "schema": {"type": "string", "pattern": '^"[!#-~]*"$'}}

_LAYOUT: Node = {
    "summary": "The slate that a visitor is shown; without `unit` the whole layout.",
    "parameters": [
        _name("page", "path", "The page.", 64),
        _name("segment", "path", "The segment; one without a layout gets that of `*`.", 64),
        _name("unit", "query", "The visitor's pseudonym."),
        _TAG,
    ],
    "responses": {
        "200": _reply("A slate or a layout.", {"anyOf": [_ref("Slate"), _ref("Layout")]}),
        "304": {"description": "As it was."},
        "400": _reply("Not understood.", _ref("Error")),
        "401": _reply("The token is missing.", _ref("Error")),
        "403": _reply("No token is set, and the host or the origin is not this machine.", _ref("Error")),
        "404": _reply("No layout that is still good: show your own fallback.", _ref("Error")),
    },
}
_LAYOUT_BY_ITEMS: Node = _LAYOUT | {
    "summary": "The slate for the segment that a visitor's last items say; without `unit` the whole layout.",
    "description": "With neither items nor a segment, and `segments.publish_units` set, it is the segment that is "
    "published of the unit; `t00` where none is.",
    "parameters": [
        _name("page", "path", "The page.", 64),
        _name("items", "query", "What the visitor looked at, the newest last, with commas between.", 8_256),
        _name("item", "query", "One more item, whose name has a comma.", 128),
        _name("segment", "query", "The segment that the visitor was in last.", 64),
        _name("value", "query", "The visitor's value of the model's attribute.", 256),
        _name("unit", "query", "The visitor's pseudonym."),
        _TAG,
    ],
}
_EVENTS: Node = {
    "summary": "Publish events; each is checked by itself.",
    "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("Batch")}}},
    "responses": {
        "200": _reply("How many were published, and why others were not.", _ref("Result")),
        "400": _reply("Not a batch.", _ref("Error")),
        "401": _reply("The token is missing.", _ref("Error")),
        "403": _reply("No token is set, and the host or the origin is not this machine.", _ref("Error")),
        "413": _reply("Too large.", _ref("Error")),
        "429": _reply("Too many; see Retry-After.", _ref("Error")),
    },
}
