"""RabbitMQ as a transport of the log: a relay that broadcasts it, and consumers that listen.

Owns: the exchanges, the consumers' queues, the form of a message; connections to the broker.
May import: the log beside it, storage, primitives. Never knows a service, and never is the truth: what the
broker loses, doubles or never had is read from the log (docs/events.md).
"""
