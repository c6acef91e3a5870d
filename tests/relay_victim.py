"""A process whose children relay, and kill themselves: `python relay_victim.py URL BROKER_URL`.

As `event_victim` does it.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from event_victim import Death, fork_for_each_line, open_node, until_drained
from tiffin.events.rabbitmq import relay
from tiffin.events.rabbitmq.publisher import Outcome, Publisher
from tiffin.events.rabbitmq.relay import NAME, Relay
from tiffin.events.rabbitmq.wire import Message

WRITTEN, IN_PART, CONFIRMED = "written", "confirmed in part", "confirmed and not remembered"
PLACES = (WRITTEN, IN_PART, CONFIRMED)


async def publish(url: str, broker_url: str, number: int) -> None:
    """Until dead; who never dies until nothing is left."""
    node = await open_node(url)
    death = Death(number, PLACES)

    class DyingPublisher(Publisher):
        async def publish(self, messages: Sequence[Message], deadline_s: float) -> Outcome:
            death.called()
            outcome = await super().publish(messages, deadline_s)
            death.at(CONFIRMED)
            return outcome

        def _send(self, messages: Sequence[Message]) -> None:
            super()._send(messages)
            death.at(WRITTEN)

        def _confirmed(self, number: int, multiple: bool, taken: bool) -> None:
            super()._confirmed(number, multiple, taken)
            death.at(IN_PART)

    relay.Publisher = DyingPublisher
    relay.GATHER_S = 0.0
    relaying = Relay(node, broker_url, lambda: datetime.now(UTC))
    await (relaying.run() if number >= 0 else until_drained(node, NAME, relaying))


def main() -> None:
    _, url, broker_url = sys.argv
    fork_for_each_line(lambda number: publish(url, broker_url, number))


if __name__ == "__main__":
    main()
