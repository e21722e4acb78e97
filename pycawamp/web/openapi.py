"""The OpenAPI 3.1 description of the HTTP API."""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from pycawamp.pv.names import MAX_NAME
from pycawamp.pv.values import SEVERITIES, FieldType
from pycawamp.web import problem
from pycawamp.wire.v2.options import ARRAY_FORMS, MAX_RATE
from pycawamp.wire.v2.requests import DEFAULT_TIMEOUT, MAX_TIMEOUT

Schema = dict[str, Any]

TEXT_FORMS = [form for form in ARRAY_FORMS if form != "binary"]
PRINTABLE = "^[ -~]*[!-~][ -~]*$"


def document() -> Schema:
    """Return the document; its paths are relative to its own URL."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "pycaserver",
            "version": version("pycaserver"),
            "summary": "EPICS process variables by HTTP",
            "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
        },
        "servers": [{"url": "api/v1"}],
        "paths": {
            "/pv": {"get": _read_many()},
            "/pv/{name}": {"get": _read(), "put": _write()},
            "/pv/{name}/metadata": {"get": _describe()},
            "/pv/{name}/stream": {"get": _stream()},
            "/snapshot": {"get": _snapshot()},
            "/stream": {"get": _stream_many()},
        },
        "components": {
            "schemas": _schemas(),
            "parameters": _parameters(),
            "responses": _responses(),
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            },
        },
        # Whether a login is required depends on the options of the gateway.
        "security": [{}, {"basic": []}, {"bearer": []}],
    }


def _read() -> Schema:
    content = _json("Value") | {"application/octet-stream": {}}
    text = "The value. With arrays=binary, that of an array of numbers is a binary message."
    return {
        "operationId": "getValue",
        "summary": "Read a PV",
        "parameters": _refs("PathName", "metadata", "text", "arrays"),
        "responses": {"200": {"description": text, "content": content}} | _problems(),
    }


def _read_many() -> Schema:
    items = {"oneOf": [_ref("schemas", "Value"), _ref("schemas", "Error")]}
    content = {"application/json": {"schema": {"type": "array", "items": items}}}
    text = "For each name, its value or an error, in the order of the names"
    return {
        "operationId": "getValues",
        "summary": "Read several PVs",
        "parameters": _refs("QueryNames", "metadata", "text", "textArrays"),
        "responses": {"200": {"description": text, "content": content}} | _problems(),
    }


def _snapshot() -> Schema:
    return _read_many() | {
        "operationId": "getSnapshot",
        "summary": "Read several PVs through caches",
    }


def _describe() -> Schema:
    return {
        "operationId": "getMetadata",
        "summary": "Read a PV's type, units, limits, labels and access rights",
        "parameters": _refs("PathName"),
        "responses": {
            "200": {"description": "The metadata", "content": _json("Metadata")},
        }
        | _problems(),
    }


def _write() -> Schema:
    value = {"schema": _ref("schemas", "NewValue"), "example": 21.5}
    return {
        "operationId": "putValue",
        "summary": "Write a PV",
        "parameters": _refs("PathName", "wait", "timeout"),
        "requestBody": {"required": True, "content": {"application/json": value}},
        "responses": {
            "200": {
                "description": "It was written, and the record has finished processing (wait)",
                "content": _json("Written"),
            },
        }
        | _problems(411, 413, 415, 422),
    }


def _stream() -> Schema:
    return {
        "operationId": "streamValue",
        "summary": "Follow a PV",
        "parameters": _refs("PathName", "metadata", "text", "textArrays", "max_rate", "reason"),
        "responses": _events() | _problems(),
    }


def _stream_many() -> Schema:
    return {
        "operationId": "streamValues",
        "summary": "Follow several PVs",
        "parameters": _refs("QueryNames", "metadata", "text", "textArrays", "max_rate", "reason"),
        "responses": _events() | _problems(),
    }


def _events() -> Schema:
    text = "Endless Server-Sent Events; the data of each is a message of the protocol"
    return {"200": {"description": text, "content": {"text/event-stream": {}}}}


def _schemas() -> Schema:
    update = {
        "pvname": {"type": "string"},
        "value": _ref("schemas", "AnyValue"),
        "count": {"type": "integer", "minimum": 0},
        "timestamp": {"type": "number", "description": "UNIX seconds, by the IOC"},
        "units": {"type": "string"},
        "severity": {"enum": list(SEVERITIES)},
        "status": {"type": "string"},
        "text": {"type": "string"},
    }
    limits = {"type": "array", "items": {"type": ["number", "null"]}, "minItems": 2, "maxItems": 2}
    kinds = ("display", "control", "alarm", "warning")
    described = {
        "pvname": {"type": "string"},
        "type": {"enum": [kind.name.lower() for kind in FieldType]},
        "count": {"type": "integer", "minimum": 0},
        "units": {"type": "string"},
        "precision": {"type": "integer"},
        "enum_strs": {"type": "array", "items": {"type": "string"}},
        **{f"{kind}_limits": limits for kind in kinds},
        "read_access": {"type": "boolean"},
        "write_access": {"type": "boolean"},
        "host": {"type": "string"},
        "refusal": {"type": "string"},
    }
    return {
        "Value": _message("value", update, ["pvname", "value", "count", "timestamp"]),
        "Error": _message(
            "error",
            {key: {"type": "string"} for key in ("code", "message", "action", "pvname")},
            ["code", "message"],
        ),
        "Metadata": _message(
            "metadata", described, ["pvname", "type", "count", "read_access", "write_access"]
        ),
        "Written": _message(
            "put", {"pvname": {"type": "string"}, "ok": {"const": True}}, ["pvname", "ok"]
        ),
        "AnyValue": {
            "type": ["number", "string", "array", "object", "null"],
            "description": "NaN and the infinities are null; of arrays=base64 it is an object",
        },
        "NewValue": {
            "anyOf": [
                {"type": ["number", "string"]},
                {"type": "array", "items": {"type": ["number", "string"]}},
            ],
            "description": "The value must match the PV's type; otherwise the response is 422",
        },
        "Problem": {
            "type": "object",
            "properties": {
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "code": {"enum": list(problem.STATUSES)},
                "pvname": {"type": "string"},
            },
            "required": ["title", "status", "detail"],
        },
    }


def _parameters() -> Schema:
    name = {"type": "string", "minLength": 1, "maxLength": MAX_NAME, "pattern": PRINTABLE}
    return {
        "PathName": {
            "name": "name",
            "in": "path",
            "required": True,
            "schema": name,
            "description": "A PV name: printable UTF-8, percent-encoded, / included",
            "example": "demo:setpoint",
        },
        "QueryNames": {
            "name": "name",
            "in": "query",
            "required": True,
            "schema": {"type": "array", "items": name, "minItems": 1},
            "description": "PV names; repeat the parameter for each",
            "example": ["demo:setpoint", "demo:text"],
        },
        "metadata": _option("metadata", {"type": "boolean", "default": False}),
        "text": _option("text", {"type": "boolean", "default": False}),
        "arrays": _option("arrays", {"enum": list(ARRAY_FORMS), "default": ARRAY_FORMS[0]}),
        "textArrays": _option("arrays", {"enum": TEXT_FORMS, "default": TEXT_FORMS[0]}),
        "max_rate": _option(
            "max_rate", {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_RATE}
        ),
        "reason": _option("reason", {"type": "boolean", "default": False}),
        "wait": _option("wait", {"type": "boolean", "default": True}),
        "timeout": _option(
            "timeout",
            {
                "type": "number",
                "exclusiveMinimum": 0,
                "maximum": MAX_TIMEOUT,
                "default": DEFAULT_TIMEOUT,
            },
        ),
    }


def _responses() -> Schema:
    return {
        str(status): {
            "description": HTTPStatus(status).phrase,
            "content": {problem.MIME_TYPE: {"schema": _ref("schemas", "Problem")}},
        }
        for status in sorted({*problem.STATUSES.values(), 401, 405, 411, 413, 415, 431})
    }


def _problems(*more: int) -> Schema:
    """Return the error responses: those of every request, and some more."""
    statuses = {400, 401, 403, 404, 429, 431, 500, 502, 503, 504, *more}
    return {str(status): _ref("responses", str(status)) for status in sorted(statuses)}


def _message(kind: str, properties: Schema, required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": {"msg_type": {"const": kind}, **properties},
        "required": ["msg_type", *required],
    }


def _option(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "schema": schema}


def _json(schema: str) -> Schema:
    return {"application/json": {"schema": _ref("schemas", schema)}}


def _ref(kind: str, name: str) -> Schema:
    return {"$ref": f"#/components/{kind}/{name}"}


def _refs(*names: str) -> list[Schema]:
    return [_ref("parameters", name) for name in names]
