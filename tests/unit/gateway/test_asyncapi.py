"""Every event there is, and every field of it, is in the document; the document is AsyncAPI."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import jsonschema
import msgspec
import pytest

import tiffin
from tiffin.events.event import Event, Stream
from tiffin.events.rabbitmq.messages import EVENTS, Place, single
from tiffin.gateway.asyncapi import DEFINITIONS, EXCHANGE, RESTAURANTS_HEAR, Definition, asyncapi_document
from tiffin.rpc import contracts as c
from tiffin.rpc.contracts import IDL_DIRECTORY
from tiffin.rpc.idl import Field, read_idl

Json = dict[str, Any]
SOURCE = Path(tiffin.__file__).parent
OFFICIAL = json.loads((Path(__file__).parent / "asyncapi-3.0.0.schema.json").read_text())
KINDS = {each.name.partition(".")[0] for each in DEFINITIONS}


@pytest.fixture(scope="module")
def document() -> Json:
    return json.loads(json.dumps(asyncapi_document()))


def contracts() -> dict[str, Sequence[Field]]:
    """The fields of every struct, as the IDL has them."""
    return {name.rpartition(":")[2]: fields for name, fields in read_idl(IDL_DIRECTORY).structs.items()}


def validator(document: Json, name: str) -> jsonschema.Draft7Validator:
    """For the bodies of an event."""
    of_event = {"$ref": f"#/components/schemas/{name}"}
    return jsonschema.Draft7Validator({"components": document["components"], "allOf": [of_event]})


def test_it_is_a_document_of_asyncapi_3(document: Json) -> None:
    assert [error.message for error in jsonschema.Draft7Validator(OFFICIAL).iter_errors(document)] == []
    broken = {**document, "channels": {"orders": {"messages": {"a": 1}}}}
    assert list(jsonschema.Draft7Validator(OFFICIAL).iter_errors(broken)), "the schema tells"


def test_every_reference_leads_somewhere(document: Json) -> None:
    text = json.dumps(document)
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        found: Any = document
        for part in reference.split("/"):
            found = found[part]
        assert found


def test_every_event_that_anybody_names_is_in_the_document(document: Json) -> None:
    """Whoever writes one, reads one or tells people of one spells it out, in Python, SQL or TOML."""
    named: dict[str, Path] = {}
    pattern = re.compile(rf"""["']((?:{"|".join(sorted(KINDS))})\.[a-z][a-z_]*)["']""")
    for path in SOURCE.rglob("*"):
        if path.suffix in (".py", ".sql", ".toml", ".pyi"):
            named |= dict.fromkeys(pattern.findall(path.read_text()), path)
    assert len(named) > 20
    known = document["components"]["messages"].keys()
    assert {name: path for name, path in named.items() if name not in known} == {}


def test_every_type_that_the_contracts_name_is_in_the_document(document: Json) -> None:
    idl, told = contracts(), document["components"]["messages"].keys()
    for struct in {each.struct.__name__ for each in DEFINITIONS}:
        for field in idl[struct]:
            if field.name == "type":
                assert set(field.notes.get("one_of", "").split()) <= told


def test_every_stream_of_the_log_is_in_the_document() -> None:
    assert {each.stream for each in DEFINITIONS} == set(get_args(Stream))
    inserts = [
        insert
        for path in SOURCE.rglob("*.sql")
        for insert in re.findall(r"INSERT INTO log\.events \(.*?(?:;|\n\)|\Z)", path.read_text(), re.DOTALL)
    ]
    written = [re.search(r"'(?:customer|restaurant)',[^']*'(\w+)'", insert) for insert in inserts]
    assert {match[1] if match else "?" for match in written} == set(get_args(Stream))


def test_every_field_of_every_event_is_in_the_document(document: Json) -> None:
    idl, schemas = contracts(), document["components"]["schemas"]
    for each in DEFINITIONS:
        fields = idl[each.struct.__name__]
        schema = schemas[each.struct.__name__]
        assert set(schema["properties"]) == {field.name for field in fields}
        assert set(schema["required"]) == {field.name for field in fields if field.required}
        assert "additionalProperties" not in schema, "fields may be added"


def test_the_document_has_nothing_that_does_not_happen(document: Json) -> None:
    assert len({each.name for each in DEFINITIONS}) == len(DEFINITIONS)
    assert document["components"]["messages"].keys() == {"webhook", *(each.name for each in DEFINITIONS)}
    addressed = {
        f"{channel['address'].partition('.')[0]}.{event}"
        for name, channel in document["channels"].items()
        if name != "webhooks"
        for event in channel["parameters"]["event"]["enum"]
    }
    assert addressed == {each.name for each in DEFINITIONS}


def test_webhooks_bring_what_restaurants_hear_and_tests(document: Json) -> None:
    payload = document["components"]["messages"]["webhook"]["payload"]["oneOf"]
    named = {each["$ref"].rpartition("/")[2] for each in payload}
    assert named == {*RESTAURANTS_HEAR, "WebhookPing"}


def example(each: Definition) -> msgspec.Struct:
    """An event as somebody would write it."""
    money, actor = c.Money(amount=100, currency="COP"), c.Caller(role="restaurant", id="r")
    values: Json = {
        "type": each.name, "version": 1, "at": "2026-06-01T12:00:00.000Z", "actor": actor, "amount": money,
        "refund": money, "last": True, "currency": "COP",
        "postings": [c.Posting(account="platform:cash", amount=100)] * 2,
    }  # fmt: skip
    fields = msgspec.structs.fields(each.struct)
    return each.struct(**{field.name: values.get(field.name, "x") for field in fields if field.required})


@pytest.mark.parametrize("each", DEFINITIONS, ids=lambda each: each.name)
def test_events_are_as_the_document_says(document: Json, each: Definition) -> None:
    body = msgspec.json.decode(msgspec.json.encode(example(each)))
    checking = validator(document, each.name)
    assert [error.message for error in checking.iter_errors(body)] == []
    assert [error.message for error in checking.iter_errors({**body, "new_field": 1})] == []
    required = [field.name for field in msgspec.structs.fields(each.struct) if field.required]
    for name in required:
        assert list(checking.iter_errors({key: value for key, value in body.items() if key != name}))
    if "type" in body:
        assert list(checking.iter_errors({**body, "type": "order.nonsense"}))


def test_the_example_of_the_page_is_one(document: Json) -> None:
    page = (Path(__file__).parents[3] / "docs" / "listening.md").read_text()
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert list(validator(document, "order.accepted").iter_errors(json.loads(example))) == []


def test_headers_and_exchange_are_those_of_the_broker(document: Json) -> None:
    assert EXCHANGE == EVENTS
    event = Event(
        7, 9, 20_000, "customer", 3, "order", "1048577", 3, "order.accepted", "{}",
        datetime(2026, 6, 1, tzinfo=UTC), "trace",
    )  # fmt: skip
    headers = dict(single("north", event, Place(7, 8), True).headers)
    schema = document["components"]["schemas"]["CloudEvent"]
    assert {
        name: type(value) for name, value in headers.items() if name in schema["properties"]
    } == dict.fromkeys(schema["properties"], str)
    examples = {name: each["examples"][0] for name, each in schema["properties"].items()}
    same = (
        "cloudEvents:id",
        "cloudEvents:source",
        "cloudEvents:type",
        "cloudEvents:subject",
        "cloudEvents:version",
    )
    assert {name: headers[name] for name in same} == {name: examples[name] for name in same}
