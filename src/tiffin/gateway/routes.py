"""The HTTP API as a table: one row an endpoint. The handler and the OpenAPI document are made from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

CUSTOMER, RESTAURANT, COURIER, OPERATOR = "customer", "restaurant", "courier", "operator"
ANYONE = (CUSTOMER, RESTAURANT, COURIER, OPERATOR)
PARTIES = (CUSTOMER, RESTAURANT, OPERATOR)
"""Who has to do with a case."""
EARNERS = (RESTAURANT, COURIER)
"""Who is settled."""
EARNERS_AND_CUSTOMERS = (CUSTOMER, RESTAURANT, COURIER)
VISITORS: tuple[str, ...] = ()
"""No role: no token is asked for. How often an address may come is limited."""


@dataclass(frozen=True)
class Route:
    """An endpoint and the service method behind it.

    The request's fields come from the path, from `headers`, from `fixed`, from the token's subject
    (`subject`; with its role, `<role>:<id>`: `party`), and the rest from the query (GET, DELETE) or the JSON
    body.
    """

    method: str
    path: str
    roles: tuple[str, ...]
    call: str
    """`Service.method` of the contracts."""
    status: int = 200
    subject: str | None = None
    party: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    fixed: Mapping[str, str] = field(default_factory=dict[str, str])
    without: tuple[str, ...] = ()
    """Optional fields of the request that this endpoint does not offer."""
    summary: str | None = None
    """Only where the method's own words do not fit this endpoint."""
    body_bytes_max: int = 256 * 1024
    csv: str | None = None
    """The field of the result that is the answer, as text/csv; otherwise all of it is, as JSON."""


def _advance(
    action: str, event: str, roles: tuple[str, ...], summary: str, without: tuple[str, ...] = ("courier_id",)
) -> Route:
    return Route(
        "POST", f"/v1/orders/{{order_id}}/{action}", roles, "Orders.advance",
        fixed={"event": event}, without=without, summary=summary,
    )  # fmt: skip


def _case(action: str, event: str, roles: tuple[str, ...], summary: str) -> Route:
    return Route(
        "POST", f"/v1/cases/{{case_id}}/{action}", roles, "Reverse.advance", fixed={"event": event},
        summary=summary,
    )  # fmt: skip


def _status(action: str, event: str, summary: str) -> Route:
    return Route(
        "POST", f"/v1/restaurants/{{restaurant_id}}/{action}", (OPERATOR,), "Restaurants.change_status",
        fixed={"event": event}, summary=summary,
    )  # fmt: skip


