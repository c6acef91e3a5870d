"""Notifications: messages to people, and their delivery.

Owns: the schema `notifications` (messages and preferences, in the customer dimension by person; counts),
the templates, and the table of who is told what. May import: events, rpc, sharding, storage, primitives;
Babel for money in a reader's language, Apprise for providers. Is given orders, restaurants and users.
Publishes nothing. Never on the way of an order: it reads the log afterwards. Never keeps where a person can
be reached: that is looked up when a message is sent. Never keeps a secret once it has been sent or is over.
"""
