"""A payment provider to try things with: an HTTP server with a memory and a statement of its own.

Owns: its journal, one file. Imports nothing of Tiffin, as any provider. What happens to a charge is
scripted by its source (`scripts`). Never moves money.
"""

from tiffin.services.payments.sandbox.app import KEEP_ALIVE_S, Delays, create_app

__all__ = ["KEEP_ALIVE_S", "Delays", "create_app"]
