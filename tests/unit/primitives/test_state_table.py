"""A state table, looked up and shown, by one made up for it."""

from typing import NamedTuple

from tiffin.primitives.state_table import StateTable, state_page


class Step(NamedTuple):
    source: str | None
    event: str
    target: str
    who: tuple[str, ...]
    guards: tuple[str, ...] = ()
    starts: str | None = None
    why: str = "So it is."


SOWN = Step(None, "sown", "seed", ("farmer",), starts="spring")
RAIN = Step("seed", "watered", "plant", ("system",), ("has_earth",), "same")
CAN = Step("seed", "watered", "plant", ("farmer",))
CUT = Step("plant", "cut", "hay", ("farmer",))
EDGES = (SOWN, RAIN, CAN, CUT)


def test_a_table_knows_what_leaves_a_state_and_who_may_ever_say_what() -> None:
    table = StateTable(EDGES)
    assert table.edges_from(None, "sown") == [SOWN]
    assert table.edges_from("seed", "watered") == [RAIN, CAN]
    assert not table.edges_from("plant", "watered") and not table.edges_from("seed", "burnt")
    assert table.events == {"sown", "watered", "cut"}
    assert table.who == {"sown": {"farmer"}, "watered": {"system", "farmer"}, "cut": {"farmer"}}


def test_a_page_has_every_move_what_happens_by_itself_and_the_columns_it_is_given() -> None:
    page = state_page(EDGES, {"seed": "watered"}, frozenset({"hay"}), {"tool": {CUT: "scythe"}})
    assert (
        "    [*] --> seed: sown\n    seed --> plant: watered\n    plant --> hay: cut\n    hay --> [*]" in page
    )
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert rows[0] == "| from | event | to | who | only if | deadline that begins | tool | why |"
    assert rows[3] == "| seed | watered (by itself) | plant | system | has earth | the same |  | So it is. |"
    assert rows[5] == "| plant | cut | hay | farmer |  |  | scythe | So it is. |"
