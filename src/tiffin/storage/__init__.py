"""PostgreSQL: connections, statements, schema migrations, group commit, the embedded server.

Owns: how bytes reach a database and come back. Knows no table but its own record of migrations.
May import: primitives, observability. Never knows an order.
"""
