"""Made from idl/*.thrift by `python -m tiffin.rpc.stub`. Do not edit."""

from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol

import msgspec

IDL_DIRECTORY: Path
TEXT_LENGTH_MAX: int

class Method(msgspec.Struct, frozen=True):
    name: str
    request: type[msgspec.Struct]
    result: type[msgspec.Struct]
    doc: str
    repeatable: bool

structs: dict[str, type[msgspec.Struct]]
exceptions: dict[str, type[msgspec.Struct]]
thrift_specs: dict[str, dict[int, Any]]
services: dict[str, dict[str, Method]]

def parse_idl() -> list[ModuleType]: ...
def field_docs(struct_name: str) -> dict[str, str]: ...

class Caller(msgspec.Struct, kw_only=True):
    role: Literal['customer', 'restaurant', 'courier', 'operator', 'system', 'visitor']
    id: str
    person: str | None = None
    access: Literal['owner', 'manager', 'staff', 'system'] | None = None

class CallContext(msgspec.Struct, kw_only=True):
    request_id: str
    caller: Caller
    deadline_ms: int
    trace_parent: str | None = None

class Money(msgspec.Struct, kw_only=True):
    amount: int
    currency: str

class Place(msgspec.Struct, kw_only=True):
    latitude: float
    longitude: float

class OrderIds(msgspec.Struct, kw_only=True):
    order_ids: list[str]

class HealthQuery(msgspec.Struct, kw_only=True):
    pass

class HealthReport(msgspec.Struct, kw_only=True):
    state: Literal['serving', 'draining']
    in_flight: int

class Posting(msgspec.Struct, kw_only=True):
    account: str
    amount: int

class Entry(msgspec.Struct, kw_only=True):
    subject: str
    fact: str
    currency: str
    postings: list[Posting]
    at: str
    policy: int | None = None
    trace: str

class EntriesOf(msgspec.Struct, kw_only=True):
    order_id: str

class EntryList(msgspec.Struct, kw_only=True):
    entries: list[Entry]

class EnterEntry(msgspec.Struct, kw_only=True):
    order_id: str
    fact: str
    currency: str
    postings: list[Posting]

class ReverseEntry(msgspec.Struct, kw_only=True):
    order_id: str
    fact: str

class BalanceOf(msgspec.Struct, kw_only=True):
    account: str

class AccountBalance(msgspec.Struct, kw_only=True):
    account: str
    balances: list[Money]

class HoldingsOf(msgspec.Struct, kw_only=True):
    party: str

class Holdings(msgspec.Struct, kw_only=True):
    party: str
    accounts: list[AccountBalance]

class RecordCash(msgspec.Struct, kw_only=True):
    courier_id: str
    amount: Money
    reference: str

class RecordProviderPayout(msgspec.Struct, kw_only=True):
    provider: str
    amount: Money
    fees: int | None = None
    reference: str

class UndoCash(msgspec.Struct, kw_only=True):
    courier_id: str
    reference: str

class UndoProviderPayout(msgspec.Struct, kw_only=True):
    provider: str
    reference: str

class Settlement(msgspec.Struct, kw_only=True):
    id: str
    party: str
    amount: Money
    lines: int
    cutoff: str
    made_at: str
    paid_at: str | None = None
    reference: str | None = None

class SettlementsOf(msgspec.Struct, kw_only=True):
    party: str

class SettlementList(msgspec.Struct, kw_only=True):
    settlements: list[Settlement]

class WaitingSettlements(msgspec.Struct, kw_only=True):
    cursor: str | None = None
    limit: int = 20

class SettlementPage(msgspec.Struct, kw_only=True):
    settlements: list[Settlement]
    next_cursor: str | None = None

class SettlementRef(msgspec.Struct, kw_only=True):
    settlement_id: str

class SettlementStatement(msgspec.Struct, kw_only=True):
    settlement: Settlement
    csv: str

class SettlementsCsv(msgspec.Struct, kw_only=True):
    party: str
    csv: str

class RecordPayout(msgspec.Struct, kw_only=True):
    settlement_id: str
    reference: str

class FeesOf(msgspec.Struct, kw_only=True):
    restaurant_id: str
    currency: str
    placed_at: str

class OrderFees(msgspec.Struct, kw_only=True):
    policy: int
    commission_bp: int
    courier_share_bp: int
    courier_minimum: int

class SettlementEvent(msgspec.Struct, kw_only=True):
    type: Literal['settlement.made', 'settlement.paid']
    version: int
    settlement_id: str
    party: str
    amount: Money
    at: str
    request_id: str
    reference: str | None = None

class MessageVariable(msgspec.Struct, kw_only=True):
    name: str
    value: str
    secret: bool = False

class SendMessage(msgspec.Struct, kw_only=True):
    key: str
    template: str
    role: Literal['customer', 'restaurant', 'courier', 'operator']
    person_id: str | None = None
    phone: str | None = None
    language: str | None = None
    variables: list[MessageVariable]
    urgent: bool = False
    expires_in_s: int = 86400
    order_id: str | None = None

class Message(msgspec.Struct, kw_only=True):
    key: str
    role: Literal['customer', 'restaurant', 'courier', 'operator']
    person_id: str | None = None
    order_id: str | None = None
    template: str
    kind: Literal['security', 'order', 'payment']
    state: Literal['waiting', 'sent', 'suppressed', 'failed', 'expired']
    reason: str | None = None
    language: str | None = None
    text: str | None = None
    attempts: int
    created_at: str
    expires_at: str
    done_at: str | None = None