ROUTES: tuple[Route, ...] = (
    # signing in
    Route("POST", "/v1/sign-in/codes", VISITORS, "Users.start_sign_in", 201, body_bytes_max=4096),
    Route("POST", "/v1/sign-in", VISITORS, "Users.finish_sign_in", 201, body_bytes_max=4096),
    Route("POST", "/v1/sign-in/refresh", VISITORS, "Users.refresh", body_bytes_max=4096),
    Route("POST", "/v1/sign-out", VISITORS, "Users.sign_out", body_bytes_max=4096),
    Route("POST", "/v1/people/{person_id}/sign-out", ANYONE, "Users.sign_out_everywhere"),
    Route("POST", "/v1/people/{person_id}/erase", ANYONE, "Users.erase"),
    Route("GET", "/v1/people/{person_id}/roles", ANYONE, "Users.list_grants"),
    Route("POST", "/v1/people/roles", (OPERATOR,), "Users.grant", 201),
    Route("DELETE", "/v1/people/{person_id}/roles/{role}", (OPERATOR,), "Users.revoke"),
    # keys of foreign systems
    Route("POST", "/v1/api-keys", (RESTAURANT, OPERATOR), "Users.create_api_key", 201),
    Route("GET", "/v1/api-keys", (RESTAURANT, OPERATOR), "Users.list_api_keys"),
    Route("DELETE", "/v1/api-keys/{key_id}", (RESTAURANT, OPERATOR), "Users.revoke_api_key"),
    # customers
    Route("POST", "/v1/customers", (OPERATOR,), "Users.create", 201),
    Route("GET", "/v1/customers/{customer_id}", (OPERATOR,), "Users.get"),
    Route("GET", "/v1/me", (CUSTOMER,), "Users.get", subject="customer_id"),
    Route("PUT", "/v1/me", (CUSTOMER,), "Users.save_name", subject="customer_id"),
    Route("POST", "/v1/me/addresses", (CUSTOMER,), "Users.save_address", 201, subject="customer_id"),
    Route(
        "DELETE", "/v1/me/addresses/{address_id}", (CUSTOMER,), "Users.remove_address", subject="customer_id"
    ),
    # messages to people
    Route("GET", "/v1/me/preferences", (CUSTOMER, RESTAURANT, COURIER), "Notifications.get_preferences",
          subject="person_id", without=("role",), summary="How the caller wants to be written to."),
    Route("PUT", "/v1/me/preferences", (CUSTOMER, RESTAURANT, COURIER), "Notifications.set_preferences",
          subject="person_id", without=("role",),
          summary="Say how the caller wants to be written to. What is not given is unset."),
    Route("GET", "/v1/people/{person_id}/preferences/{role}", (OPERATOR,), "Notifications.get_preferences"),
    Route("PUT", "/v1/people/{person_id}/preferences/{role}", (OPERATOR,), "Notifications.set_preferences"),
    Route("GET", "/v1/messages", (OPERATOR,), "Notifications.list_messages"),
    # restaurants
    Route("POST", "/v1/restaurants", (OPERATOR,), "Restaurants.create", 201),
    Route("GET", "/v1/restaurants", ANYONE, "Restaurants.list_all"),
    Route("GET", "/v1/search/restaurants", ANYONE, "Restaurants.search"),
    Route("GET", "/v1/restaurants/{restaurant_id}", ANYONE, "Restaurants.get"),
    Route("PUT", "/v1/restaurants/{restaurant_id}/hours", (RESTAURANT, OPERATOR), "Restaurants.set_hours"),
    Route("PUT", "/v1/restaurants/{restaurant_id}/accepting", (RESTAURANT, OPERATOR),
          "Restaurants.set_accepting"),
    Route("PUT", "/v1/restaurants/{restaurant_id}/special-days", (RESTAURANT, OPERATOR),
          "Restaurants.set_special_days"),
    Route("PUT", "/v1/restaurants/{restaurant_id}/profile", (RESTAURANT, OPERATOR),
          "Restaurants.set_profile"),
    Route("PUT", "/v1/restaurants/{restaurant_id}/delivery", (RESTAURANT, OPERATOR),
          "Restaurants.set_delivery"),
    Route("PUT", "/v1/restaurants/{restaurant_id}/busy", (RESTAURANT, OPERATOR), "Restaurants.set_busy"),
    Route("PUT", "/v1/restaurants/{restaurant_id}/pause", (RESTAURANT, OPERATOR), "Restaurants.pause"),
    Route("GET", "/v1/restaurants/{restaurant_id}/readiness", (RESTAURANT, OPERATOR),
          "Restaurants.readiness"),
    _status("go-live", "go_live", "Nothing is missing: customers see it from now on."),
    _status("suspend", "suspend", "No new orders; those under way go on."),
    _status("reinstate", "reinstate", "Take orders again."),
    Route("GET", "/v1/restaurants/{restaurant_id}/menu", ANYONE, "Restaurants.get_menu"),
    Route("PUT", "/v1/restaurants/{restaurant_id}/menu", (RESTAURANT, OPERATOR), "Restaurants.set_menu",
          body_bytes_max=1024 * 1024),
    Route("GET", "/v1/restaurants/{restaurant_id}/menu/export", (RESTAURANT, OPERATOR),
          "Restaurants.export_menu"),
    Route("POST", "/v1/restaurants/{restaurant_id}/menu/import", (RESTAURANT, OPERATOR),
          "Restaurants.import_menu", body_bytes_max=4 * 1024 * 1024),
    Route("GET", "/v1/restaurants/{restaurant_id}/stock", (RESTAURANT, OPERATOR), "Restaurants.get_stock"),
    Route("POST", "/v1/restaurants/{restaurant_id}/stock", (RESTAURANT, OPERATOR), "Restaurants.add_stock",
          headers={"idempotency_key": "Idempotency-Key"}),
    Route("POST", "/v1/restaurants/{restaurant_id}/staff", (RESTAURANT, OPERATOR), "Users.invite_staff", 201),
    Route("GET", "/v1/restaurants/{restaurant_id}/staff", (RESTAURANT, OPERATOR), "Users.list_staff"),
    Route("DELETE", "/v1/restaurants/{restaurant_id}/staff/{member_id}", (RESTAURANT, OPERATOR),
          "Users.remove_staff"),
    # webhooks
    Route("POST", "/v1/restaurants/{restaurant_id}/webhooks", (RESTAURANT, OPERATOR), "Webhooks.create", 201,
          without=("partner_id",)),
    Route("GET", "/v1/restaurants/{restaurant_id}/webhooks", (RESTAURANT, OPERATOR),
          "Webhooks.list_endpoints", without=("partner_id",), summary="The restaurant's endpoints."),
    Route("POST", "/v1/partners/{partner_id}/webhooks", (OPERATOR,), "Webhooks.create", 201,
          without=("restaurant_id",)),
    Route("GET", "/v1/partners/{partner_id}/webhooks", (OPERATOR,), "Webhooks.list_endpoints",
          without=("restaurant_id",), summary="The partner's endpoints."),
    Route("GET", "/v1/webhook-endpoints/{endpoint_id}", (RESTAURANT, OPERATOR), "Webhooks.get"),
    Route("PUT", "/v1/webhook-endpoints/{endpoint_id}", (RESTAURANT, OPERATOR), "Webhooks.change"),
    Route("DELETE", "/v1/webhook-endpoints/{endpoint_id}", (RESTAURANT, OPERATOR), "Webhooks.remove"),
    Route("POST", "/v1/webhook-endpoints/{endpoint_id}/secrets", (RESTAURANT, OPERATOR),
          "Webhooks.rotate_secret", 201),
    Route("POST", "/v1/webhook-endpoints/{endpoint_id}/ping", (RESTAURANT, OPERATOR), "Webhooks.ping", 201),
    Route("POST", "/v1/webhook-endpoints/{endpoint_id}/replay", (RESTAURANT, OPERATOR), "Webhooks.replay"),
    Route("GET", "/v1/webhook-endpoints/{endpoint_id}/deliveries", (RESTAURANT, OPERATOR),
          "Webhooks.list_deliveries"),
    Route("GET", "/v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}", (RESTAURANT, OPERATOR),
          "Webhooks.get_delivery"),
    Route("POST", "/v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/replay",
          (RESTAURANT, OPERATOR), "Webhooks.replay_delivery"),
    Route("PUT", "/v1/restaurants/{restaurant_id}/partners/{partner_id}", (RESTAURANT, OPERATOR),
          "Webhooks.let_partner"),
    Route("DELETE", "/v1/restaurants/{restaurant_id}/partners/{partner_id}", (RESTAURANT, OPERATOR),
          "Webhooks.stop_partner"),
    Route("GET", "/v1/restaurants/{restaurant_id}/partners", (RESTAURANT, OPERATOR),
          "Webhooks.list_partners"),
    # orders
    Route("POST", "/v1/quotes", (CUSTOMER,), "Orders.quote"),
    Route(
        "POST", "/v1/orders", (CUSTOMER,), "Orders.place", 201,
        headers={"idempotency_key": "Idempotency-Key"},
    ),
    Route("GET", "/v1/orders", (CUSTOMER,), "Orders.list_orders", subject="customer_id",
          without=("restaurant_id",),
          summary="The customer's own orders, newest first."),
    Route("GET", "/v1/restaurants/{restaurant_id}/orders", (RESTAURANT, OPERATOR), "Orders.list_orders",
          without=("customer_id",),
          summary="The restaurant's orders, newest first."),
    Route("GET", "/v1/customers/{customer_id}/orders", (OPERATOR,), "Orders.list_orders",
          without=("restaurant_id",),
          summary="A customer's orders, newest first."),
    Route("GET", "/v1/orders/{order_id}", ANYONE, "Orders.get"),
    Route("GET", "/v1/orders/{order_id}/timeline", ANYONE, "Orders.timeline"),
    _advance("accept", "accepted", (RESTAURANT, OPERATOR), "The restaurant takes the order."),
    _advance("reject", "rejected", (RESTAURANT, OPERATOR), "The restaurant declines the order."),
    _advance("assign-courier", "courier_assigned", (COURIER, OPERATOR), "A courier takes the delivery.",
             without=()),
    _advance("ready", "prepared", (RESTAURANT, OPERATOR), "The food is packed."),
    _advance("pick-up", "picked_up", (COURIER, OPERATOR), "The courier has the food."),
    _advance("deliver", "delivered", (COURIER, OPERATOR), "The customer has the food."),
    _advance("complete", "completed", (CUSTOMER, OPERATOR), "All is well."),
    _advance("cancel", "cancelled", (CUSTOMER, OPERATOR), "Call the order off."),
    # orders of a monolith on their way here
    Route("POST", "/v1/legacy/{source}/orders", (OPERATOR,), "Orders.adopt", body_bytes_max=4 * 1024 * 1024),
    Route("POST", "/v1/legacy/{source}/lookup", (OPERATOR,), "Orders.legacy"),
    Route("POST", "/v1/legacy/{source}/as-adopted", (OPERATOR,), "Orders.adopted"),
    Route("POST", "/v1/legacy/{source}/release", (OPERATOR,), "Orders.release"),
    # payments
    Route("POST", "/v1/orders/{order_id}/payments", (CUSTOMER,), "Payments.pay", 201),
    Route("GET", "/v1/orders/{order_id}/payments", (CUSTOMER, OPERATOR), "Payments.list_payments"),
    Route("POST", "/v1/payments/{payment_id}/capture", (OPERATOR,), "Payments.capture_payment"),
    Route("POST", "/v1/payments/{payment_id}/void", (OPERATOR,), "Payments.void_payment"),
    Route("POST", "/v1/payments/{payment_id}/refunds", (OPERATOR,), "Payments.refund", 201,
          headers={"key": "Idempotency-Key"}, without=("order_id",),
          summary="Give back by hand some of a payment whose order fell without a case."),
    Route("POST", "/v1/orders/{order_id}/refunds", (OPERATOR,), "Payments.refund", 201,
          headers={"key": "Idempotency-Key"}, without=("payment_id",),
          summary="Give back by hand some of what was paid for an order that fell without a case."),
    Route("GET", "/v1/refunds/{refund_id}", (OPERATOR,), "Payments.find_refund"),
    # the books: balances, settlements, what has come in
    Route("GET", "/v1/me/balances", EARNERS_AND_CUSTOMERS, "Ledger.holdings", party="party",
          summary="What the platform owes the caller, and the caller the platform."),
    Route("GET", "/v1/parties/{party}/balances", (OPERATOR,), "Ledger.holdings"),
    Route("GET", "/v1/accounts/{account}", (OPERATOR,), "Ledger.balance"),
    Route("GET", "/v1/orders/{order_id}/entries", (OPERATOR,), "Ledger.entries"),
    Route("GET", "/v1/me/settlements", EARNERS, "Ledger.list_settlements", party="party",
          summary="What the caller has been settled and paid."),
    Route("GET", "/v1/me/settlements.csv", EARNERS, "Ledger.settlements_csv", party="party", csv="csv",
          summary="The same as CSV."),
    Route("GET", "/v1/parties/{party}/settlements", (OPERATOR,), "Ledger.list_settlements"),
    Route("GET", "/v1/waiting-settlements", (OPERATOR,), "Ledger.waiting_settlements"),
    Route("GET", "/v1/settlements/{settlement_id}/statement.csv", (*EARNERS, OPERATOR),
          "Ledger.settlement_statement", csv="csv"),
    Route("POST", "/v1/settlements/{settlement_id}/payout", (OPERATOR,), "Ledger.record_payout"),
    Route("POST", "/v1/couriers/{courier_id}/cash", (OPERATOR,), "Ledger.record_cash", 201),
    Route("DELETE", "/v1/couriers/{courier_id}/cash/{reference}", (OPERATOR,), "Ledger.undo_cash"),
    Route("POST", "/v1/providers/{provider}/payouts", (OPERATOR,), "Ledger.record_provider_payout", 201),
    Route("DELETE", "/v1/providers/{provider}/payouts/{reference}", (OPERATOR,),
          "Ledger.undo_provider_payout"),
    # cases: undoing
    Route("POST", "/v1/orders/{order_id}/cases/quote", PARTIES, "Reverse.quote"),
    Route("POST", "/v1/orders/{order_id}/cases", PARTIES, "Reverse.open", 201,
          headers={"idempotency_key": "Idempotency-Key"}),
    Route("GET", "/v1/orders/{order_id}/cases", PARTIES, "Reverse.list_cases",
          without=("customer_id", "restaurant_id", "cursor", "limit"),
          summary="The order's cases, newest first."),
    Route("GET", "/v1/cases", (CUSTOMER,), "Reverse.list_cases", subject="customer_id",
          without=("restaurant_id", "order_id"), summary="The customer's own cases, newest first."),
    Route("GET", "/v1/restaurants/{restaurant_id}/cases", (RESTAURANT, OPERATOR), "Reverse.list_cases",
          without=("customer_id", "order_id"), summary="The restaurant's cases, newest first."),
    Route("GET", "/v1/waiting-cases", (OPERATOR,), "Reverse.list_cases",
          without=("customer_id", "restaurant_id", "order_id"),
          summary="Everybody's cases that wait in a state, the most urgent first."),
    Route("GET", "/v1/cases/{case_id}", PARTIES, "Reverse.get"),
    _case("withdraw", "withdrawn", (CUSTOMER,), "The customer asks no more."),
    _case("dispute", "disputed", (CUSTOMER,), "The customer takes a rejection to an operator."),
    _case("approve", "approved", (RESTAURANT, OPERATOR), "Agree: what the case says is carried out."),
    _case("reject", "rejected", (RESTAURANT, OPERATOR), "Do not agree; the customer may go to an operator."),
    _case("dismiss", "dismissed", (OPERATOR,), "Decide an arbitration against the customer."),
    _case("credit", "credited", (OPERATOR,), "Owe the customer what could not be given back."),
    _case("evidence", "evidence_added", PARTIES, "Add words or pictures."),
)  # fmt: skip
