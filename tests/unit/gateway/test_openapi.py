import json
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tiffin.gateway.endpoint import Shape
from tiffin.gateway.openapi import openapi_document
from tiffin.gateway.routes import ROUTES, Route
from tiffin.rpc import contracts as c


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(json.dumps(openapi_document(ROUTES)))


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def operation(document: dict[str, Any], route: Route) -> dict[str, Any]:
    return document["paths"][route.path][route.method.lower()]


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema or "anyOf" in schema:
        named = schema.get("$ref", "").rpartition("/")[2]
        target = document["components"]["schemas"][named] if named else schema["anyOf"][0]
        schema = target | {name: value for name, value in schema.items() if name not in ("$ref", "anyOf")}
    return schema


def example(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """As the page makes it: required fields only, the given example where there is one."""
    schema = resolved(document, schema)
    if "examples" in schema:
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        names = schema.get("required") or schema["properties"]
        return {name: example(document, schema["properties"][name]) for name in names}
    if schema.get("type") == "array":
        return [example(document, schema["items"])]
    return {"string": "text", "integer": max(0, schema.get("minimum", 0)), "boolean": True}[schema["type"]]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_what_the_page_fills_in_is_a_good_request(document: dict[str, Any], route: Route) -> None:
    described = operation(document, route)
    shape = Shape(route)
    bound = {
        p["name"]: example(document, p["schema"])
        for p in described["parameters"]
        if p["required"] and p["in"] != "header"
    }
    if shape.body:
        body = example(document, described["requestBody"]["content"]["application/json"]["schema"])
        fields = bound | msgspec.structs.asdict(msgspec.convert(body, shape.body))
    else:
        fields = bound
    if route.subject:
        fields[route.subject] = "customer-1"
    if route.party:
        fields[route.party] = "restaurant:restaurant-1"
    for name in route.headers:
        fields[name] = "a-key"
    msgspec.convert(msgspec.to_builtins(fields | route.fixed), shape.request)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_operation_says_what_who_and_how_it_fails(document: dict[str, Any], route: Route) -> None:
    described = operation(document, route)
    assert described["summary"].endswith(".")
    assert described["x-roles"] == list(route.roles)
    assert described["security"] == ([{"token": []}] if route.roles else [])
    assert {str(route.status), "4XX", "5XX"} == set(described["responses"])


def test_fields_bound_elsewhere_are_in_no_body(document: dict[str, Any]) -> None:
    for route in ROUTES:
        shape = Shape(route)
        if shape.body:
            elsewhere = {
                *shape.path_names,
                *route.headers,
                *route.fixed,
                *route.without,
                route.subject,
                route.party,
            }
            assert not elsewhere & set(shape.body.__struct_fields__)
            assert elsewhere - {None} <= set(shape.request.__struct_fields__)


def test_the_idls_words_and_limits_arrive(document: dict[str, Any]) -> None:
    placed = document["components"]["schemas"]["PlaceOrderBody"]["properties"]
    assert placed["note"]["description"] == c.field_docs("PlaceOrder")["note"]
    assert placed["lines"]["maxItems"] == 100
    (key,) = operation(document, next(r for r in ROUTES if r.call == "Orders.place"))["parameters"]
    assert (key["in"], key["name"], key["required"]) == ("header", "Idempotency-Key", True)


def test_operations_have_names_of_their_own(document: dict[str, Any]) -> None:
    names = [o["operationId"] for methods in document["paths"].values() for o in methods.values()]
    assert len(names) == len(set(names)) == len(ROUTES) + 3
