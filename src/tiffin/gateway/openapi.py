"""The OpenAPI 3.1 document, made from the table of endpoints and the contracts' types."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from tiffin.gateway.endpoint import Shape
from tiffin.gateway.problems import STATUS_OF_CODE
from tiffin.gateway.routes import ANYONE, OPERATOR, RESTAURANT, Route
from tiffin.gateway.webhooks import SIGNATURE_HEADER
from tiffin.rpc import contracts as c

Json = dict[str, Any]

_REF = "#/components/schemas/{name}"
_PROBLEM: Json = {"$ref": "#/components/responses/Problem"}

EXAMPLES: Mapping[str, object] = {
    "Address.id": "home",
    "CreateCustomer.id": "customer-1",
    "CreateCustomer.name": "Ana Torres",
    "CreateRestaurant.id": "restaurant-1",
    "CreateRestaurant.name": "La Esquina",
    "MenuItem.id": "bandeja",
    "OptionChoice.id": "extra-rice",
    "OptionChoice.name": "Extra rice",
    "address_id": "home",
    "amount": 25900,
    "category": "Mains",
    "city": "Bogota",
    "courier_id": "courier-1",
    "currency": "COP",
    "date": "2026-12-25",
    "ends": "11:00",
    "starts": "07:00",
    "closes": "22:00",
    "customer_id": "customer-1",
    "delivery_fee": 4900,
    "expected_version": 1,
    "format": "csv",
    "mode": "all",
    "idempotency_key": "my-first-order",
    "item_id": "bandeja",
    "label": "Home",
    "latitude": 4.6534,
    "limit": 20,
    "longitude": -74.0836,
    "name": "Bandeja paisa",
    "opens": "08:00",
    "case_id": "1074694770-5b1c",
    "order_id": "1048577",
    "payment_id": "1074694770-5b1c",
    "refund_id": "1074694770-9f3e",
    "PayOrder.amount": {"amount": 25900, "currency": "COP"},
    "PayOrder.key": "first-half",
    "RefundPayment.amount": {"amount": 25900, "currency": "COP"},
    "RecordCash.amount": {"amount": 25900, "currency": "COP"},
    "RecordProviderPayout.amount": {"amount": 25900, "currency": "COP"},
    "settlement_id": "restaurant:restaurant-1:COP:9c1f2a7e5d04",
    "account": "platform:revenue:commission",
    "party": "restaurant:restaurant-1",
    "provider": "stripe",
    "reference": "receipt-17",
    "payment_method": "cash",
    "phone": "+57 601 555 0100",
    "code": "123456",
    "access": "staff",
    "key_id": "restaurant-1.Zk3pXw0aQm1rT5vB",
    "person_id": "p-0123456789abcdef0123",
    "member_id": "m-0123456789abcdef0123",
    "CreateApiKey.role": "restaurant",
    "GrantRole.role": "courier",
    "RoleRef.role": "courier",
    "PersonRef.role": "customer",
    "SetPreferences.role": "customer",
    "language": "es",
    "opt_outs": ["payment"],
    "quiet_from": "22:00",
    "quiet_until": "07:00",
    "sign_in_id": "Zk3pXw0aQm1rT5vB",
    "subject": "restaurant-1",
    "price": 21000,
    "quantity": 1,
    "restaurant_id": "restaurant-1",
    "source": "card-ok",
    "street": "Calle 85 # 12-10",
    "types": ["order.accepted", "case.*"],
    "url": "https://till.example.com/tiffin",
    "since": "2026-12-25T00:00:00Z",
    "before": "2026-12-26T00:00:00Z",
    "partner_id": "till-maker",
    "endpoint_id": "restaurant-1.Zk3pXw0aQm1rT5vB",
    "delivery_id": "order:1048577:3",
    "time_zone": "America/Bogota",
    "weekday": 4,
}
"""What a field may look like, by its name (and its struct's): the page to try it starts from these."""

_SERVICES = ("Users", "Restaurants", "Orders", "Payments", "Reverse", "Ledger", "Notifications", "Webhooks")

_PROBLEM_SCHEMA: Json = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. Some codes bring more members, such as the new price.",
    "properties": {
        "type": {"type": "string", "examples": ["urn:tiffin:problem:price_changed"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For people. May change."},
        "code": {
            "type": "string",
            "description": "For programs. Stable: "
            + ", ".join(f"{code} ({status})" for code, status in sorted(STATUS_OF_CODE.items())),
            "x-statuses": dict(sorted(STATUS_OF_CODE.items())),
        },
        "request_id": {"type": "string", "description": "Tell us this one when you ask us."},
    },
    "required": ["type", "title", "status", "detail", "code", "request_id"],
}


def openapi_document(routes: Sequence[Route]) -> Json:
    """The document of these routes and of what the gateway answers beside them."""
    shapes = [(route, Shape(route)) for route in routes]
    types = {shape.method.result for route, shape in shapes if not route.csv} | {c.OrderEvent, c.NoticeTaken}
    types |= {shape.body for _, shape in shapes if shape.body}
    in_order = sorted(types, key=lambda made: made.__name__)
    schemas = _schemas(in_order)
    paths: dict[str, Json] = {}
    for route, shape in shapes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, shape)
    for path, method, operation in _special_operations():
        paths.setdefault(path, {})[method] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tiffin",
            "version": version("tiffin"),
            "summary": "Orders for on-demand delivery.",
            "description": "Ids are text. Times are RFC 3339 in UTC. Money is a whole number of minor units.",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in _SERVICES],
        "paths": paths,
        "components": {
            "schemas": {name: _described(name, schema) for name, schema in schemas.items()}
            | {"Problem": _PROBLEM_SCHEMA},
            "responses": {
                "Problem": {
                    "description": "Why not.",
                    "content": {
                        "application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}
                    },
                }
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "token_in_address": {"type": "apiKey", "in": "query", "name": "access_token"},
            },
        },
    }


