"""How long events gather before they are read, by the number of nodes."""

from tiffin.cli.parts.part import COPY_GATHERS_S, EFFECTS_GATHER_S, GATHER_MAX_S, gathered_s


def test_on_one_node_events_gather_as_long_as_their_consumer_says():
    assert gathered_s(COPY_GATHERS_S, 1) == COPY_GATHERS_S


def test_on_many_nodes_they_gather_longer_but_nobody_waits_for_long():
    assert gathered_s(COPY_GATHERS_S, 4) == 4 * COPY_GATHERS_S
    assert gathered_s(COPY_GATHERS_S, 100) == gathered_s(EFFECTS_GATHER_S, 8) == GATHER_MAX_S


def test_who_gathers_for_longer_anyway_is_left_alone():
    assert gathered_s(0.5, 8) == 0.5
