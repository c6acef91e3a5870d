"""The AsyncAPI 3 document: every event of the platform, from the state tables and the contracts' types."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import msgspec

from tiffin.events.event import Stream
from tiffin.rpc import contracts as c
from tiffin.services.orders import states as orders
from tiffin.services.payments import states as payments
from tiffin.services.reverse import states as cases

Json = dict[str, Any]


class Definition(NamedTuple):
    """An event: what it is called, what it carries, when it happens."""

    name: str
    """Its type, such as `order.accepted`."""
    stream: Stream
    struct: type[msgspec.Struct]
    says: str


def _sentences(sentences: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(sentences))


def _of_table(
    stream: Stream, struct: type[msgspec.Struct], reasons: Iterable[tuple[str, str]]
) -> list[Definition]:
    """From a state table's edges: the events and why each edge exists."""
    by_type: dict[str, list[str]] = {}
    for type_, why in reasons:
        by_type.setdefault(type_, []).append(why)
    return [Definition(type_, stream, struct, _sentences(whys)) for type_, whys in sorted(by_type.items())]


DEFINITIONS: Sequence[Definition] = (
    *_of_table("order", c.OrderEvent, ((f"order.{edge.event}", edge.why) for edge in orders.EDGES)),
    *(
        Definition(f"order.{event}", "order", c.OrderEvent, why)
        for event, why in orders.LEGACY_EVENTS.items()
    ),
    *_of_table("case", c.CaseEvent, ((f"case.{edge.event}", edge.why) for edge in cases.EDGES)),
    *_of_table(
        "payment",
        c.PaymentEvent,
        [
            ("payment.started", "The customer wants to pay."),
            ("payment.collected", "The courier has the cash."),
            *((edge.event, edge.why) for edge in payments.EDGES),
        ],
    ),
    Definition("settlement.made", "ledger", c.SettlementEvent, "What a party is owed is on a statement now."),
    Definition("settlement.paid", "ledger", c.SettlementEvent, "The bank has paid it out."),
    Definition("entry.made", "ledger", c.Entry, "The ledger has entered what no other event tells of."),
    Definition(
        "customer.erased", "person", c.PersonEvent, "Whoever keeps something of this person forgets it now."
    ),
)
"""Every event there is."""

RESTAURANTS_HEAR = frozenset(
    each.name
    for each in DEFINITIONS
    if each.stream in ("order", "case") or each.name.startswith("settlement.")
) - {f"order.{event}" for event in orders.LEGACY_EVENTS}
"""What webhooks of restaurants and partners may be told of: of orders of another system that one tells."""

CLOUDEVENTS: Mapping[str, tuple[str, str]] = {
    "specversion": ("Of CloudEvents.", "1.0"),
    "id": ("`stream/key/version`: an event that comes again has the same.", "order/1048577/3"),
    "source": ("The stream it is of.", "/tiffin/order"),
    "type": ("What has happened; the routing key, too.", "order.accepted"),
    "time": ("When, RFC 3339.", "2026-12-25T12:00:00+00:00"),
    "subject": ("To which order, payment, person, entry, settlement or case.", "1048577"),
    "version": ("The how-manieth event of that subject it is.", "3"),
    "trace": ("The request that made it.", "my-request-1"),
}
"""Attributes that a message on the broker has as headers, with what they say and an example. It has more of
them, which are for the platform's own consumers."""

_REF = "#/components/schemas/{name}"
EXCHANGE = "tiffin.events"


_ABOUT = (
    "What happens to orders, payments, cases and people, told after the fact. Every event comes at least "
    "once, those of one key in order: `version` says what is missing and what is a repetition. New types "
    "and fields may appear: pass over what you do not know."
)


def asyncapi_document(definitions: Sequence[Definition] = DEFINITIONS) -> Json:
    """The document of these events."""
    kinds = sorted({_kind(each) for each in definitions})
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tiffin: events",
            "version": version("tiffin"),
            "description": _ABOUT,
        },
        "defaultContentType": "application/json",
        "servers": {
            "rabbitmq": {
                "host": "{broker}",
                "protocol": "amqp",
                "protocolVersion": "0.9.1",
                "description": "Where the platform runs with the transport `rabbitmq`.",
                "variables": {"broker": {"default": "localhost:5672"}},
            }
        },
        "channels": {kind: _channel(kind, definitions) for kind in kinds} | {"webhooks": _webhooks()},
        "operations": {f"tell_{channel}": _operation(channel) for channel in (*kinds, "webhooks")},
        "components": {
            "schemas": _schemas(definitions)
            | {"CloudEvent": _cloud_event(), "WebhookHeaders": _webhook_headers()},
            "messages": {each.name: _message(each) for each in definitions}
            | {"webhook": _webhook(definitions)},
        },
    }