class ListMessages(msgspec.Struct, kw_only=True):
    order_id: str | None = None
    role: Literal['customer', 'restaurant', 'courier', 'operator'] | None = None
    person_id: str | None = None
    cursor: str | None = None
    limit: int = 50

class MessagePage(msgspec.Struct, kw_only=True):
    messages: list[Message]
    next_cursor: str | None = None

class Preferences(msgspec.Struct, kw_only=True):
    role: Literal['customer', 'restaurant', 'courier', 'operator']
    person_id: str
    language: str | None = None
    quiet_from: str | None = None
    quiet_until: str | None = None
    time_zone: str | None = None
    opt_outs: list[str]

class PersonRef(msgspec.Struct, kw_only=True):
    role: Literal['customer', 'restaurant', 'courier', 'operator'] | None = None
    person_id: str

class SetPreferences(msgspec.Struct, kw_only=True):
    role: Literal['customer', 'restaurant', 'courier', 'operator'] | None = None
    person_id: str
    language: str | None = None
    quiet_from: str | None = None
    quiet_until: str | None = None
    time_zone: str | None = None
    opt_outs: list[str] | None = None

class BasketLine(msgspec.Struct, kw_only=True):
    item_id: str
    quantity: int
    options: list[str] | None = None

class QuoteRequest(msgspec.Struct, kw_only=True):
    restaurant_id: str
    lines: list[BasketLine]
    scheduled_for: str | None = None
    address_id: str | None = None

class PricedLine(msgspec.Struct, kw_only=True):
    item_id: str
    name: str
    quantity: int
    unit_price: int
    total: int
    options: list[str] | None = None

class Quote(msgspec.Struct, kw_only=True):
    restaurant_id: str
    lines: list[PricedLine]
    subtotal: Money
    delivery_fee: Money
    total: Money
    scheduled_for: str | None = None
    small_order_fee: Money | None = None
    preparation_minutes: int | None = None
    distance_m: int | None = None
    travel_minutes: int | None = None

class PlaceOrder(msgspec.Struct, kw_only=True):
    idempotency_key: str
    restaurant_id: str
    lines: list[BasketLine]
    address_id: str
    payment_method: Literal['cash', 'online']
    expected_total: Money
    scheduled_for: str | None = None
    note: str | None = None

class Address(msgspec.Struct, kw_only=True):
    id: str
    label: str
    street: str
    city: str
    place: Place
    note: str | None = None

class Order(msgspec.Struct, kw_only=True):
    id: str
    state: Literal['awaiting_payment', 'scheduled', 'awaiting_acceptance', 'preparing', 'ready', 'delivering', 'delivered', 'completed', 'cancelled']
    version: int
    customer_id: str
    restaurant_id: str
    lines: list[PricedLine]
    subtotal: Money
    delivery_fee: Money
    total: Money
    payment_method: Literal['cash', 'online', 'elsewhere']
    address: Address
    placed_at: str
    updated_at: str
    due_at: str | None = None
    scheduled_for: str | None = None
    courier_id: str | None = None
    note: str | None = None
    reason: str | None = None
    small_order_fee: Money | None = None

class OrderRef(msgspec.Struct, kw_only=True):
    order_id: str

class AdvanceOrder(msgspec.Struct, kw_only=True):
    order_id: str
    event: str
    reason: str | None = None
    courier_id: str | None = None
    expected_version: int | None = None

class ListOrders(msgspec.Struct, kw_only=True):
    customer_id: str | None = None
    restaurant_id: str | None = None
    state: Literal['awaiting_payment', 'scheduled', 'awaiting_acceptance', 'preparing', 'ready', 'delivering', 'delivered', 'completed', 'cancelled'] | None = None
    cursor: str | None = None
    limit: int = 20

class OrderPage(msgspec.Struct, kw_only=True):
    orders: list[Order]
    next_cursor: str | None = None

class OrderEvent(msgspec.Struct, kw_only=True):
    order_id: str
    version: int
    type: str
    from_state: str | None = None
    to_state: str
    actor: Caller
    reason: str | None = None
    at: str
    request_id: str
    customer_id: str
    restaurant_id: str
    courier_id: str | None = None

class Timeline(msgspec.Struct, kw_only=True):
    order_id: str
    events: list[OrderEvent]

class OrdersNamed(msgspec.Struct, kw_only=True):
    order_ids: list[str]

class Discount(msgspec.Struct, kw_only=True):
    programme: str
    amount: int

class OrderTerms(msgspec.Struct, kw_only=True):
    order_id: str
    customer_id: str
    restaurant_id: str
    subtotal: int
    delivery_fee: int
    total: int
    currency: str
    payment_method: Literal['cash', 'online', 'elsewhere']
    placed_at: str
    discounts: list[Discount] | None = None
    small_order_fee: int | None = None

class OrderTermsList(msgspec.Struct, kw_only=True):
    orders: list[OrderTerms]

class LegacyLine(msgspec.Struct, kw_only=True):
    name: str
    quantity: int
    unit_price: int

class LegacyAddress(msgspec.Struct, kw_only=True):
    street: str
    city: str | None = None
    place: Place | None = None

class LegacyOrder(msgspec.Struct, kw_only=True):
    legacy_id: str
    revision: int
    customer_id: str
    restaurant_id: str
    state: Literal['awaiting_payment', 'scheduled', 'awaiting_acceptance', 'preparing', 'ready', 'delivering', 'delivered', 'completed', 'cancelled']
    placed_at: str
    updated_at: str
    subtotal: int
    delivery_fee: int
    total: int
    currency: str
    payment_method: str
    lines: list[LegacyLine] | None = None
    address: LegacyAddress | None = None
    courier_id: str | None = None
    reason: str | None = None
    note: str | None = None
    scheduled_for: str | None = None

