"""The documentation's table is the program's."""

from tiffin.services.orders.state_page import PAGE, page


def test_the_page_of_states_is_what_the_table_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tiffin.services.orders.state_page"
