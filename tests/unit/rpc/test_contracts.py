"""The contracts' types: what the IDL says is what is checked, and what type checkers read is the same."""

import msgspec
import pytest

from tiffin.rpc import contracts
from tiffin.rpc.stub import STUB, stub


def test_the_stub_says_what_the_idl_says():
    assert STUB.read_text() == stub(), "python -m tiffin.rpc.stub"


LINE = b'{"item_id": "pizza", "quantity": 1}'
PLACE = {
    "idempotency_key": b'"key-1"',
    "restaurant_id": b'"r1"',
    "lines": b"[%s]" % LINE,
    "address_id": b'"home"',
    "payment_method": b'"cash"',
    "expected_total": b'{"amount": 1200, "currency": "EUR"}',
}


def place_with(**changes: bytes) -> bytes:
    return b"{%s}" % b",".join(
        b'"%s":%s' % (name.encode(), value) for name, value in {**PLACE, **changes}.items()
    )


def test_a_good_order_is_read():
    order = msgspec.json.decode(place_with(), type=contracts.PlaceOrder)
    assert order.expected_total.amount == 1200
    assert order.lines[0].item_id == "pizza"
    assert order.scheduled_for is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"restaurant_id": b'""'}, id="empty id"),
        pytest.param({"restaurant_id": b'"a b"'}, id="id with a space"),
        pytest.param({"restaurant_id": b'"a\\u0000"'}, id="id with a NUL"),
        pytest.param({"restaurant_id": b'"r1\\n"'}, id="id with a line feed at its end"),
        pytest.param({"restaurant_id": b'"%s"' % (b"a" * 65)}, id="id too long"),
        pytest.param({"restaurant_id": b"17"}, id="id is a number"),
        pytest.param({"restaurant_id": b"null"}, id="id is null"),
        pytest.param({"idempotency_key": b'"\\u00fc"'}, id="key outside ASCII"),
        pytest.param({"idempotency_key": b'""'}, id="empty key"),
        pytest.param({"payment_method": b'"barter"'}, id="not one of"),
        pytest.param({"payment_method": b'"CASH"'}, id="not one of, by case"),
        pytest.param({"lines": b"[]"}, id="no lines"),
        pytest.param({"lines": b"[%s]" % b",".join([LINE] * 101)}, id="too many lines"),
        pytest.param({"lines": b'{"0": %s}' % LINE}, id="lines are an object"),
        pytest.param({"lines": b'[{"item_id": "pizza", "quantity": 0}]'}, id="no portion"),
        pytest.param({"lines": b'[{"item_id": "pizza", "quantity": -1}]'}, id="negative quantity"),
        pytest.param({"lines": b'[{"item_id": "pizza", "quantity": 1.5}]'}, id="part of a portion"),
        pytest.param({"lines": b'[{"item_id": "pizza", "quantity": 1e30}]'}, id="huge quantity"),
        pytest.param({"lines": b'[{"item_id": "pizza", "quantity": true}]'}, id="quantity is true"),
        pytest.param({"lines": b'[{"item_id": "pizza", "quantity": "1"}]'}, id="quantity is text"),
        pytest.param(
            {"lines": b'[{"item_id": "pizza", "quantity": 1, "price": 1}]'}, id="a price of the client's"
        ),
        pytest.param({"expected_total": b'{"amount": 12.5, "currency": "EUR"}'}, id="fraction of a cent"),
        pytest.param(
            {"expected_total": b'{"amount": 9223372036854775808, "currency": "EUR"}'}, id="beyond 63 bits"
        ),
        pytest.param(
            {"expected_total": b'{"amount": 1000000000001, "currency": "EUR"}'}, id="beyond the limit"
        ),
        pytest.param({"expected_total": b'{"amount": 1, "currency": "eur"}'}, id="currency in small letters"),
        pytest.param({"expected_total": b'{"amount": 1, "currency": "EURO"}'}, id="no currency"),
        pytest.param({"expected_total": b'{"amount": 1}'}, id="amount without currency"),
        pytest.param({"note": b'"%s"' % (b"a" * 501)}, id="note too long"),
        pytest.param({"status": b'"paid"'}, id="field nobody knows"),
    ],
)
def test_what_breaks_the_contract_is_refused(changes: dict[str, bytes]):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(place_with(**changes), type=contracts.PlaceOrder)


@pytest.mark.parametrize("missing", sorted(PLACE))
def test_every_required_field_is_required(missing: str):
    fields = {name: value for name, value in PLACE.items() if name != missing}
    body = b"{%s}" % b",".join(b'"%s":%s' % (name.encode(), value) for name, value in fields.items())
    with pytest.raises(msgspec.ValidationError, match=missing):
        msgspec.json.decode(body, type=contracts.PlaceOrder)


def test_every_text_has_a_longest_length():
    unlimited = [
        f"{name}.{field['name']}"
        for name, struct in contracts.structs.items()
        for field in msgspec.json.schema(struct)["$defs"][name]["properties"].values()
        if _is_unlimited_text(field)
    ]
    assert unlimited == []


def _is_unlimited_text(schema: dict) -> bool:
    options = schema.get("anyOf", [schema])
    return any(option.get("type") == "string" and "maxLength" not in option for option in options)


def test_defaults_are_those_of_the_idl():
    assert contracts.ListOrders().limit == 20
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"limit": 201}', type=contracts.ListOrders)


def test_reads_may_be_asked_again_and_what_changes_with_every_time_may_not():
    assert contracts.services["Orders"]["get"].repeatable
    assert contracts.services["Restaurants"]["release"].repeatable
    assert not contracts.services["Orders"]["place"].repeatable
    assert not contracts.services["Restaurants"]["set_hours"].repeatable