class AdoptOrders(msgspec.Struct, kw_only=True):
    source: str
    orders: list[LegacyOrder]
    repair: bool = False

class AdoptedOrder(msgspec.Struct, kw_only=True):
    legacy_id: str
    outcome: Literal['made', 'changed', 'same', 'stale', 'refused']
    order_id: str | None = None
    code: str | None = None
    message: str | None = None

class Adopted(msgspec.Struct, kw_only=True):
    results: list[AdoptedOrder]

class LegacyRefs(msgspec.Struct, kw_only=True):
    source: str
    legacy_ids: list[str]

class KnownLegacy(msgspec.Struct, kw_only=True):
    legacy_id: str
    order_id: str
    held: bool
    revision: int
    order: Order

class KnownLegacyList(msgspec.Struct, kw_only=True):
    orders: list[KnownLegacy]

class AsAdopted(msgspec.Struct, kw_only=True):
    order_id: str
    held: bool
    erased: bool
    order: LegacyOrder

class AsAdoptedList(msgspec.Struct, kw_only=True):
    orders: list[AsAdopted]

class ListLegacy(msgspec.Struct, kw_only=True):
    source: str
    cursor: str | None = None
    limit: int = 500

class LegacyPage(msgspec.Struct, kw_only=True):
    legacy_ids: list[str]
    next_cursor: str | None = None

class OpenLegacy(msgspec.Struct, kw_only=True):
    source: str
    limit: int = 500

class OpenLegacyDone(msgspec.Struct, kw_only=True):
    order_ids: list[str]
    more: bool

class DisownedOrder(msgspec.Struct, kw_only=True):
    legacy_id: str
    outcome: Literal['removed', 'absent', 'refused']
    code: str | None = None
    message: str | None = None

class Disowned(msgspec.Struct, kw_only=True):
    results: list[DisownedOrder]

class PayOrder(msgspec.Struct, kw_only=True):
    order_id: str
    source: str | None = None
    key: str | None = None
    amount: Money | None = None
    method: Literal['card', 'balance'] | None = None

class Payment(msgspec.Struct, kw_only=True):
    id: str
    order_id: str
    amount: Money
    state: Literal['pending', 'authorised', 'capturing', 'succeeded', 'voiding', 'voided', 'declined', 'refunding', 'refunded']
    decline_reason: str | None = None
    created_at: str
    updated_at: str
    method: Literal['card', 'cash', 'balance'] | None = None
    captured: Money | None = None
    refunding: Money | None = None
    refunded: Money | None = None

class PaymentRef(msgspec.Struct, kw_only=True):
    payment_id: str

class RefundPayment(msgspec.Struct, kw_only=True):
    order_id: str | None = None
    payment_id: str | None = None
    amount: Money
    key: str
    reason: str | None = None
    to: Literal['balance'] | None = None

class RefundPart(msgspec.Struct, kw_only=True):
    payment_id: str
    amount: Money
    state: Literal['pending', 'succeeded', 'failed']
    failure: str | None = None
    to: Literal['card', 'balance'] | None = None

class Refund(msgspec.Struct, kw_only=True):
    id: str
    order_id: str
    amount: Money
    state: Literal['pending', 'succeeded', 'failed']
    parts: list[RefundPart]
    key: str
    reason: str | None = None
    created_at: str
    updated_at: str

class RefundRef(msgspec.Struct, kw_only=True):
    refund_id: str

class PaymentsOf(msgspec.Struct, kw_only=True):
    order_id: str

class PaymentList(msgspec.Struct, kw_only=True):
    payments: list[Payment]
    captured: Money | None = None
    refunding: Money | None = None
    refunded: Money | None = None
    refunds: list[Refund] | None = None

class ProviderNotice(msgspec.Struct, kw_only=True):
    body: str
    signature: str

class NoticeTaken(msgspec.Struct, kw_only=True):
    known: bool

class PaymentEvent(msgspec.Struct, kw_only=True):
    payment_id: str
    order_id: str
    version: int
    type: Literal['payment.started', 'payment.authorised', 'payment.capture_started', 'payment.succeeded', 'payment.void_started', 'payment.voided', 'payment.declined', 'payment.collected', 'payment.refund_started', 'payment.refunded', 'payment.refund_failed']
    amount: Money
    at: str
    request_id: str
    reason: str | None = None
    customer_id: str | None = None
    provider: str | None = None
    refund_id: str | None = None
    refund_amount: Money | None = None
    refund_provider: str | None = None

class AvailabilityWindow(msgspec.Struct, kw_only=True):
    weekdays: list[int] | None = None
    starts: str
    ends: str

class OptionGroup(msgspec.Struct, kw_only=True):
    id: str
    name: str
    choose_min: int = 0
    choose_max: int

class OptionChoice(msgspec.Struct, kw_only=True):
    id: str
    name: str
    price: int
    group: str | None = None
    quantity_max: int = 1
    available: bool = True

class MenuCategory(msgspec.Struct, kw_only=True):
    name: str
    description: str | None = None
    windows: list[AvailabilityWindow] | None = None

class MenuItem(msgspec.Struct, kw_only=True):
    id: str
    name: str
    price: int
    category: str | None = None
    description: str | None = None
    options: list[OptionChoice] | None = None
    available: bool = True
    limited: bool = False
    option_groups: list[OptionGroup] | None = None
    windows: list[AvailabilityWindow] | None = None
    preparation_minutes: int | None = None
    daily_portions: int | None = None

class OpeningHours(msgspec.Struct, kw_only=True):
    weekday: int
    opens: str
    closes: str

