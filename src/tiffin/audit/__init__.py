"""The audit: proof that everything the platform has stored fits together.

Owns no data. The one place that may look into every service's tables, and it only ever reads them: in short
read-only transactions, without locks, shard by shard. May import: the state tables of services, events,
sharding, storage, primitives. Publishes nothing. Never repairs.

It may run beside a working platform. What differs while a consumer is still on its way is looked at again
once the consumer has been there; only what then still differs is a difference.
"""

from tiffin.audit.audit import audit
from tiffin.audit.payments import StatementLine
from tiffin.audit.report import CHECKS, Check, Difference, Report

__all__ = ["CHECKS", "Check", "Difference", "Report", "StatementLine", "audit"]
