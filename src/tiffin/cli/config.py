"""Configuration: `tiffin.toml`, then the environment, then defaults that need neither.

    data_directory = ".tiffin"      # relative to the file
    embedded_nodes = 1              # databases in the embedded server, if no node is named
    log_retention_days = 30
    demonstration_answer_s = 5      # a new platform's cases, for an hour: so long people have to answer them

    [server]
    host = "127.0.0.1"
    port = 8080
    url = "http://10.0.0.5:8080"    # where others reach it, if that is not its host and port
    trusted_proxies = ["10.0.0.0/8"] # whose X-Forwarded-For is believed: signing in is limited by address

    [services.orders]               # of each service, if it has processes of its own
    addresses = ["10.0.0.6:7003", "10.0.0.7:7003"]
    listen = "0.0.0.0:7003"         # without it: the first of the addresses
    metrics = "0.0.0.0:9003"        # where /metrics is; without it nowhere

    [nodes]                         # the first is the directory, which knows those added since
    north = "postgresql://user:password@host/database"

    [events]                        # docs/events.md
    transport = "log"               # or "rabbitmq"
    url = "amqp://user:password@host:5672/virtual-host"

    [policy]                        # deadlines of the forward flow
    payment_s = 900

    [sign_in]                       # codes, tokens, keys
    access_token_s = 600

    [notifications]                 # docs/notifications.md
    language = "en"                 # for those who have named none
    words = "words"                 # own templates and tables; relative to the file
    providers = ["twilio://sid:token@+15550100/{phone}"]
    kept_days = 30

    [reconciler]                    # holds the restaurant dimension against the truth, always
    orders_per_s = 2000

    [archive]                       # docs/archive.md
    after_months = 3                # of 30 days; so long after its end an order is archived
    orders_per_s = 500
    tablespace = "cheap"            # of the archive's tables, on every node; without it the database's own

    [webhooks]                      # docs/webhooks.md
    allow = ["10.1.2.0/24"]         # networks that may be called though they are not public
    kept_days = 30
    disabled_after_days = 5

    [payments]                      # docs/payments.md
    provider = "sandbox"            # or "stripe"
    capture = "on_acceptance"       # or "at_once"

Each key has a variable, like `TIFFIN_POLICY_PAYMENT_S`. `TIFFIN_NODES` is `name=url name=url`; of a list's
variable the items are separated by spaces.
"""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin

import msgspec

from tiffin.services.orders.policy import Policy
from tiffin.services.users.policy import SignInPolicy

FILE = Path("tiffin.toml")

NodeName = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_-]{0,39}$")]
NodeUrl = Annotated[str, msgspec.Meta(pattern="^postgres(ql)?://.")]
ServiceAddress = Annotated[str, msgspec.Meta(pattern=r"^[^:/ ]+:\d{1,5}$|^\[[0-9a-fA-F:.]+\]:\d{1,5}$")]
"""`host:port`."""


Network = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-fA-F:.]+(/[0-9]{1,3})?$")]
"""`10.0.0.0/8`, or one address."""


class ConfigError(Exception):
    """The configuration does not make sense; the message says where."""


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the HTTP API listens."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    """0: any free one."""
    url: str = ""
    visits_per_minute: Annotated[int, msgspec.Meta(ge=1)] = 30
    """Requests without a token, as for signing in, from one address; at each gateway."""
    trusted_proxies: list[Network] = []
    """Load balancers in front: their `X-Forwarded-For` says where a request comes from."""

    @property
    def own_url(self) -> str:
        """Where others reach it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - not listened at
        return self.url or f"http://{f'[{host}]' if ':' in host and '[' not in host else host}:{self.port}"


class Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the processes of one service are."""

    addresses: list[ServiceAddress] = []
    """Where its callers find it: one address a process."""
    listen: ServiceAddress | Literal[""] = ""
    """Where a process started here listens; empty: at the first address."""
    metrics: ServiceAddress | Literal[""] = ""
    """Where a process started here shows its Prometheus metrics (`/metrics`); empty: nowhere."""


class Services(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every service that may have processes of its own. The gateway is under `server`."""

    users: Service = Service()
    restaurants: Service = Service()
    orders: Service = Service()
    payments: Service = Service()
    notifications: Service = Service()
    ledger: Service = Service()
    reverse: Service = Service()
    webhooks: Service = Service()
    sandbox: Service = Service()
    """The payment provider to try things with; it speaks HTTP."""


