"""The operations that a platform's own OpenAPI document offers, and requests made from their schemas."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Any

ID_NAMES = {"cursor", "Idempotency-Key", "phone", "subject"}
"""What names somebody or something without being called an id."""

SENT = {"code", "role", "source"}
"""Sent though optional: without them nobody looks at an id beside them."""


class UnfillableError(Exception):
    """A request needs a value that nobody has said how to make."""


@dataclass(frozen=True)
class Request:
    """What is sent, without who sends it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Json


@dataclass(frozen=True)
class Id:
    """A place of an operation that takes an id. Of a body's own `id` it matters whose: `Address.id`."""

    name: str
    required: bool


class Operation:
    """One method of one path."""

    def __init__(self, document: Json, method: str, path: str, fill: Mapping[str, Json]) -> None:
        """`fill` says, by name, what fields are worth that examples and types do not tell."""
        self.method, self.path = method.upper(), path
        self._document, self._fill = document, fill
        described = document["paths"][path][method]
        self.roles: tuple[str, ...] = tuple(described.get("x-roles", ()))
        self.is_open = not described["security"]
        self.is_stream = "text/event-stream" in described["responses"].get("200", {}).get("content", {})
        self._parameters: list[Json] = described["parameters"]
        content = described.get("requestBody", {}).get("content", {}).get("application/json", {})
        self._body: Json = content.get("schema")
        self.ids = list(dict.fromkeys(self._ids()))

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def request(self, ids: Mapping[str, str]) -> Request:
        """With these ids and no others. `UnfillableError` if something else it needs is not known."""
        path, query, headers = self.path, list[str](), dict[str, str]()
        for parameter in self._parameters:
            name, where = parameter["name"], parameter["in"]
            value = ids.get(name)
            if value is None and parameter["required"]:
                value = str(self._value(parameter["schema"], name, ids))
            if value is None:
                continue
            if where == "path":
                path = path.replace(f"{{{name}}}", value)
            elif where == "query":
                query.append(f"{name}={value}")
            else:
                headers[name] = value
        if query:
            path += "?" + "&".join(query)
        body = self._value(self._body, "the body", ids) if self._body is not None else None
        return Request(self.method, path, headers, body)

    def _ids(self) -> Iterator[Id]:
        for parameter in self._parameters:
            if _is_id(parameter["name"]):
                yield Id(parameter["name"], parameter["required"])
        if self._body is not None:
            yield from self._ids_in(self._body, required=True)

    def _ids_in(self, schema: Json, required: bool) -> Iterator[Id]:
        schema = self._resolved(schema)
        if "items" in schema:
            yield from self._ids_in(schema["items"], required)
        for name, inner in schema.get("properties", {}).items():
            needed = required and name in schema.get("required", ())
            if _is_id(name):
                yield Id(_qualified(name, schema), needed)
            else:
                yield from self._ids_in(inner, needed)

    def _value(self, schema: Json, name: str, ids: Mapping[str, str]) -> Json:
        if name in self._fill:
            return self._fill[name]
        schema = self._resolved(schema)
        if not schema:  # anything goes
            return {}
        if "properties" in schema:
            return self._object(schema, ids)
        if "items" in schema:
            return [self._value(schema["items"], name, ids) for _ in range(max(1, schema.get("minItems", 0)))]
        if "enum" in schema:
            return schema["enum"][0]
        if "examples" in schema:
            return schema["examples"][0]
        match schema.get("type"):
            case "boolean":
                return True
            case "integer" | "number":
                return max(1, schema.get("minimum", 1))
            case "string" if "pattern" not in schema:
                return "text"
        raise UnfillableError(f"{self}: what should {name} be? {json.dumps(schema)[:200]}")

    def _object(self, schema: Json, ids: Mapping[str, str]) -> dict[str, Json]:
        made: dict[str, Json] = {}
        for name, inner in schema["properties"].items():
            required = name in schema.get("required", ())
            if _is_id(name):
                known = ids.get(_qualified(name, schema))
                if known is None and required:
                    raise UnfillableError(f"{self}: whose {_qualified(name, schema)}?")
                if known is not None:
                    made[name] = known
            elif (
                required
                or name in SENT
                or any(each.name in ids for each in self._ids_in(inner, required=False))
            ):
                made[name] = self._value(inner, name, ids)
        return made

    def _resolved(self, schema: Json) -> Json:
        while "$ref" in schema or "anyOf" in schema:
            named = schema.get("$ref", "").rpartition("/")[2]
            target = self._document["components"]["schemas"][named] if named else schema["anyOf"][0]
            schema = target | {key: value for key, value in schema.items() if key not in ("$ref", "anyOf")}
        return schema


def operations(document: Json, fill: Mapping[str, Json]) -> list[Operation]:
    """Everything that the document offers."""
    return [
        Operation(document, method, path, fill)
        for path, methods in document["paths"].items()
        for method in methods
    ]


def _is_id(name: str) -> bool:
    return name in ID_NAMES or name == "id" or name.endswith("_id")


def _qualified(name: str, schema: Json) -> str:
    return f"{schema['title'].partition('Body')[0]}.id" if name == "id" else name
