"""Who may know of an order. To everybody else it does not exist."""

from tiffin.rpc.contracts import Caller
from tiffin.services.orders.order import OrderRow


def may_see(caller: Caller, row: OrderRow) -> bool:
    """Its customer, its restaurant, its courier; a courier also what waits for one; operators everything."""
    match caller.role:
        case "customer":
            return row.customer_id == caller.id
        case "restaurant":
            return row.restaurant_id == caller.id
        case "courier":
            waiting = row.courier_id is None and row.state in ("preparing", "ready")
            return waiting or row.courier_id == caller.id
        case _:
            return True