class DayHours(msgspec.Struct, kw_only=True):
    opens: str
    closes: str

class SpecialDay(msgspec.Struct, kw_only=True):
    date: str
    hours: list[DayHours]
    reason: str | None = None

class DeliveryArea(msgspec.Struct, kw_only=True):
    radius_m: int | None = None
    polygon: list[Place] | None = None

class FeeBand(msgspec.Struct, kw_only=True):
    up_to_m: int
    fee: int

class SmallOrder(msgspec.Struct, kw_only=True):
    below: int
    fee: int

class Busy(msgspec.Struct, kw_only=True):
    added_minutes: int
    ends_at: str

class Restaurant(msgspec.Struct, kw_only=True):
    id: str
    name: str
    currency: str
    time_zone: str
    place: Place
    delivery_fee: int
    minimum_subtotal: int
    hours: list[OpeningHours]
    accepting_orders: bool
    menu_version: int
    status: Literal['draft', 'live', 'suspended']
    preparation_minutes: int
    street: str | None = None
    phone: str | None = None
    special_days: list[SpecialDay] | None = None
    area: DeliveryArea | None = None
    fee_bands: list[FeeBand] | None = None
    small_order: SmallOrder | None = None
    busy: Busy | None = None
    paused_until: str | None = None
    suspended_because: str | None = None

class CreateRestaurant(msgspec.Struct, kw_only=True):
    id: str
    name: str
    currency: str
    time_zone: str
    place: Place
    delivery_fee: int
    minimum_subtotal: int
    hours: list[OpeningHours]
    draft: bool = False
    preparation_minutes: int = 20
    street: str | None = None
    phone: str | None = None
    special_days: list[SpecialDay] | None = None
    area: DeliveryArea | None = None
    fee_bands: list[FeeBand] | None = None
    small_order: SmallOrder | None = None

class RestaurantRef(msgspec.Struct, kw_only=True):
    restaurant_id: str

class ListRestaurants(msgspec.Struct, kw_only=True):
    cursor: str | None = None
    limit: int = 20

class RestaurantPage(msgspec.Struct, kw_only=True):
    restaurants: list[Restaurant]
    next_cursor: str | None = None

class SetHours(msgspec.Struct, kw_only=True):
    restaurant_id: str
    hours: list[OpeningHours]

class SetAccepting(msgspec.Struct, kw_only=True):
    restaurant_id: str
    accepting_orders: bool

class SetSpecialDays(msgspec.Struct, kw_only=True):
    restaurant_id: str
    special_days: list[SpecialDay]

class SetProfile(msgspec.Struct, kw_only=True):
    restaurant_id: str
    name: str
    place: Place
    preparation_minutes: int
    street: str | None = None
    phone: str | None = None

class SetDelivery(msgspec.Struct, kw_only=True):
    restaurant_id: str
    delivery_fee: int
    minimum_subtotal: int
    area: DeliveryArea | None = None
    fee_bands: list[FeeBand] | None = None
    small_order: SmallOrder | None = None

class SetBusy(msgspec.Struct, kw_only=True):
    restaurant_id: str
    added_minutes: int
    for_minutes: int = 60

class PauseOrders(msgspec.Struct, kw_only=True):
    restaurant_id: str
    for_minutes: int

class ChangeStatus(msgspec.Struct, kw_only=True):
    restaurant_id: str
    event: Literal['go_live', 'suspend', 'reinstate']
    reason: str | None = None

class Missing(msgspec.Struct, kw_only=True):
    field: str
    reason: str

class Readiness(msgspec.Struct, kw_only=True):
    restaurant_id: str
    status: Literal['draft', 'live', 'suspended']
    missing: list[Missing]

class SetMenu(msgspec.Struct, kw_only=True):
    restaurant_id: str
    items: list[MenuItem]
    categories: list[MenuCategory] | None = None

class Menu(msgspec.Struct, kw_only=True):
    restaurant_id: str
    currency: str
    version: int
    items: list[MenuItem]
    categories: list[MenuCategory] | None = None

class AddStock(msgspec.Struct, kw_only=True):
    restaurant_id: str
    item_id: str
    quantity: int
    idempotency_key: str

class StockLevel(msgspec.Struct, kw_only=True):
    item_id: str
    on_hand: int
    held: int

class Stock(msgspec.Struct, kw_only=True):
    restaurant_id: str
    items: list[StockLevel]

class PriceBasket(msgspec.Struct, kw_only=True):
    restaurant_id: str
    lines: list[BasketLine]
    at: str
    drop_off: Place | None = None

class PricedBasket(msgspec.Struct, kw_only=True):
    restaurant_id: str
    currency: str
    lines: list[PricedLine]
    subtotal: int
    delivery_fee: int
    total: int
    limited_items: list[str]
    menu_version: int
    preparation_minutes: int
    small_order_fee: int = 0
    distance_m: int | None = None
    travel_minutes: int | None = None

class HoldLine(msgspec.Struct, kw_only=True):
    item_id: str
    quantity: int

class HoldStock(msgspec.Struct, kw_only=True):
    restaurant_id: str
    order_id: str
    lines: list[HoldLine]
    expires_in_ms: int

class HoldRef(msgspec.Struct, kw_only=True):
    order_id: str

class Empty(msgspec.Struct, kw_only=True):
    pass

class SearchRestaurants(msgspec.Struct, kw_only=True):
    latitude: float | None = None
    longitude: float | None = None
    radius_m: int = 5000
    name: str | None = None
    open_now: bool = False
    delivers: bool = False
    sort: Literal['distance', 'name'] | None = None
    cursor: str | None = None
    limit: int = 20

