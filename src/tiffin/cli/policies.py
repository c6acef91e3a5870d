"""`tiffin fees`, `tiffin rules`: versions listed, and added from files."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from tiffin.cli.clock import utc_now
from tiffin.cli.config import Config, ConfigError
from tiffin.cli.nodes import open_nodes
from tiffin.primitives.errors import Refusal
from tiffin.services.payments.ledger import policies as fees
from tiffin.services.payments.ledger.policy import Fees
from tiffin.services.payments.ledger.policy import Policy as FeesVersion
from tiffin.services.reverse import policies as rules
from tiffin.services.reverse.policy import Policy as RulesVersion
from tiffin.services.reverse.policy import Terms
from tiffin.sharding.router import Router
from tiffin.storage.versions import VersionsTable

AHEAD = timedelta(minutes=10)
"""When a version begins of which nobody says when: a little more than it has to be."""


class PolicyError(ConfigError):
    """A file that is no version, or a version that cannot begin then; the message says why."""


@dataclass(frozen=True)
class Kind:
    """Something that there are versions of."""

    name: str
    table: VersionsTable[Any, Any]
    body: type[msgspec.Struct]
    says: Callable[[Any], msgspec.Struct]


def _fees(version: FeesVersion) -> Fees:
    return version.fees


def _rules(version: RulesVersion) -> Terms:
    return version.terms


FEES = Kind("fees", fees.TABLE, Fees, _fees)
RULES = Kind("rules", rules.TABLE, Terms, _rules)


def read_file(kind: Kind, file: Path) -> msgspec.Struct:
    """What a file says. `PolicyError` for what is no TOML, or not of this kind; `OSError` as it comes."""
    try:
        return msgspec.toml.decode(file.read_bytes(), type=kind.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # of which ValidationError is one
        raise PolicyError(f"{file}: {error}") from error


async def add_version(
    config: Config, kind: Kind, file: Path, begins: datetime | None, console: Console
) -> None:
    """Add a file's version. `PolicyError` if it is none, or begins too soon or before another one."""
    body = read_file(kind, file)
    begins_at = begins or utc_now() + AHEAD
    if begins_at.tzinfo is None:
        raise PolicyError(f"{begins_at.isoformat()} names no time zone: append Z, or an offset")
    async with open_nodes(config) as nodes:
        directory = (await Router.open(nodes.all)).directory
        try:
            number = await kind.table.add(directory, begins_at, body)
        except Refusal as refusal:
            raise PolicyError(refusal.message) from refusal
    console.print(f"Version {number} of the {kind.name} begins at {_moment(begins_at)}.", highlight=False)


async def list_versions(config: Config, kind: Kind, console: Console) -> None:
    """Every version, the latest first; of each what differs from the usual."""
    async with open_nodes(config) as nodes:
        versions = await kind.table.read((await Router.open(nodes.all)).directory)
    now = utc_now()
    held = versions.at(now).version
    table = Table("version", title=f"Versions of the {kind.name}", title_justify="left")
    for column in ("begins at", ""):
        table.add_column(column, no_wrap=True)
    table.add_column("what differs from the usual", overflow="fold")
    for each in reversed(list(versions)):
        when = "holds now" if each.version == held else "is to come" if each.begins_at > now else ""
        table.add_row(str(each.version), _moment(each.begins_at), when, _differs(kind, each))
    console.print(table)


def _differs(kind: Kind, version: Any) -> str:
    says, usual = msgspec.to_builtins(kind.says(version)), msgspec.to_builtins(kind.body())
    differs = {name: value for name, value in says.items() if value != usual[name]}
    lines = [f"{name} = {msgspec.json.encode(value).decode()}" for name, value in differs.items()]
    return "\n".join(lines) or "nothing"


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
