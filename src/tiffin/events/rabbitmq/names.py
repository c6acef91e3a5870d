"""What there is on the broker, and making sure that it is there."""

from pamqp import commands
from pamqp.common import FieldTable

from tiffin.events.consumer import Consumer
from tiffin.events.rabbitmq.connection import Connection
from tiffin.events.rabbitmq.messages import BATCHES, EVENTS

DEAD = "tiffin.dead"
"""Exchange and queue of messages that were rejected or came back too often. A consumer's own dead letters are
in the database; here is what never got so far."""
DEAD_MAX = 10_000
DELIVERY_LIMIT = 20
EVERYTHING = "#"


def queue_of(consumer: str) -> str:
    """The queue of a consumer."""
    return f"tiffin.{consumer}"


def sink_of(consumer: str) -> str:
    """The queue, of no length, that stands in for that of a consumer that reads the log for a while: what it
    would have got counts as taken."""
    return f"tiffin.{consumer}.cut"


def keys_of(consumer: Consumer) -> list[tuple[str, str]]:
    """The exchange and the routing keys that bring what a consumer wants."""
    if consumer.batches:
        return [(BATCHES, EVERYTHING)]
    return [(EVENTS, type_) for type_ in sorted(consumer.types or (EVERYTHING,))]


async def declare_exchanges(connection: Connection) -> None:
    """The exchanges, and the queue for what nobody can take. Harmless if they are there."""
    for exchange, kind in ((EVENTS, "topic"), (BATCHES, "topic"), (DEAD, "headers")):
        declare = commands.Exchange.Declare(exchange=exchange, exchange_type=kind, durable=True)
        await connection.ask(declare, commands.Exchange.DeclareOk)
    await _declare_queue(connection, DEAD, {"x-queue-type": "quorum", "x-max-length": DEAD_MAX})
    # What a queue drops for its length is in the log, and no dead letter.
    for reason in ("delivery_limit", "rejected"):
        arguments: FieldTable = {"x-match": "any-with-x", "x-first-death-reason": reason}
        bind = commands.Queue.Bind(queue=DEAD, exchange=DEAD, arguments=arguments)
        await connection.ask(bind, commands.Queue.BindOk)


async def declare_queue(connection: Connection, consumer: Consumer) -> None:
    """The queue of a consumer, bound to what it wants, and no sink in its place.

    Nobody may be there to cut it when it gets too long: then it drops what came first, which is in the log.
    """
    queue = queue_of(consumer.name)
    await _declare_queue(connection, queue, {
        "x-queue-type": "quorum", "x-single-active-consumer": True, "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD, "x-max-length": 2 * consumer.depth_max, "x-overflow": "drop-head",
    })  # fmt: skip
    await _bind(connection, queue, consumer)
    await _delete(connection, sink_of(consumer.name))


async def cut_queue(connection: Connection, consumer: Consumer) -> None:
    """The queue gets nothing more, if there is one, and a sink in its place does.

    It is not deleted. Whoever publishes to a quorum queue that is being deleted may wait for confirms that do
    not come, be refused, or lose the channel (541).
    """
    sink = sink_of(consumer.name)
    await _declare_queue(connection, sink, {"x-max-length": 0})
    await _bind(connection, sink, consumer)
    await _unbind(connection, queue_of(consumer.name), consumer)


async def empty_queue(connection: Connection, consumer: Consumer) -> None:
    """Nothing waits in the queue any more."""
    await connection.ask(commands.Queue.Purge(queue=queue_of(consumer.name)), commands.Queue.PurgeOk)


async def delete_queue(connection: Connection, consumer: Consumer) -> None:
    """No queue of the consumer any more, and nothing in its place."""
    await _unbind(connection, queue_of(consumer.name), consumer)
    await _delete(connection, queue_of(consumer.name))


async def depth_of(connection: Connection, consumer: str) -> int:
    """How many messages wait in a consumer's queue, delivered ones not counted."""
    declare = commands.Queue.Declare(queue=queue_of(consumer), passive=True)
    return (await connection.ask(declare, commands.Queue.DeclareOk)).message_count or 0


async def _declare_queue(connection: Connection, queue: str, arguments: FieldTable) -> None:
    declare = commands.Queue.Declare(queue=queue, durable=True, arguments=arguments)
    await connection.ask(declare, commands.Queue.DeclareOk)


async def _bind(connection: Connection, queue: str, consumer: Consumer) -> None:
    for exchange, key in keys_of(consumer):
        bind = commands.Queue.Bind(queue=queue, exchange=exchange, routing_key=key)
        await connection.ask(bind, commands.Queue.BindOk)


async def _unbind(connection: Connection, queue: str, consumer: Consumer) -> None:
    for exchange, key in keys_of(consumer):
        unbind = commands.Queue.Unbind(queue=queue, exchange=exchange, routing_key=key)
        await connection.ask(unbind, commands.Queue.UnbindOk)


async def _delete(connection: Connection, queue: str) -> None:
    await connection.ask(commands.Queue.Delete(queue=queue), commands.Queue.DeleteOk)