class FoundRestaurant(msgspec.Struct, kw_only=True):
    id: str
    name: str
    place: Place
    open: bool
    currency: str
    delivery_fee: int
    minimum_subtotal: int
    preparation_minutes: int
    distance_m: int | None = None

class SearchPage(msgspec.Struct, kw_only=True):
    restaurants: list[FoundRestaurant]
    next_cursor: str | None = None

class ImportMenu(msgspec.Struct, kw_only=True):
    restaurant_id: str
    format: Literal['csv', 'json']
    mode: Literal['all', 'valid']
    text: str

class RefusedRow(msgspec.Struct, kw_only=True):
    line: int
    item_id: str | None = None
    field: str
    reason: str

class ImportReport(msgspec.Struct, kw_only=True):
    applied: bool
    version: int
    taken: int
    refused_total: int
    refused: list[RefusedRow]

class ExportMenu(msgspec.Struct, kw_only=True):
    restaurant_id: str
    format: Literal['csv', 'json'] = 'csv'

class MenuFile(msgspec.Struct, kw_only=True):
    restaurant_id: str
    version: int
    text: str

class CaseLine(msgspec.Struct, kw_only=True):
    line: int
    quantity: int

class QuoteCase(msgspec.Struct, kw_only=True):
    order_id: str
    kind: Literal['cancel', 'missing_items', 'wrong_items', 'late', 'never_arrived', 'quality', 'cannot_supply', 'courier_failure', 'operator_decision']
    lines: list[CaseLine] | None = None
    amount: Money | None = None
    liable: Literal['restaurant', 'courier', 'platform'] | None = None

class OpenCase(msgspec.Struct, kw_only=True):
    idempotency_key: str
    order_id: str
    kind: Literal['cancel', 'missing_items', 'wrong_items', 'late', 'never_arrived', 'quality', 'cannot_supply', 'courier_failure', 'operator_decision']
    lines: list[CaseLine] | None = None
    amount: Money | None = None
    liable: Literal['restaurant', 'courier', 'platform'] | None = None
    expected_refund: Money | None = None
    note: str | None = None
    pictures: list[str] | None = None

class Share(msgspec.Struct, kw_only=True):
    party: Literal['customer', 'restaurant', 'courier', 'platform', 'subsidy']
    amount: Money

class CaseOutcome(msgspec.Struct, kw_only=True):
    refund: Money
    back_to: Literal['payment', 'balance', 'nowhere']
    ends_order: bool
    shares: list[Share]
    policy: int
    postings: list[Posting] | None = None

class CaseQuote(msgspec.Struct, kw_only=True):
    order_id: str
    kind: Literal['cancel_before_acceptance', 'free_cancel', 'cancel_later', 'missing_items', 'wrong_items', 'late', 'never_arrived', 'quality', 'cannot_supply', 'courier_failure', 'operator_decision']
    outcome: CaseOutcome
    answered_by: Literal['nobody', 'restaurant', 'operator']

class Evidence(msgspec.Struct, kw_only=True):
    role: Literal['customer', 'restaurant', 'operator']
    at: str
    note: str | None = None
    pictures: list[str] | None = None

class Case(msgspec.Struct, kw_only=True):
    id: str
    order_id: str
    customer_id: str
    restaurant_id: str
    kind: Literal['cancel_before_acceptance', 'free_cancel', 'cancel_later', 'missing_items', 'wrong_items', 'late', 'never_arrived', 'quality', 'cannot_supply', 'courier_failure', 'operator_decision']
    state: Literal['requested', 'approved', 'rejected', 'withdrawn', 'in_arbitration', 'refunding', 'refunded', 'refund_failed', 'closed']
    version: int
    opened_by: Literal['customer', 'restaurant', 'operator']
    outcome: CaseOutcome
    opened_at: str
    updated_at: str
    due_at: str | None = None
    lines: list[CaseLine] | None = None
    evidence: list[Evidence] | None = None
    reason: str | None = None

class CaseRef(msgspec.Struct, kw_only=True):
    case_id: str

class AdvanceCase(msgspec.Struct, kw_only=True):
    case_id: str
    event: str
    note: str | None = None
    pictures: list[str] | None = None

class ListCases(msgspec.Struct, kw_only=True):
    customer_id: str | None = None
    restaurant_id: str | None = None
    order_id: str | None = None
    state: Literal['requested', 'approved', 'rejected', 'withdrawn', 'in_arbitration', 'refunding', 'refunded', 'refund_failed', 'closed'] | None = None
    cursor: str | None = None
    limit: int = 20

class CasePage(msgspec.Struct, kw_only=True):
    cases: list[Case]
    next_cursor: str | None = None

class CaseEvent(msgspec.Struct, kw_only=True):
    case_id: str
    order_id: str
    version: int
    type: str
    from_state: str | None = None
    to_state: str
    actor: Caller
    reason: str | None = None
    at: str
    request_id: str
    customer_id: str
    restaurant_id: str
    kind: str
    refund: Money

class Customer(msgspec.Struct, kw_only=True):
    id: str
    name: str
    phone: str | None = None
    addresses: list[Address]

class CreateCustomer(msgspec.Struct, kw_only=True):
    id: str
    name: str
    phone: str | None = None
    addresses: list[Address] | None = None

class CustomerRef(msgspec.Struct, kw_only=True):
    customer_id: str

class SaveAddress(msgspec.Struct, kw_only=True):
    customer_id: str
    address: Address

class AddressRef(msgspec.Struct, kw_only=True):
    customer_id: str
    address_id: str

class SaveName(msgspec.Struct, kw_only=True):
    customer_id: str
    name: str

