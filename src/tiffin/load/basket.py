"""What a customer puts into the basket: five lines and six portions at the median."""

from random import Random

from tiffin.load.catalogue import Menu
from tiffin.rpc import contracts as c

LINES = {1: 8, 2: 11, 3: 13, 4: 15, 5: 15, 6: 13, 7: 10, 8: 7, 9: 5, 10: 3}
"""Lines in a basket, and how many baskets of a hundred have so many."""

QUANTITIES = {1: 85, 2: 12, 3: 3}
SPECIAL_WANTED = 0.25
OPTION_WANTED = 0.3


def draw_basket(menu: Menu, minimum_subtotal: int, rng: Random) -> list[c.BasketLine]:
    """Dishes of the menu that together reach the restaurant's minimum."""
    usual = [item for item in menu.items if not item.limited]
    wanted = rng.choices(list(LINES), list(LINES.values()))[0]
    chosen = rng.sample(usual, min(wanted, len(usual)))
    lines = [_line(item, rng) for item in chosen]
    lines += [
        c.BasketLine(item_id=item.id, quantity=1)
        for item in menu.items
        if item.limited and rng.random() < SPECIAL_WANTED
    ]
    subtotal = sum(item.price * line.quantity for item, line in zip(chosen, lines, strict=False))
    if subtotal < minimum_subtotal:
        lines[0].quantity += -(-(minimum_subtotal - subtotal) // chosen[0].price)
    return lines


def without_limited(lines: list[c.BasketLine], menu: Menu) -> list[c.BasketLine]:
    """The same basket for a customer who has heard that the limited dishes are sold out."""
    return [line for line in lines if line.item_id not in menu.portions]


def _line(item: c.MenuItem, rng: Random) -> c.BasketLine:
    quantity = rng.choices(list(QUANTITIES), list(QUANTITIES.values()))[0]
    options = [rng.choice(item.options).id] if item.options and rng.random() < OPTION_WANTED else None
    return c.BasketLine(item_id=item.id, quantity=quantity, options=options)
