"""`tiffin bench events`: what is measured is what was done."""

from prometheus_samples import counted
from rabbitmq_broker import Broker
from tiffin.cli.clock import utc_now
from tiffin.load.events_bench import Bench, Form
from tiffin.storage.node import Node

EVENTS = 300


async def test_the_relay_publishes_the_events_of_its_own_measurement_and_none_of_those_before(
    log: Node, broker: Broker
) -> None:
    bench = Bench(log, broker.url(), {}, utc_now)
    forms: tuple[Form, ...] = ("log", "rabbitmq", "rabbitmq, batches")
    for form in forms:
        before = await _rows(log)
        published = counted("tiffin_relay_messages")
        result = await bench.run(form, EVENTS, seconds=0.05)
        appended = await _rows(log) - before
        assert appended > EVENTS, "some while the lag was measured"
        singles_and_batches = counted("tiffin_relay_messages") - published
        if form == "log":
            assert (result.publish, singles_and_batches) == (None, 0)
        elif form == "rabbitmq":  # nobody takes batches
            assert singles_and_batches == appended
        else:  # nobody takes single ones
            assert 0 < singles_and_batches < appended


async def _rows(log: Node) -> int:
    row = await log.fetchrow("SELECT count(*) FROM log.events")
    assert row is not None
    return row[0]