def _kind(definition: Definition) -> str:
    return definition.name.partition(".")[0]


def _channel(kind: str, definitions: Sequence[Definition]) -> Json:
    types = [each.name for each in definitions if _kind(each) == kind]
    return {
        "address": f"{kind}.{{event}}",
        "title": f"Events {kind}.*",
        "parameters": {"event": {"enum": [type_.partition(".")[2] for type_ in types]}},
        "messages": {type_: {"$ref": f"#/components/messages/{type_}"} for type_ in types},
        "servers": [{"$ref": "#/servers/rabbitmq"}],
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": EXCHANGE, "type": "topic", "durable": True, "autoDelete": False},
                "bindingVersion": "0.3.0",
            }
        },
    }


def _webhooks() -> Json:
    return {
        "address": None,
        "title": "Webhooks",
        "description": "A POST to the URL of an endpoint that was registered (see /openapi.json).",
        "messages": {"webhook": {"$ref": "#/components/messages/webhook"}},
        "servers": list[Json](),
    }


def _operation(channel: str) -> Json:
    return {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}}


def _message(definition: Definition) -> Json:
    return {
        "name": definition.name,
        "title": definition.name,
        "summary": definition.says,
        "contentType": "application/json",
        "headers": {"$ref": _REF.format(name="CloudEvent")},
        "payload": {"$ref": _REF.format(name=definition.name)},
    }


def _webhook(definitions: Sequence[Definition]) -> Json:
    types = [each.name for each in definitions if each.name in RESTAURANTS_HEAR]
    return {
        "name": "webhook",
        "title": "A webhook",
        "summary": "Signed by Standard Webhooks. The body is one event of the restaurant, or a test.",
        "contentType": "application/json",
        "headers": {"$ref": _REF.format(name="WebhookHeaders")},
        "payload": {"oneOf": [{"$ref": _REF.format(name=name)} for name in (*types, "WebhookPing")]},
    }


def _schemas(definitions: Sequence[Definition]) -> Json:
    """The contracts' types, and of each event what it narrows: its type."""
    structs = {each.struct for each in definitions} | {c.WebhookPing}
    _, found = msgspec.json.schema_components(
        sorted(structs, key=lambda made: made.__name__), ref_template=_REF
    )
    # a pattern's end is spelled as JSON Schema does it, not as Python does
    schemas: Json = msgspec.json.decode(msgspec.json.encode(found).replace(rb'\\Z"', b'$"'))
    told = {name: _open(name, schema) for name, schema in schemas.items()}
    return told | {each.name: _narrowed(each) for each in definitions}


def _open(name: str, schema: Json) -> Json:
    """As a reader is to take it: fields may be added. With the IDL's words for each."""
    docs = c.field_docs(name)
    properties = {
        field: {**inner, "description": docs[field]} if field in docs else inner
        for field, inner in schema.get("properties", {}).items()
    }
    kept = {key: value for key, value in schema.items() if key != "additionalProperties"}
    return kept | {"properties": properties}


def _narrowed(definition: Definition) -> Json:
    whole: Json = {"$ref": _REF.format(name=definition.struct.__name__)}
    if "type" not in definition.struct.__struct_fields__:
        return {"allOf": [whole], "description": definition.says}
    named: Json = {"properties": {"type": {"const": definition.name}}}
    return {"allOf": [whole, named], "description": definition.says}


def _cloud_event() -> Json:
    return _headers((f"cloudEvents:{name}", *told) for name, told in CLOUDEVENTS.items())


def _webhook_headers() -> Json:
    return _headers(
        [
            ("webhook-id", "The delivery: the same for every attempt and replay.", "order:1048577:3"),
            ("webhook-timestamp", "Of this attempt, seconds since the epoch.", "1798200000"),
            (
                "webhook-signature",
                "`v1,` and HMAC-SHA256, one for each secret, separated by blanks.",
                "v1,zT...",
            ),
        ]
    )


def _headers(headers: Iterable[tuple[str, str, str]]) -> Json:
    properties = {
        name: {"type": "string", "description": says, "examples": [example]}
        for name, says, example in headers
    }
    return {"type": "object", "properties": properties, "required": list(properties)}