class StartSignIn(msgspec.Struct, kw_only=True):
    phone: str
    language: str | None = None

class SignInStarted(msgspec.Struct, kw_only=True):
    sign_in_id: str
    expires_at: str
    again_after_s: int

class FinishSignIn(msgspec.Struct, kw_only=True):
    phone: str
    sign_in_id: str
    code: str
    name: str | None = None
    role: Literal['customer', 'restaurant', 'courier', 'operator'] = 'customer'
    restaurant_id: str | None = None

class RefreshSession(msgspec.Struct, kw_only=True):
    refresh_token: str
    role: Literal['customer', 'restaurant', 'courier', 'operator'] = 'customer'
    restaurant_id: str | None = None

class SignedIn(msgspec.Struct, kw_only=True):
    access_token: str
    expires_in_s: int
    refresh_token: str
    refresh_expires_at: str
    person_id: str
    is_new: bool

class SignOut(msgspec.Struct, kw_only=True):
    refresh_token: str

class PersonOf(msgspec.Struct, kw_only=True):
    person_id: str

class SignedOut(msgspec.Struct, kw_only=True):
    sessions: int

class VerificationQuery(msgspec.Struct, kw_only=True):
    pass

class PublicKey(msgspec.Struct, kw_only=True):
    kid: str
    x: str

class Ended(msgspec.Struct, kw_only=True):
    id: str
    before_s: float

class Verification(msgspec.Struct, kw_only=True):
    keys: list[PublicKey]
    ended: list[Ended]

class CheckApiKey(msgspec.Struct, kw_only=True):
    key: str

class CreateApiKey(msgspec.Struct, kw_only=True):
    role: Literal['customer', 'restaurant', 'courier', 'operator']
    subject: str
    label: str

class ApiKey(msgspec.Struct, kw_only=True):
    key_id: str
    role: Literal['customer', 'restaurant', 'courier', 'operator']
    subject: str
    label: str
    created_at: str
    created_by: str
    used_at: str | None = None

class CreatedApiKey(msgspec.Struct, kw_only=True):
    key: str
    about: ApiKey

class ApiKeysOf(msgspec.Struct, kw_only=True):
    subject: str

class ApiKeyList(msgspec.Struct, kw_only=True):
    keys: list[ApiKey]

class ApiKeyRef(msgspec.Struct, kw_only=True):
    key_id: str

class InviteStaff(msgspec.Struct, kw_only=True):
    restaurant_id: str
    phone: str
    access: Literal['owner', 'manager', 'staff']

class StaffRef(msgspec.Struct, kw_only=True):
    restaurant_id: str
    member_id: str

class StaffOf(msgspec.Struct, kw_only=True):
    restaurant_id: str

class StaffMember(msgspec.Struct, kw_only=True):
    person_id: str | None = None
    access: Literal['owner', 'manager', 'staff']
    since: str
    member_id: str
    is_caller: bool | None = None

class StaffList(msgspec.Struct, kw_only=True):
    staff: list[StaffMember]

class GrantRole(msgspec.Struct, kw_only=True):
    phone: str
    role: Literal['courier', 'operator']

class RoleRef(msgspec.Struct, kw_only=True):
    person_id: str
    role: Literal['courier', 'operator']

class Grant(msgspec.Struct, kw_only=True):
    role: Literal['restaurant', 'courier', 'operator']
    subject: str
    access: Literal['owner', 'manager', 'staff'] | None = None
    since: str

class GrantList(msgspec.Struct, kw_only=True):
    person_id: str
    grants: list[Grant]

class ErasePerson(msgspec.Struct, kw_only=True):
    person_id: str
    sign_in_id: str | None = None
    code: str | None = None

class Erased(msgspec.Struct, kw_only=True):
    person_id: str
    erased_at: str

class PersonEvent(msgspec.Struct, kw_only=True):
    person_id: str
    type: str
    version: int
    last: bool
    at: str

class WebhookEndpoint(msgspec.Struct, kw_only=True):
    endpoint_id: str
    restaurant_id: str | None = None
    partner_id: str | None = None
    url: str
    types: list[str]
    state: Literal['enabled', 'disabled']
    reason: Literal['by_owner', 'failing', 'gone'] | None = None
    created_at: str
    failing_since: str | None = None
    secrets: int

class CreateWebhook(msgspec.Struct, kw_only=True):
    restaurant_id: str | None = None
    partner_id: str | None = None
    url: str
    types: list[str]

class CreatedWebhook(msgspec.Struct, kw_only=True):
    secret: str
    about: WebhookEndpoint

class WebhooksOf(msgspec.Struct, kw_only=True):
    restaurant_id: str | None = None
    partner_id: str | None = None

class WebhookList(msgspec.Struct, kw_only=True):
    endpoints: list[WebhookEndpoint]

class WebhookRef(msgspec.Struct, kw_only=True):
    endpoint_id: str

class ChangeWebhook(msgspec.Struct, kw_only=True):
    endpoint_id: str
    url: str
    types: list[str]
    enabled: bool

class WebhookRemoved(msgspec.Struct, kw_only=True):
    endpoint_id: str

class WebhookAttempt(msgspec.Struct, kw_only=True):
    at: str
    status: int | None = None
    latency_ms: int
    error: str | None = None
    answer: str | None = None

class WebhookDelivery(msgspec.Struct, kw_only=True):
    delivery_id: str
    endpoint_id: str
    type: str
    state: Literal['waiting', 'delivered', 'failed']
    reason: Literal['gave_up', 'endpoint_disabled', 'endpoint_gone', 'not_let'] | None = None
    at: str
    done_at: str | None = None
    attempts: list[WebhookAttempt]
    body: str