def _operation(route: Route, shape: Shape) -> Json:
    service, _, _ = route.call.partition(".")
    operation: Json = {
        "tags": [service],
        "operationId": _operation_id(route.method, route.path),
        "summary": route.summary or shape.method.doc,
        "description": f"For: {', '.join(route.roles)}." if route.roles else "Needs no token.",
        "security": [{"token": list[str]()}] if route.roles else list[Json](),
        "x-roles": list(route.roles),
        "parameters": _parameters(route, shape),
        "responses": {
            str(route.status): _csv_content("Done.")
            if route.csv
            else _json_content("Done.", shape.method.result),
            "4XX": _PROBLEM,
            "5XX": _PROBLEM,
        },
    }
    if shape.body:
        required = any(field.required for field in shape.offered.values())
        operation["requestBody"] = {"required": required, "content": _content(shape.body)}
    return operation


def _parameters(route: Route, shape: Shape) -> list[Json]:
    """Parameters in path, header and query, with the schemas of the request's fields."""
    name = shape.request.__name__
    properties = _described(name, _schemas([shape.request])[name])["properties"]
    parameters = [_parameter("path", name, name, True, properties) for name in shape.path_names]
    parameters += [
        _parameter("header", header, name, True, properties) for name, header in route.headers.items()
    ]
    if not shape.has_body:
        parameters += [
            _parameter("query", name, name, field.required, properties)
            for name, field in shape.offered.items()
        ]
    return parameters


def _parameter(where: str, name: str, field: str, required: bool, properties: Json) -> Json:
    schema = dict(properties[field])
    if "anyOf" in schema:
        # a parameter that is not given is not null, it is not there
        schema |= schema.pop("anyOf")[0]
        schema.pop("default", None)
    parameter: Json = {"name": name, "in": where, "required": required}
    if description := schema.pop("description", None):
        parameter["description"] = description
    return parameter | {"schema": schema}


def _schemas(types: Sequence[type[msgspec.Struct]]) -> dict[str, Json]:
    """Components by name. A pattern's end is spelled as JSON Schema does it, not as Python does."""
    _, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    return msgspec.json.decode(msgspec.json.encode(schemas).replace(rb'\\Z"', b'$"'))


def _described(name: str, schema: Json) -> Json:
    """The schema with the IDL's words and an example for each of its fields."""
    contract = name.partition("Body")[0]
    docs = c.field_docs(contract)
    properties: Json = {}
    for field, described in schema.get("properties", {}).items():
        more: Json = {"description": docs[field]} if field in docs else {}
        example = EXAMPLES.get(f"{contract}.{field}", EXAMPLES.get(field))
        if example is not None:
            more["examples"] = [example]
        properties[field] = described | more
    return schema | {"properties": properties}


def _special_operations() -> list[tuple[str, str, Json]]:
    """What the gateway answers that is no service call with JSON in and out."""
    properties: Json = {
        "order_id": {"type": "string", "examples": [EXAMPLES["order_id"]]},
        "restaurant_id": {"type": "string", "examples": [EXAMPLES["restaurant_id"]]},
    }
    order, restaurant = "/v1/orders/{order_id}/events", "/v1/restaurants/{restaurant_id}/events"
    notices = "/v1/webhooks/payments"
    resume: Json = {
        "name": "Last-Event-ID",
        "in": "header",
        "required": False,
        "description": "The last version seen: the stream goes on after it.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,9}$"},
    }
    return [
        (order, "get", _stream(
            order, ANYONE, "An order's progress, live: the order as it is, then every event until its end.",
            [_parameter("path", "order_id", "order_id", True, properties), resume])),
        (restaurant, "get", _stream(
            restaurant, (RESTAURANT, OPERATOR), "Every order event of the restaurant, live.",
            [_parameter("path", "restaurant_id", "restaurant_id", True, properties)])),
        (notices, "post", {
            "tags": ["Payments"],
            "operationId": _operation_id("POST", notices),
            "summary": c.services["Payments"]["take_notice"].doc,
            "description": "For the payment provider, who signs the body.",
            "security": list[Json](),
            "parameters": [{"name": SIGNATURE_HEADER, "in": "header", "required": True,
                            "schema": {"type": "string", "maxLength": 500}}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}},
            "responses": {"200": _json_content("Taken.", c.NoticeTaken), "4XX": _PROBLEM, "5XX": _PROBLEM},
        }),
    ]  # fmt: skip


def _stream(path: str, roles: tuple[str, ...], summary: str, parameters: list[Json]) -> Json:
    return {
        "tags": ["Orders"],
        "operationId": _operation_id("GET", path),
        "summary": summary,
        "description": f"Server-sent events; `data` is an OrderEvent. For: {', '.join(roles)}.",
        "security": [{"token": list[str]()}, {"token_in_address": list[str]()}],
        "x-roles": list(roles),
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "Events.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            "4XX": _PROBLEM,
            "5XX": _PROBLEM,
        },
    }


def _json_content(description: str, made: type[msgspec.Struct]) -> Json:
    return {"description": description, "content": _content(made)}


def _csv_content(description: str) -> Json:
    return {"description": description, "content": {"text/csv": {"schema": {"type": "string"}}}}


def _content(made: type[msgspec.Struct]) -> Json:
    return {"application/json": {"schema": {"$ref": _REF.format(name=made.__name__)}}}


def _operation_id(method: str, path: str) -> str:
    words = [part.strip("{}").replace("-", "_").replace(".", "_") for part in path.split("/")[2:]]
    return "_".join([method.lower(), *words])
