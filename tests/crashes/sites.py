"""What a crash can be before or after, found in the source: what is new there is a site at once."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path

import tiffin
from tiffin.events.reader import CHANNEL
from tiffin.events.reader import QUERIES as LOG
from tiffin.services.payments.consumers import PaymentsConsumer
from tiffin.services.payments.ledger.consumers import LedgerConsumer
from tiffin.services.payments.outcomes import Provider
from tiffin.services.reverse.consumers import ReverseConsumer
from tiffin.storage import group_commit
from tiffin.storage.queries import load_queries

ROOT = Path(tiffin.__file__).parent
SERVICES = ROOT / "services"
PACKAGES: Mapping[str, str] = {
    "payments": "tiffin.services.payments",
    "ledger": "tiffin.services.payments.ledger",
    "reverse": "tiffin.services.reverse",
}
READERS = (PaymentsConsumer.name, LedgerConsumer.name, ReverseConsumer.name)
PEERS = ("orders", "payments", "ledger", "users", "restaurants", "notifications", "reverse")

_OF_A_READER = ("lead", "cursor", "read_of_types", "move_cursor")
_CONTROL = frozenset({"BEGIN;", "ROLLBACK;", "COMMIT;", f'LISTEN "{CHANNEL}"', f"LISTEN {CHANNEL}"})


def statements() -> dict[str, str]:
    """Sites of the services' own statements, and of the log's, by their text. Those of the auditor, and of
    who keeps the log's days, are not here."""
    named = {
        text: f"{package}.{name}"
        for package, module in PACKAGES.items()
        for name, text in load_queries(module).items()
        if not name.startswith(("audit_", "needed_"))
    }
    of_log = (*_OF_A_READER, "forgettable", "of_key")
    return {**named, **{LOG[name]: f"log.{name}" for name in of_log}}


def foreign() -> frozenset[str]:
    """Statements that run in a service's process and are not its own doing."""
    texts = {group_commit._BACKEND, group_commit._END_BACKEND, *_CONTROL}
    for path in ROOT.rglob("*.sql"):
        if path.parent.name != "migrations":
            package = ".".join(("tiffin", *path.parent.relative_to(ROOT).parts))
            texts |= set(load_queries(package, path.name).values())
    return frozenset(texts)


def all_sites() -> frozenset[str]:
    """Every site that there is."""
    sites = set(statements().values()) - {f"log.{name}" for name in _OF_A_READER}
    sites |= {f"log.{name} of {reader}" for name in _OF_A_READER for reader in READERS}
    sites |= {f"provider.{name}" for name, _ in inspect.getmembers(Provider, inspect.iscoroutinefunction)}
    for package, path in _sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        sites |= {f"{package} to {peer}.{method}" for peer, method in _asked_peers(tree)}
        sites |= {f"commit of {function}" for function in _transactions(tree)}
    return frozenset(sites)


def _sources() -> Iterator[tuple[str, Path]]:
    for package, module in PACKAGES.items():
        for path in sorted(ROOT.joinpath(*module.split(".")[1:]).glob("*.py")):
            yield package, path


def _asked_peers(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """`self._orders.get(...)`: (orders, get)."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(value=ast.Name(id="self"), attr=held), attr=method)
            ) if held.removeprefix("_") in PEERS:
                yield held.removeprefix("_"), method
            case _:
                pass


def _transactions(tree: ast.Module) -> Iterator[str]:
    """The methods that hold a transaction open."""
    for of in tree.body:
        for method in ast.walk(of) if isinstance(of, ast.ClassDef) else [of]:
            if isinstance(method, ast.AsyncFunctionDef) and method in getattr(of, "body", [of]):
                calls = [node.func for node in ast.walk(method) if isinstance(node, ast.Call)]
                if any(isinstance(call, ast.Attribute) and call.attr == "transaction" for call in calls):
                    yield method.name if of is method else f"{of.name}.{method.name}"
