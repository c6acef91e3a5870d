"""Whether clients of the last release's HTTP API are still understood, by its OpenAPI document.

`python -m tiffin.gateway.compatible` prints what breaks them and fails if anything does; with `--release`
the document as it is becomes the released one. What is inside answers is the IDL's, and checked there.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from tiffin.gateway.openapi import openapi_document
from tiffin.gateway.routes import ROUTES
from tiffin.rpc.contracts import IDL_DIRECTORY

RELEASED = IDL_DIRECTORY / "released" / "openapi.json"

Json = Mapping[str, Any]


def breaks(released: Json, now: Json) -> list[str]:
    """What a client of `released` cannot live with, each as `METHOD /path: what has happened`."""
    return [*_codes_break(_codes(released), _codes(now)), *_operations_break(released, now)]


def _codes(document: Json) -> Mapping[str, int]:
    return document["components"]["schemas"]["Problem"]["properties"]["code"]["x-statuses"]


def _codes_break(released: Mapping[str, int], now: Mapping[str, int]) -> Iterator[str]:
    for code, status in released.items():
        if code not in now:
            yield f"the code {code}: removed"
        elif now[code] != status:
            yield f"the code {code}: its status was {status} and is {now[code]}"


def _operations_break(released: Json, now: Json) -> Iterator[str]:
    for path, methods in released["paths"].items():
        for method, operation in methods.items():
            at = f"{method.upper()} {path}"
            present = now["paths"].get(path, {}).get(method)
            if present is None:
                yield f"{at}: removed"
                continue
            for what in (
                *_access_breaks(operation, present),
                *_parameters_break(operation, present),
                *_body_breaks(_body(released, operation), _body(now, present)),
                *_answer_breaks(operation, present),
            ):
                yield f"{at}: {what}"


def _access_breaks(released: Json, now: Json) -> Iterator[str]:
    if not released["security"] and now["security"]:
        yield "needed no token and needs one"
    gone = set(released.get("x-roles", ())) - set(now.get("x-roles", released.get("x-roles", ())))
    if gone:
        yield f"no longer for {', '.join(sorted(gone))}"


def _parameters_break(released: Json, now: Json) -> Iterator[str]:
    before, after = (
        {(each["in"], each["name"]): each for each in of["parameters"]} for of in (released, now)
    )
    for where, name in before.keys() - after.keys():
        yield f"the {where} parameter {name}: removed"
    for (where, name), parameter in after.items():
        if parameter["required"] and not before.get((where, name), {"required": False})["required"]:
            yield f"the {where} parameter {name}: is required and was not"


def _body(document: Json, operation: Json) -> Json:
    """The schema of an operation's JSON body; no body is an empty one."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    schema: Json = content.get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


def _body_breaks(released: Json, now: Json) -> Iterator[str]:
    for name in released.get("properties", {}):
        if name not in now.get("properties", {}):
            yield f"the body's {name}: removed"
    for name in now.get("required", ()):
        if name not in released.get("required", ()):
            yield f"the body's {name}: is required and was not"


def _answer_breaks(released: Json, now: Json) -> Iterator[str]:
    before, after = _answers(released), _answers(now)
    if before != after:
        yield f"its answer was {before} and is {after}"


def _answers(operation: Json) -> str:
    """Status, media type and type of what it answers if all is well, as `201 application/json Order`."""
    told: list[str] = []
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            name = content["schema"].get("$ref", "").rpartition("/")[2]
            told.append(f"{status} {media_type} {name}".rstrip())
    return ", ".join(told)


def main() -> int:
    document = openapi_document(ROUTES)
    if "--release" in sys.argv:
        RELEASED.write_text(json.dumps(document, indent=1) + "\n")
        return 0
    if not RELEASED.exists():
        print("no HTTP API has been released yet: make release-idl")
        return 0
    found = breaks(json.loads(RELEASED.read_text()), document)
    print("\n".join(found) or "the HTTP API understands clients of the last release")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