class Events(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the platform's consumers hear of events."""

    transport: Literal["log", "rabbitmq"] = "log"
    """`log`: they read the databases, and no broker is needed."""
    url: Annotated[str, msgspec.Meta(pattern="^amqps?://.")] = "amqp://guest:guest@127.0.0.1:5672/"
    """Where RabbitMQ is."""


class Notifications(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How people are written to."""

    language: Annotated[str, msgspec.Meta(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")] = "en"
    words: str = ""
    """A directory of files that change what is said; empty: only what comes with the package."""
    providers: list[Annotated[str, msgspec.Meta(pattern="^[^ ]+$")]] = []
    """Apprise URLs, tried in this order. Empty: the local outbox."""
    kept_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30


class Webhooks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How systems of restaurants and partners are called."""

    allow: list[Network] = []
    """Networks that may be called though they are not public; with any, http may be called, too."""
    kept_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    """How long deliveries can be looked at and replayed."""
    disabled_after_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 5
    """An endpoint that has failed for so long is called no more."""


class Payments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How customers pay online."""

    provider: Literal["sandbox", "stripe"] = "sandbox"
    capture: Literal["on_acceptance", "at_once"] = "on_acceptance"
    """When a card is charged: authorised first, and charged when the restaurant accepts; or at once."""
    stripe_url: str = ""
    """Another address of Stripe's API, for tests; empty: Stripe's own."""
    stripe_key: str = ""
    """The secret API key; better in the environment (`TIFFIN_PAYMENTS_STRIPE_KEY`)."""
    stripe_webhook_secret: str = ""
    """What Stripe signs its webhooks with."""


class Reconciler(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the two dimensions are held against one another in the background."""

    orders_per_s: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 2000
    """At most so many are looked at, on all nodes together."""


class Archive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When orders that have ended leave the hot tables."""

    after_months: Annotated[int, msgspec.Meta(ge=1, le=1200)] = 3
    """Months of 30 days since they ended."""
    orders_per_s: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 500
    """At most so many go on each node."""
    tablespace: Annotated[str, msgspec.Meta(pattern="^([a-z_][a-z0-9_]{0,62})?$")] = ""
    """Where the archive's tables are; it has to be there on every node."""

    @property
    def age(self) -> timedelta:
        """How long ago an order has to have ended."""
        return timedelta(days=30 * self.after_months)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    server: Server = Server()
    services: Services = Services()
    data_directory: Path = Path(".tiffin")
    embedded_nodes: Annotated[int, msgspec.Meta(ge=1, le=40)] = 1
    nodes: dict[NodeName, NodeUrl] = {}
    """Name to URL, in order. Empty: the embedded server's databases."""
    log_retention_days: Annotated[int, msgspec.Meta(ge=1)] = 30
    demonstration_answer_s: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Above zero: what people have to answer and decide cases of a platform that is new, for an hour."""
    policy: Policy = Policy()
    sign_in: SignInPolicy = SignInPolicy()
    events: Events = Events()
    notifications: Notifications = Notifications()
    webhooks: Webhooks = Webhooks()
    reconciler: Reconciler = Reconciler()
    archive: Archive = Archive()
    payments: Payments = Payments()


def read_config(file: Path, environment: Mapping[str, str]) -> Config:
    """The configuration. No file is fine. `ConfigError` for unknown keys, wrong types and broken TOML."""
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        _convert(values, Config)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"{file}: {error}") from error
    for variable, (*tables, key), kind in _variables(Config, "TIFFIN", ()):
        if variable in environment:
            table = values
            for name in tables:
                table = table.setdefault(name, {})
            table[key] = _parse(variable, environment[variable], kind)
    config = _convert(values, Config)
    beside = file.resolve().parent
    if config.notifications.words:
        words = str(beside / config.notifications.words)
        notifications = msgspec.structs.replace(config.notifications, words=words)
        config = msgspec.structs.replace(config, notifications=notifications)
    return msgspec.structs.replace(config, data_directory=beside / config.data_directory)


def _parse(variable: str, text: str, kind: Any) -> Any:
    try:
        return _convert(_of_text(variable, text, kind), kind, strict=False)
    except ValueError as error:
        raise ConfigError(f"{variable}: {error}") from error


def _of_text(variable: str, text: str, kind: Any) -> Any:
    if variable == "TIFFIN_NODES":
        return dict(_pair(part) for part in text.split())
    return text.split() if get_origin(kind) is list else text


def _pair(text: str) -> tuple[str, str]:
    name, separator, url = text.partition("=")
    if not separator:
        raise ValueError(f"expected name=url, got {text!r}")
    return name, url


def _convert(value: Any, kind: Any, strict: bool = True) -> Any:
    return msgspec.convert(value, kind, strict=strict, dec_hook=lambda wanted, given: wanted(given))


def _variables(
    struct: type[msgspec.Struct], prefix: str, path: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """Every variable's name, the keys it stands for, and their type."""
    for field in msgspec.structs.fields(struct):
        variable, keys = f"{prefix}_{field.name.upper()}", (*path, field.name)
        kind: Any = field.type
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from _variables(kind, variable, keys)
        else:
            yield variable, keys, kind
