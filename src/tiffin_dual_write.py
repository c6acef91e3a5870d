"""What a monolith calls while its orders move to Tiffin. One file, the standard library only, Python 3.8+.

    tiffin = Tiffin("zeus", connect, "https://tiffin.example.com", key="tk_...")

`connect` opens a DB-API connection (psycopg, PyMySQL, ...) to the monolith's own database. There `tiffin
migrate dual-write` makes two tables: `tiffin_settings`, a row that says who has the truth and who reads
where, and `tiffin_outbox`, the keys of orders that have changed. Before they are there, everything here does
nothing.

* `note(cursor, id)` in the transaction that writes an order: the key commits with the order, or neither does.
  Nothing is sent by the monolith; Tiffin fetches. If it is away, keys wait.
* `read(customer, old, new)` and `write(old, new)` call the one or the other, as the settings say.

Settings are asked for at most once in `FRESH_S`. That no write goes to the side that has not the truth does
not rest on that: every write holds the row of settings, shared, until its end, and the switch waits for it.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

FRESH_S = 1.0
"""So long settings are believed."""
IDLE_MAX = 16
"""So many connections of each kind are kept."""
TURNS_MAX = 5

Answer = TypeVar("Answer")


class Moved(Exception):
    """The truth is on the other side now: roll back. `write` then tries there."""


class TiffinError(Exception):
    """Tiffin's answer was a no: `status`, and `code` as in its documentation."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code


class TiffinAway(Exception):
    """No answer within the time, or one that says: later."""


class Settings(NamedTuple):
    """Who has the truth, and who reads where."""

    is_there: bool
    """Whether this database takes part in a migration."""
    authority: str
    """`old` or `new`."""
    by_outbox: bool
    """Whether `note` has to write keys: not where triggers or the replication stream tell of changes."""
    read_new_percent: float
    read_new_customers: frozenset[str]


NOT_THERE = Settings(False, "old", False, 0.0, frozenset())


