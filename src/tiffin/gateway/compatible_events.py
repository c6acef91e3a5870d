"""Whether those who listened to the last release still understand what they hear, by its AsyncAPI document.

`python -m tiffin.gateway.compatible_events` prints what breaks them and fails if anything does; with
`--release` the document as it is becomes the released one. Additions break nobody: listeners pass over what
they do not know.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from tiffin.gateway.asyncapi import asyncapi_document
from tiffin.rpc.contracts import IDL_DIRECTORY

RELEASED = IDL_DIRECTORY / "released" / "asyncapi.json"

Json = Mapping[str, Any]


def breaks(released: Json, now: Json) -> list[str]:
    """What a listener of `released` cannot live with, each as `message: what has happened`."""
    found = list(_channels_break(released["channels"], now["channels"]))
    messages = now["components"]["messages"]
    for name, message in released["components"]["messages"].items():
        if name not in messages:
            found.append(f"{name}: nobody is told of it any more")
            continue
        for part in ("headers", "payload"):
            before, after = _Schema(released, message[part]), _Schema(now, messages[name][part])
            found += (f"{name}: {part}{what}" for what in _schemas_break(before, after))
    return list(dict.fromkeys(found))


def _channels_break(released: Json, now: Json) -> Iterator[str]:
    for name, channel in released.items():
        present = now.get(name)
        if present is None:
            yield f"the channel {name}: removed"
            continue
        for what in ("address", "bindings"):
            if present.get(what) != channel.get(what):
                yield f"the channel {name}: its {what} was {channel.get(what)} and is {present.get(what)}"
        for message in channel["messages"].keys() - present["messages"].keys():
            yield f"the channel {name}: {message} comes there no more"


class _Schema:
    """What a schema promises to its readers."""

    def __init__(self, document: Json, schema: Json) -> None:
        self._document = document
        self.types: set[str] = set()
        self.properties: dict[str, Json] = {}
        self.required: set[str] = set()
        self.items: Json | None = None
        self.const: object = None
        self._take(schema)

    def of(self, schema: Json) -> "_Schema":
        """Another one of the same document."""
        return _Schema(self._document, schema)

    def _take(self, schema: Json) -> None:
        name = schema.get("$ref", "").rpartition("/")[2]
        if name:
            self._take(self._document["components"]["schemas"][name])
        for part in (*schema.get("allOf", ()), *schema.get("anyOf", ())):
            self._take(part)
        if "type" in schema:
            self.types.add(schema["type"])
        self.types |= {_TYPES[type(value)] for value in schema.get("enum", ())}
        self.properties.update(schema.get("properties", {}))
        self.required.update(schema.get("required", ()))
        self.items = schema.get("items", self.items)
        self.const = schema.get("const", self.const)


_TYPES = {str: "string", int: "integer", bool: "boolean", type(None): "null"}


def _schemas_break(released: _Schema, now: _Schema) -> Iterator[str]:
    if released.types and not now.types <= released.types:
        yield f": was {_words(released.types)} and is {_words(now.types)}"
    if released.const is not None and now.const != released.const:
        yield f": was always {released.const!r}"
    for name in released.required - now.required:
        yield f".{name}: was always there"
    for name, before in released.properties.items():
        if name not in now.properties:
            yield f".{name}: removed"
        else:
            after = now.of(now.properties[name])
            yield from (f".{name}{what}" for what in _schemas_break(released.of(before), after))
    if released.items is not None:
        after = now.of(now.items or {"type": "nothing"})
        yield from (f"[]{what}" for what in _schemas_break(released.of(released.items), after))


def _words(types: set[str]) -> str:
    return " or ".join(sorted(types))


def main() -> int:
    document = asyncapi_document()
    if "--release" in sys.argv:
        RELEASED.write_text(json.dumps(document, indent=1) + "\n")
        return 0
    if not RELEASED.exists():
        print("no events have been released yet: make release-idl")
        return 0
    found = breaks(json.loads(RELEASED.read_text()), document)
    print("\n".join(found) or "who listened to the last release understands the events")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
