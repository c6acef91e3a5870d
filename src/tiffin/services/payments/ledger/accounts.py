"""Accounts, by name: `restaurant:r1`. No list of them is kept: an account is there once something is posted.

A balance is what the platform owes the account's holder; negative, what the holder owes the platform. So
the money that lies at a provider or a bank is a negative balance, and the platform's earnings a positive one.
"""

BANK = "platform:bank"
"""Where providers pay to, and payouts are paid from."""
COMMISSION = "platform:revenue:commission"
DELIVERY_FEES = "platform:revenue:delivery_fee"
SMALL_ORDER_FEES = "platform:revenue:small_order_fee"
COURIER_PAY = "platform:cost:courier_pay"
PROVIDER_FEES = "platform:cost:provider_fees"
COMPENSATION = "platform:cost:compensation"
"""What the platform bears when something went wrong."""
SETTLEMENTS = "platform:settlements"
"""Settled, and not paid out yet: told to its party in a statement."""

NO_COURIER = "unassigned"
"""Who holds the cash of an order that nobody is known to have carried."""


def customer(customer_id: str) -> str:
    """What a customer has paid and not yet got, or got back."""
    return f"customer:{customer_id}"


def credit(customer_id: str) -> str:
    """What a customer is owed and may pay with: their balance. The database keeps it from below zero."""
    return f"credit:{customer_id}"


def held(customer_id: str) -> str:
    """What of a customer's balance is promised to payments under way."""
    return f"held:{customer_id}"


def restaurant(restaurant_id: str) -> str:
    """What a restaurant has earned and not been settled."""
    return f"restaurant:{restaurant_id}"


def courier(courier_id: str) -> str:
    """What a courier has earned and not been settled."""
    return f"courier:{courier_id}"


def cash(courier_id: str | None) -> str:
    """Cash in a courier's hands, which is the platform's: below zero until it is handed in."""
    return f"cash:{courier_id or NO_COURIER}"


def clearing(provider: str) -> str:
    """Money that a provider has taken for us and not paid on."""
    return f"provider:clearing:{provider}"


def subsidy(programme: str) -> str:
    """What the platform gives for a campaign, a voucher or a membership."""
    return f"platform:subsidy:{programme}"


def of_party(party: str) -> list[str]:
    """The accounts of `customer:<id>`, `restaurant:<id>` or `courier:<id>` that say what is owed to whom."""
    role, _, holder_id = party.partition(":")
    if role == "customer":
        return [credit(holder_id), held(holder_id)]
    return [courier(holder_id), cash(holder_id)] if role == "courier" else [restaurant(holder_id)]


def is_settled(account: str) -> bool:
    """Whether the account's holder is paid by settlements: it then has dues in place of a balance."""
    return account.startswith(("restaurant:", "courier:"))


def holder(account: str) -> str:
    """Whose it is: the id behind the kind."""
    return account.partition(":")[2]