class ListDeliveries(msgspec.Struct, kw_only=True):
    endpoint_id: str
    state: Literal['waiting', 'delivered', 'failed'] | None = None
    cursor: str | None = None
    limit: int = 50

class DeliveryPage(msgspec.Struct, kw_only=True):
    deliveries: list[WebhookDelivery]
    next_cursor: str | None = None

class DeliveryRef(msgspec.Struct, kw_only=True):
    endpoint_id: str
    delivery_id: str

class ReplayDeliveries(msgspec.Struct, kw_only=True):
    endpoint_id: str
    since: str
    before: str | None = None
    delivered: bool = False

class Replayed(msgspec.Struct, kw_only=True):
    deliveries: int
    more: bool

class WebhookPing(msgspec.Struct, kw_only=True):
    type: Literal['webhook.ping']
    endpoint_id: str
    at: str

class PartnerRef(msgspec.Struct, kw_only=True):
    restaurant_id: str
    partner_id: str

class PartnersOf(msgspec.Struct, kw_only=True):
    restaurant_id: str

class PartnerList(msgspec.Struct, kw_only=True):
    restaurant_id: str
    partners: list[str]

class Health(Protocol):
    async def health(self, context: CallContext, request: HealthQuery) -> HealthReport: ...

class Ledger(Protocol):
    async def entries(self, context: CallContext, request: EntriesOf) -> EntryList: ...
    async def balance(self, context: CallContext, request: BalanceOf) -> AccountBalance: ...
    async def enter(self, context: CallContext, request: EnterEntry) -> Entry: ...
    async def reverse(self, context: CallContext, request: ReverseEntry) -> Entry: ...
    async def fees(self, context: CallContext, request: FeesOf) -> OrderFees: ...
    async def holdings(self, context: CallContext, request: HoldingsOf) -> Holdings: ...
    async def record_cash(self, context: CallContext, request: RecordCash) -> Entry: ...
    async def record_provider_payout(self, context: CallContext, request: RecordProviderPayout) -> Entry: ...
    async def undo_cash(self, context: CallContext, request: UndoCash) -> Entry: ...
    async def undo_provider_payout(self, context: CallContext, request: UndoProviderPayout) -> Entry: ...
    async def settlements_csv(self, context: CallContext, request: SettlementsOf) -> SettlementsCsv: ...
    async def list_settlements(self, context: CallContext, request: SettlementsOf) -> SettlementList: ...
    async def waiting_settlements(self, context: CallContext, request: WaitingSettlements) -> SettlementPage: ...
    async def settlement_statement(self, context: CallContext, request: SettlementRef) -> SettlementStatement: ...
    async def record_payout(self, context: CallContext, request: RecordPayout) -> Settlement: ...

class Notifications(Protocol):
    async def send(self, context: CallContext, request: SendMessage) -> Message: ...
    async def list_messages(self, context: CallContext, request: ListMessages) -> MessagePage: ...
    async def get_preferences(self, context: CallContext, request: PersonRef) -> Preferences: ...
    async def set_preferences(self, context: CallContext, request: SetPreferences) -> Preferences: ...

class Orders(Protocol):
    async def quote(self, context: CallContext, request: QuoteRequest) -> Quote: ...
    async def place(self, context: CallContext, request: PlaceOrder) -> Order: ...
    async def get(self, context: CallContext, request: OrderRef) -> Order: ...
    async def advance(self, context: CallContext, request: AdvanceOrder) -> Order: ...
    async def list_orders(self, context: CallContext, request: ListOrders) -> OrderPage: ...
    async def timeline(self, context: CallContext, request: OrderRef) -> Timeline: ...
    async def terms(self, context: CallContext, request: OrdersNamed) -> OrderTermsList: ...
    async def adopt(self, context: CallContext, request: AdoptOrders) -> Adopted: ...
    async def legacy(self, context: CallContext, request: LegacyRefs) -> KnownLegacyList: ...
    async def adopted(self, context: CallContext, request: LegacyRefs) -> AsAdoptedList: ...
    async def list_legacy(self, context: CallContext, request: ListLegacy) -> LegacyPage: ...
    async def release(self, context: CallContext, request: OpenLegacy) -> OpenLegacyDone: ...
    async def hold(self, context: CallContext, request: OpenLegacy) -> OpenLegacyDone: ...
    async def disown(self, context: CallContext, request: LegacyRefs) -> Disowned: ...

class Payments(Protocol):
    async def pay(self, context: CallContext, request: PayOrder) -> Payment: ...
    async def capture_payment(self, context: CallContext, request: PaymentRef) -> Payment: ...
    async def void_payment(self, context: CallContext, request: PaymentRef) -> Payment: ...
    async def refund(self, context: CallContext, request: RefundPayment) -> Refund: ...
    async def find_refund(self, context: CallContext, request: RefundRef) -> Refund: ...
    async def list_payments(self, context: CallContext, request: PaymentsOf) -> PaymentList: ...
    async def take_notice(self, context: CallContext, request: ProviderNotice) -> NoticeTaken: ...
    async def unsettled(self, context: CallContext, request: OrderIds) -> OrderIds: ...