class Tiffin:
    """One a process; may be used by any number of threads."""

    def __init__(
        self, source: str, connect: Callable[[], Any], url: str, key: str, timeout_s: float = 2.0
    ) -> None:
        self.source = source
        self._connect = connect
        self._url = urlsplit(url)
        self._headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
        self._timeout_s = timeout_s
        self._databases: list[Any] = []
        self._https: list[http.client.HTTPConnection] = []
        self._asking = threading.Lock()
        self._settings = NOT_THERE
        self._asked_s = float("-inf")

    # who has what

    def settings(self) -> Settings:
        """As of a second ago at most. Raises what the database raises."""
        if time.monotonic() - self._asked_s >= FRESH_S:
            with self._asking:
                if time.monotonic() - self._asked_s >= FRESH_S:
                    began_s = time.monotonic()
                    self._settings = self._ask()
                    self._asked_s = began_s
        return self._settings

    def authority(self) -> str:
        """`old`: the monolith's table is the truth. `new`: Tiffin is."""
        return self.settings().authority

    def reads_new(self, customer_id: object) -> bool:
        """Whether this customer's orders are read from Tiffin: for the same settings always the same."""
        settings = self.settings()
        return (
            settings.authority == "new"
            or str(customer_id) in settings.read_new_customers
            or share_of(customer_id) < settings.read_new_percent
        )

    # reading and writing

    def note(self, cursor: Any, *ids: object) -> None:
        """Say in the transaction of `cursor` that these orders have changed; after the change, before the
        commit.

        `Moved` if the old table is no longer the truth: let it roll the transaction back.
        """
        settings = self.settings()
        if not settings.is_there:
            return
        if _hold(cursor) != "old":
            raise Moved
        if settings.by_outbox:
            for each in ids:
                cursor.execute("INSERT INTO tiffin_outbox (legacy_id) VALUES (%s)", (str(each),))

    def read(self, customer_id: object, old: Callable[[], Answer], new: Callable[[], Answer]) -> Answer:
        """`new()` for those who read from Tiffin; `old()` for the others, and while it has the truth, also if
        Tiffin is away or knows nothing of it yet."""
        if not self.reads_new(customer_id):
            return old()
        try:
            return new()
        except (TiffinAway, TiffinError):
            if self.authority() == "new":
                raise
            return old()

    def write(self, old: Callable[[], Answer], new: Callable[[], Answer]) -> Answer:
        """`old()` while the monolith's table is the truth, `new()` when Tiffin is. Waits out the switch."""
        for _ in range(TURNS_MAX):
            if self.authority() == "old":
                try:
                    return old()
                except Exception as error:
                    if not isinstance(error, Moved) and _REFUSAL not in str(error):
                        raise
                    self._asked_s = float("-inf")
                    continue
            with self._database() as cursor:
                if _hold(cursor) == "new":
                    return new()
            self._asked_s = float("-inf")
        raise TiffinAway("the truth keeps changing sides")

    # Tiffin's API

    def order(self, legacy_id: object) -> dict[str, Any]:
        """An order by its old id, in the terms in which it came (`LegacyOrder`), with its `order_id`."""
        found = self._legacy("as-adopted", {"legacy_ids": [str(legacy_id)]})["orders"]
        if not found:
            raise TiffinError(404, "order_not_found", f"no order {legacy_id} of {self.source}")
        return dict(found[0]["order"], order_id=found[0]["order_id"])

    def place(self, order: dict[str, Any]) -> str:
        """Hand over an order that is new (`LegacyOrder`), for Tiffin to decide about. Its id there.

        The same again, because no answer came, makes no second one.
        """
        (adopted,) = self._legacy("orders", {"orders": [order]})["results"]
        if adopted["outcome"] == "refused" and adopted.get("code") != "taken_over":
            raise TiffinError(409, adopted.get("code", ""), adopted.get("message", ""))
        self._legacy("release", {})
        return adopted["order_id"]

    def advance(self, order_id: str, action: str, **fields: Any) -> dict[str, Any]:
        """`accept`, `ready`, `pick-up`, ...: as in Tiffin's API."""
        return self.call("POST", f"/v1/orders/{order_id}/{action}", fields)

    def close(self) -> None:
        """Let go of the connections that are kept. Further calls make new ones."""
        for connections in (self._databases, self._https):
            while connections:
                connections.pop().close()

    def _legacy(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        return self.call("POST", f"/v1/legacy/{quote(self.source)}/{what}", body)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Any other call. `TiffinError` for a no, `TiffinAway` for no answer.

        One that found a connection closed that had been kept is sent again, if it did not get through.
        """
        payload = None if body is None else json.dumps(body).encode()
        connection = self._https.pop() if self._https else None
        try:
            if connection is not None:
                try:
                    return self._exchange(connection, method, path, payload)
                except (http.client.RemoteDisconnected, ConnectionError):
                    connection.close()
            connection = self._http()
            return self._exchange(connection, method, path, payload)
        except (OSError, http.client.HTTPException) as error:
            if connection is not None:
                connection.close()
            raise TiffinAway(repr(error)) from error

    def _exchange(
        self, connection: http.client.HTTPConnection, method: str, path: str, payload: bytes | None
    ) -> dict[str, Any]:
        connection.request(method, self._url.path.rstrip("/") + path, payload, self._headers)
        response = connection.getresponse()
        content = response.read()
        if len(self._https) < IDLE_MAX:
            self._https.append(connection)
        else:
            connection.close()
        answer: Any = json.loads(content) if content else {}
        if response.status >= 500 or response.status == 429:
            raise TiffinAway("{} {}".format(response.status, answer.get("code", "")))
        if response.status >= 400:
            raise TiffinError(response.status, answer.get("code", ""), answer.get("detail", ""))
        return answer

    def _http(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        return kind(self._url.hostname or "", self._url.port, timeout=self._timeout_s)

    # the monolith's database

    def _ask(self) -> Settings:
        with self._database() as cursor:
            cursor.execute(_IS_THERE.format("database()" if _is_mariadb(cursor) else "current_schema()"))
            if not cursor.fetchone()[0]:
                return NOT_THERE
            cursor.execute(
                "SELECT authority, capture, read_new_percent, read_new_customers FROM tiffin_settings"
            )
            row = cursor.fetchone()
        if row is None or row[1] == "off":
            return NOT_THERE
        authority, capture, percent, customers = row
        return Settings(
            True, authority, capture == "library", float(percent), frozenset(json.loads(customers))
        )

    @contextmanager
    def _database(self) -> Generator[Any, None, None]:
        """A cursor in a transaction of its own."""
        connection = self._databases.pop() if self._databases else self._connect()
        try:
            cursor = connection.cursor()
            yield cursor
            connection.commit()
        except BaseException:
            connection.close()
            raise
        if len(self._databases) < IDLE_MAX:
            self._databases.append(connection)
        else:
            connection.close()


def share_of(customer_id: object) -> float:
    """A customer's place from 0 to 100: `read-new 5` is for those below 5. crc32: every language has it."""
    return zlib.crc32(str(customer_id).encode()) % 10_000 / 100


def _hold(cursor: Any) -> str:
    """Who has the truth, and keep it so until the transaction ends."""
    cursor.execute(_HOLD.format("LOCK IN SHARE MODE" if _is_mariadb(cursor) else "FOR SHARE"))
    return cursor.fetchone()[0]


def _is_mariadb(cursor: Any) -> bool:
    return "mysql" in type(cursor).__module__.lower()


_REFUSAL = "these orders are in Tiffin now"
"""What the table itself says to who writes past the switch, by a trigger."""
_HOLD = "SELECT authority FROM tiffin_settings {}"
_IS_THERE = (
    "SELECT count(*) FROM information_schema.tables"
    " WHERE table_name = 'tiffin_settings' AND table_schema = {}"
)
