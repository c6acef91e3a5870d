"""The source of a mapping, whichever database it is."""

from tiffin.migration.mapping import Mapping
from tiffin.migration.sources import Source
from tiffin.migration.sources.mariadb import MariadbSource
from tiffin.migration.sources.postgresql import PostgresqlSource


def open_source(mapping: Mapping) -> Source:
    """Connects when it is asked for the first time."""
    is_postgresql = mapping.source.url.startswith("postgres")
    return PostgresqlSource(mapping) if is_postgresql else MariadbSource(mapping)
