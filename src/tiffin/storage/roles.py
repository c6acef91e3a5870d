"""Database roles: one a service, with exactly the privileges declared for it and no others.

A role is named after the database and the service, `tiffin_orders` in a database `tiffin`: roles belong to a
whole server, databases to one platform. Whoever asks a partitioned table needs no privilege on its
partitions, so those made later are covered.
"""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import pbkdf2_hmac, sha256
from hmac import digest
from secrets import token_bytes
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import asyncpg

from tiffin.storage.node import Connection, Node
from tiffin.storage.queries import load_queries

NAME_BYTES_MAX = 63
SCRAM_ITERATIONS = 4096
_OF_THE_OWNER = ("user", "password", "passfile", "database", "dbname")
"""What a URL's query may say of who enters, or says twice."""

_QUERIES = load_queries("tiffin.storage", "roles.sql")
_LOCK = 0x7469666604

Grant = tuple[str, str, str, str]
"""Role, kind of object (`TABLE`, `SEQUENCE`, `SCHEMA`, `DATABASE`), its name, privilege."""

PasswordOf = Callable[[str], str]
"""The password of a role, by the role's whole name."""


class RoleError(Exception):
    """A role cannot be made or used; the message says what to do."""


@dataclass(frozen=True)
class Role:
    """A service's role. `privileges` by table (`log.events`) or whole schema (`orders.*`).

    Of a whole schema's sequences the role gets the use.
    """

    service: str
    privileges: Mapping[str, Sequence[str]]


def role_name(database: str, service: str) -> str:
    """The role of a service in a database. `RoleError` if PostgreSQL would cut the name off."""
    name = f"{database}_{service}"
    if len(name.encode()) > NAME_BYTES_MAX:
        raise RoleError(f"the role {name} would have more than {NAME_BYTES_MAX} bytes: rename the database")
    return name


def role_url(url: str, service: str, password_of: PasswordOf) -> str:
    """The address of a database, for the role of a service. What the URL says of a user gives way."""
    parts = urlsplit(without_owner(url))
    role = role_name(unquote(parts.path[1:]), service)
    who = f"{quote(role, safe='')}:{quote(password_of(role), safe='')}"
    return urlunsplit(parts._replace(netloc=f"{who}@{parts.netloc}"))


def without_owner(url: str) -> str:
    """The address of a database without who enters it and how. `RoleError` if it names no database."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    named = unquote(parts.path.lstrip("/")) or options.get("database") or options.get("dbname")
    user = options.get("user") or parts.username
    database = named or (user and unquote(user))
    if not database:
        raise RoleError("the URL of a node names no database")
    kept = {key: value for key, value in options.items() if key not in _OF_THE_OWNER}
    hosts = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, hosts, f"/{quote(database, safe='')}", urlencode(kept), ""))


async def open_as(name: str, url: str, service: str, password_of: PasswordOf) -> Node:
    """A node, entered as the role of a service. `RoleError` if it is not let in."""
    try:
        return await Node.open(name, role_url(url, service, password_of))
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise RoleError(
            f"node {name} does not let {service} in ({error}): either its owner has not run `tiffin migrate` "
            "yet, or the data directory has another `secret` than the one the roles were made with"
        ) from None


async def apply_roles(
    node: Node, roles: Sequence[Role], password_of: PasswordOf, new_passwords: bool = False
) -> None:
    """Make the roles that are missing, grant what they lack, take away what they have too much.

    The node is the owner's, who must be allowed to create roles if one is missing, else `RoleError`. A role
    that is there keeps its password unless `new_passwords`. Safe to run twice and by two processes at once.
    """
    connection = await node.connect()
    try:
        await connection.execute(_QUERIES["lock"], _LOCK)
        row = await connection.fetchrow(_QUERIES["whoami"])
        assert row is not None
        database: str = row["database"]
        names = {role.service: role_name(database, role.service) for role in roles}
        known = {role["role"] for role in await connection.fetch(_QUERIES["known"], list(names.values()))}
        changing = [name for name in names.values() if new_passwords or name not in known]
        if changing and not row["may_create"]:
            raise RoleError(
                f"node {node.name}: {row['owner']} may not create roles or change their passwords "
                f'({", ".join(changing)}): let an administrator run ALTER ROLE "{row["owner"]}" CREATEROLE'
            )
        for name in changing:
            verb, verifier = "ALTER" if name in known else "CREATE", _scram(password_of(name))
            await connection.execute(f"{verb} ROLE \"{name}\" LOGIN PASSWORD '{verifier}'")
        statements = await _changes(connection, roles, names, database)
        if await connection.fetchval(_QUERIES["public_may_create"]):
            statements.append(f'REVOKE TEMPORARY ON DATABASE "{database}" FROM PUBLIC')
        if statements:
            await connection.execute(";\n".join(statements))
    finally:
        await connection.close()


async def _changes(
    connection: Connection, roles: Sequence[Role], names: Mapping[str, str], database: str
) -> list[str]:
    """From what is granted to what is wanted."""
    wanted: set[Grant] = set()
    for role in roles:
        wanted |= await _wanted(connection, role, names[role.service], database)
    granted: set[Grant] = {
        (row["role"], row["kind"], row["object"], row["privilege"])
        for row in await connection.fetch(_QUERIES["granted"], list(names.values()))
    }
    return [
        *(_sentence("GRANT", "TO", grant) for grant in sorted(wanted - granted)),
        *(_sentence("REVOKE", "FROM", grant) for grant in sorted(granted - wanted)),
    ]


async def _wanted(connection: Connection, role: Role, name: str, database: str) -> set[Grant]:
    schemas = {pattern.partition(".")[0] for pattern in role.privileges}
    relations = await connection.fetch(_QUERIES["relations"], sorted(schemas))
    wanted: set[Grant] = {(name, "DATABASE", database, "CONNECT")}
    wanted |= {(name, "SCHEMA", schema, "USAGE") for schema in schemas}
    for pattern, privileges in role.privileges.items():
        schema, _, relation = pattern.partition(".")
        meant = [row for row in relations if row["schema"] == schema and relation in ("*", row["name"])]
        if not meant and relation != "*":
            raise LookupError(f"the role {role.service} is to be given {pattern}, which there is not")
        for row in meant:
            kind = "SEQUENCE" if row["is_sequence"] else "TABLE"
            given = ("USAGE",) if row["is_sequence"] else privileges
            wanted |= {(name, kind, f"{schema}.{row['name']}", privilege) for privilege in given}
    return wanted


def _sentence(verb: str, preposition: str, grant: Grant) -> str:
    role, kind, name, privilege = grant
    place = name.replace(".", '"."', 1) if kind in ("TABLE", "SEQUENCE") else name
    return f'{verb} {privilege} ON {kind} "{place}" {preposition} "{role}"'


def _scram(password: str) -> str:
    """What PostgreSQL keeps of a password (RFC 5803): the password itself is in no statement and no log."""
    salt = token_bytes(16)
    salted = pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    stored = sha256(digest(salted, b"Client Key", "sha256")).digest()
    server = digest(salted, b"Server Key", "sha256")
    text = [b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{text[0]}${text[1]}:{text[2]}"
