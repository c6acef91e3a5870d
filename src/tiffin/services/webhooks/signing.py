"""Headers by which a receiver knows that a delivery is ours: Standard Webhooks."""

from collections.abc import Sequence
from datetime import datetime

from standardwebhooks import Webhook


def signed_headers(delivery_id: str, body: str, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """Id, time of this attempt, and a signature by each secret, separated by blanks."""
    signatures = [Webhook(secret).sign(delivery_id, at, body) for secret in secrets]
    return {
        "content-type": "application/json",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
