"""Prometheus metrics: what those who count share. The registry is handed to them by the composition root."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST

DURATION_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a cached answer to the deadline of a request."""


def exposition(registry: CollectorRegistry) -> bytes:
    """Everything in the registry, in the text format (`CONTENT_TYPE`)."""
    return generate_latest(registry)
