"""What breaks clients of a released HTTP API is told; what they can live with is not."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tiffin.gateway import compatible
from tiffin.gateway.compatible import breaks
from tiffin.gateway.openapi import openapi_document
from tiffin.gateway.routes import ROUTES

Json = dict[str, Any]
PLACE, ORDERS, ORDER = ("post", "/v1/orders"), ("get", "/v1/orders"), ("get", "/v1/orders/{order_id}")
NOTICES = ("post", "/v1/webhooks/payments")


@pytest.fixture(scope="module")
def released() -> Json:
    return json.loads(json.dumps(openapi_document(ROUTES)))


def operation(document: Json, which: tuple[str, str]) -> Json:
    method, path = which
    return document["paths"][path][method]


def parameter(document: Json, which: tuple[str, str], name: str) -> Json:
    return next(each for each in operation(document, which)["parameters"] if each["name"] == name)


def statuses(document: Json) -> dict[str, int]:
    return document["components"]["schemas"]["Problem"]["properties"]["code"]["x-statuses"]


def place_body(document: Json) -> Json:
    content = operation(document, PLACE)["requestBody"]["content"]["application/json"]
    return document["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]


def without_parameter(document: Json, which: tuple[str, str], name: str) -> None:
    found = operation(document, which)
    found["parameters"] = [each for each in found["parameters"] if each["name"] != name]


BREAKS: dict[str, tuple[Callable[[Json], Any], str]] = {
    "an endpoint removed": (
        lambda now: now["paths"]["/v1/orders"].pop("get"), "GET /v1/orders: removed",
    ),
    "a path removed": (
        lambda now: now["paths"].pop("/v1/quotes"), "POST /v1/quotes: removed",
    ),
    "a role turned away": (
        lambda now: operation(now, ORDER)["x-roles"].remove("courier"),
        "GET /v1/orders/{order_id}: no longer for courier",
    ),
    "a token needed": (
        lambda now: operation(now, NOTICES)["security"].append({"token": []}),
        "POST /v1/webhooks/payments: needed no token and needs one",
    ),
    "a parameter removed": (
        lambda now: without_parameter(now, ORDERS, "state"),
        "GET /v1/orders: the query parameter state: removed",
    ),
    "a parameter made required": (
        lambda now: parameter(now, ORDERS, "state").update(required=True),
        "GET /v1/orders: the query parameter state: is required and was not",
    ),
    "a new required parameter": (
        lambda now: operation(now, ORDERS)["parameters"].append(
            {"in": "header", "name": "X-New", "required": True, "schema": {}}
        ),
        "GET /v1/orders: the header parameter X-New: is required and was not",
    ),
    "a body's field removed": (
        lambda now: place_body(now)["properties"].pop("note"), "POST /v1/orders: the body's note: removed",
    ),
    "a body's field made required": (
        lambda now: place_body(now)["required"].append("note"),
        "POST /v1/orders: the body's note: is required and was not",
    ),
    "another status": (
        lambda now: operation(now, ORDER)["responses"].update(
            {"203": operation(now, ORDER)["responses"].pop("200")}
        ),
        "GET /v1/orders/{order_id}: its answer was 200 application/json Order"
        " and is 203 application/json Order",
    ),
    "another answer": (
        lambda now: operation(now, ORDER)["responses"].update(
            operation(now, ("get", "/v1/me"))["responses"]
        ),
        "GET /v1/orders/{order_id}: its answer was 200 application/json Order"
        " and is 200 application/json Customer",
    ),
    "a code removed": (
        lambda now: statuses(now).pop("out_of_stock"), "the code out_of_stock: removed",
    ),
    "another status of a code": (
        lambda now: statuses(now).update(out_of_stock=410),
        "the code out_of_stock: its status was 409 and is 410",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "told"), BREAKS.values(), ids=BREAKS.keys())
def test_what_breaks_clients_of_the_release_is_told(
    released: Json, change: Callable[[Json], Any], told: str
) -> None:
    now = deepcopy(released)
    change(now)
    assert breaks(released, now) == [told]


HARMLESS: dict[str, Callable[[Json], Any]] = {
    "nothing": lambda now: None,
    "a new endpoint": lambda now: now["paths"].update({"/v1/new": deepcopy(now["paths"]["/v1/orders"])}),
    "a new role": lambda now: operation(now, ORDERS)["x-roles"].append("operator"),
    "no token needed": lambda now: operation(now, ORDERS)["security"].clear(),
    "a new optional parameter": lambda now: operation(now, ORDERS)["parameters"].append(
        {"in": "query", "name": "new", "required": False, "schema": {}}
    ),
    "a required parameter made optional": lambda now: parameter(now, PLACE, "Idempotency-Key").update(
        required=False
    ),
    "a new optional field": lambda now: place_body(now)["properties"].update(new={}),
    "a required field made optional": lambda now: place_body(now)["required"].remove("address_id"),
    "a new code": lambda now: statuses(now).update(new=409),
    "other words": lambda now: operation(now, ORDERS).update(summary="Other words."),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_clients_of_the_release_can_live_with_passes(
    released: Json, change: Callable[[Json], Any]
) -> None:
    now = deepcopy(released)
    change(now)
    assert breaks(released, now) == []


def test_the_check_compares_with_what_was_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compatible, "RELEASED", tmp_path / "openapi.json")
    monkeypatch.setattr("sys.argv", ["compatible"])
    assert compatible.main() == 0
    monkeypatch.setattr("sys.argv", ["compatible", "--release"])
    assert compatible.main() == 0
    monkeypatch.setattr("sys.argv", ["compatible"])
    assert compatible.main() == 0
    monkeypatch.setattr(compatible, "ROUTES", [route for route in ROUTES if route.path != "/v1/quotes"])
    assert compatible.main() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "POST /v1/quotes: removed"


def test_todays_api_understands_clients_of_the_last_release() -> None:
    if compatible.RELEASED.exists():
        assert breaks(json.loads(compatible.RELEASED.read_text()), openapi_document(ROUTES)) == []