class Restaurants(Protocol):
    async def create(self, context: CallContext, request: CreateRestaurant) -> Restaurant: ...
    async def get(self, context: CallContext, request: RestaurantRef) -> Restaurant: ...
    async def list_all(self, context: CallContext, request: ListRestaurants) -> RestaurantPage: ...
    async def set_hours(self, context: CallContext, request: SetHours) -> Restaurant: ...
    async def set_accepting(self, context: CallContext, request: SetAccepting) -> Restaurant: ...
    async def set_special_days(self, context: CallContext, request: SetSpecialDays) -> Restaurant: ...
    async def set_profile(self, context: CallContext, request: SetProfile) -> Restaurant: ...
    async def set_delivery(self, context: CallContext, request: SetDelivery) -> Restaurant: ...
    async def set_busy(self, context: CallContext, request: SetBusy) -> Restaurant: ...
    async def pause(self, context: CallContext, request: PauseOrders) -> Restaurant: ...
    async def change_status(self, context: CallContext, request: ChangeStatus) -> Restaurant: ...
    async def readiness(self, context: CallContext, request: RestaurantRef) -> Readiness: ...
    async def set_menu(self, context: CallContext, request: SetMenu) -> Menu: ...
    async def get_menu(self, context: CallContext, request: RestaurantRef) -> Menu: ...
    async def import_menu(self, context: CallContext, request: ImportMenu) -> ImportReport: ...
    async def export_menu(self, context: CallContext, request: ExportMenu) -> MenuFile: ...
    async def search(self, context: CallContext, request: SearchRestaurants) -> SearchPage: ...
    async def add_stock(self, context: CallContext, request: AddStock) -> Stock: ...
    async def get_stock(self, context: CallContext, request: RestaurantRef) -> Stock: ...
    async def price(self, context: CallContext, request: PriceBasket) -> PricedBasket: ...
    async def hold(self, context: CallContext, request: HoldStock) -> Empty: ...
    async def sell(self, context: CallContext, request: HoldRef) -> Empty: ...
    async def release(self, context: CallContext, request: HoldRef) -> Empty: ...

class Reverse(Protocol):
    async def quote(self, context: CallContext, request: QuoteCase) -> CaseQuote: ...
    async def open(self, context: CallContext, request: OpenCase) -> Case: ...
    async def get(self, context: CallContext, request: CaseRef) -> Case: ...
    async def advance(self, context: CallContext, request: AdvanceCase) -> Case: ...
    async def list_cases(self, context: CallContext, request: ListCases) -> CasePage: ...
    async def unsettled(self, context: CallContext, request: OrderIds) -> OrderIds: ...

class Users(Protocol):
    async def create(self, context: CallContext, request: CreateCustomer) -> Customer: ...
    async def get(self, context: CallContext, request: CustomerRef) -> Customer: ...
    async def save_address(self, context: CallContext, request: SaveAddress) -> Customer: ...
    async def remove_address(self, context: CallContext, request: AddressRef) -> Customer: ...
    async def save_name(self, context: CallContext, request: SaveName) -> Customer: ...
    async def start_sign_in(self, context: CallContext, request: StartSignIn) -> SignInStarted: ...
    async def finish_sign_in(self, context: CallContext, request: FinishSignIn) -> SignedIn: ...
    async def refresh(self, context: CallContext, request: RefreshSession) -> SignedIn: ...
    async def sign_out(self, context: CallContext, request: SignOut) -> SignedOut: ...
    async def sign_out_everywhere(self, context: CallContext, request: PersonOf) -> SignedOut: ...
    async def list_grants(self, context: CallContext, request: PersonOf) -> GrantList: ...
    async def erase(self, context: CallContext, request: ErasePerson) -> Erased: ...
    async def grant(self, context: CallContext, request: GrantRole) -> GrantList: ...
    async def revoke(self, context: CallContext, request: RoleRef) -> GrantList: ...
    async def invite_staff(self, context: CallContext, request: InviteStaff) -> StaffMember: ...
    async def remove_staff(self, context: CallContext, request: StaffRef) -> StaffList: ...
    async def list_staff(self, context: CallContext, request: StaffOf) -> StaffList: ...
    async def create_api_key(self, context: CallContext, request: CreateApiKey) -> CreatedApiKey: ...
    async def list_api_keys(self, context: CallContext, request: ApiKeysOf) -> ApiKeyList: ...
    async def revoke_api_key(self, context: CallContext, request: ApiKeyRef) -> ApiKeyList: ...
    async def check_api_key(self, context: CallContext, request: CheckApiKey) -> ApiKey: ...
    async def verification(self, context: CallContext, request: VerificationQuery) -> Verification: ...

class Webhooks(Protocol):
    async def create(self, context: CallContext, request: CreateWebhook) -> CreatedWebhook: ...
    async def list_endpoints(self, context: CallContext, request: WebhooksOf) -> WebhookList: ...
    async def get(self, context: CallContext, request: WebhookRef) -> WebhookEndpoint: ...
    async def change(self, context: CallContext, request: ChangeWebhook) -> WebhookEndpoint: ...
    async def remove(self, context: CallContext, request: WebhookRef) -> WebhookRemoved: ...
    async def rotate_secret(self, context: CallContext, request: WebhookRef) -> CreatedWebhook: ...
    async def ping(self, context: CallContext, request: WebhookRef) -> WebhookDelivery: ...
    async def list_deliveries(self, context: CallContext, request: ListDeliveries) -> DeliveryPage: ...
    async def get_delivery(self, context: CallContext, request: DeliveryRef) -> WebhookDelivery: ...
    async def replay_delivery(self, context: CallContext, request: DeliveryRef) -> WebhookDelivery: ...
    async def replay(self, context: CallContext, request: ReplayDeliveries) -> Replayed: ...
    async def let_partner(self, context: CallContext, request: PartnerRef) -> PartnerList: ...
    async def stop_partner(self, context: CallContext, request: PartnerRef) -> PartnerList: ...
    async def list_partners(self, context: CallContext, request: PartnersOf) -> PartnerList: ...
