"""The statements of `users`."""

from tiffin.storage.queries import load_queries

QUERIES = load_queries("tiffin.services.users")
