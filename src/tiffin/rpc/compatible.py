"""Whether callers of the last release are still understood: the IDL against the one that was released.

`python -m tiffin.rpc.compatible` prints what breaks them and fails if anything does; with `--release` the
IDL as it is becomes the released one. Additions break nobody. What a caller sends must go on being taken,
so limits of requests may only widen; what a caller is told must go on being readable.
"""

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tiffin.rpc.contracts import IDL_DIRECTORY, TEXT_LENGTH_MAX
from tiffin.rpc.idl import Field, Idl, Method, read_idl

RELEASED_DIRECTORY = IDL_DIRECTORY / "released"

_LOWER_BOUNDS = ("ge", "min_length", "min_items")
_UPPER_BOUNDS = ("le", "max_length", "max_items")


def breaks(released: Idl, now: Idl) -> list[str]:
    """What a caller of `released` cannot live with, each as `file:Struct.field: what has happened`."""
    asked, told = _asked(released), _told(released)
    found: list[str] = []
    for name, fields in released.structs.items():
        if name not in now.structs:
            found.append(f"{name}: removed")
        else:
            found += _fields_break(name, fields, now.structs[name], name in asked, name in told)
    for name, methods in released.services.items():
        if name not in now.services:
            found.append(f"{name}: removed")
        else:
            found += _methods_break(name, methods, now.services[name])
    return found


def _asked(idl: Idl) -> set[str]:
    """Structs that callers send, and everything in them."""
    return _closure(idl, (field for method in _methods(idl) for field in method.arguments))


def _told(idl: Idl) -> set[str]:
    """Structs that callers read; also those no method names, which the log has."""
    asked = _asked(idl)
    results = {method.result for method in _methods(idl)}
    read = [name for name in idl.structs if name in results or name not in asked]
    return {*read, *_closure(idl, (field for name in read for field in idl.structs[name]))}


def _methods(idl: Idl) -> Iterator[Method]:
    for methods in idl.services.values():
        yield from methods.values()


def _closure(idl: Idl, fields: Iterable[Field]) -> set[str]:
    found: set[str] = set()
    waiting = [name for field in fields for name in field.structs()]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [inner for field in idl.structs[name] for inner in field.structs()]
    return found


def _fields_break(
    struct: str, released: Iterable[Field], now: Iterable[Field], asked: bool, told: bool
) -> Iterator[str]:
    by_name = {field.name: field for field in now}
    by_id = {field.id: field for field in now}
    for field in released:
        at = f"{struct}.{field.name}"
        if field.name in by_name:
            yield from (f"{at}: {what}" for what in _changes(field, by_name[field.name], asked, told))
        elif other := by_id.get(field.id):
            yield f"{at}: removed, and its id {field.id} is now {other.name}"
        else:
            yield f"{at}: removed"
    names = {field.name for field in released}
    for field in by_name.values():
        if field.name not in names and field.required:
            yield f"{struct}.{field.name}: new and required; callers of the release do not know it"


def _changes(released: Field, now: Field, asked: bool, told: bool) -> Iterator[str]:
    if now.id != released.id:
        yield f"its id was {released.id} and is {now.id}"
    if now.type != released.type:
        yield f"its type was {released.type} and is {now.type}"
        return
    if now.required and not released.required:
        yield "was optional and is required"
    if told and released.required and not now.required:
        yield "was required and is optional; readers of the release count on it"
    if now.default != released.default:
        yield f"its default was {released.default!r} and is {now.default!r}"
    if asked:
        yield from _narrowed(released, now)


def _narrowed(released: Field, now: Field) -> Iterator[str]:
    before, after = _limits(released), _limits(now)
    for limit in (*_LOWER_BOUNDS, *_UPPER_BOUNDS):
        old, new = before.get(limit), after.get(limit)
        if new is None or new == old:
            continue
        if old is None or (int(new) > int(old)) == (limit in _LOWER_BOUNDS):
            yield f"{limit} is narrower: was {old or 'not limited'}, is {new}"
    if "pattern" in after and after["pattern"] != before.get("pattern"):
        yield f"its pattern was {before.get('pattern', 'not limited')} and is {after['pattern']}"
    values = after.get("one_of", "").split()
    if values and "one_of" not in before:
        yield f"was any text and is one of {', '.join(values)}"
    elif values and (gone := set(before["one_of"].split()).difference(values)):
        yield f"can no longer be {', '.join(sorted(gone))}"


def _limits(field: Field) -> Mapping[str, str]:
    """Its annotations, and the longest length that a text has anyway."""
    return {"max_length": str(TEXT_LENGTH_MAX), **field.notes} if field.type == "string" else field.notes


def _methods_break(service: str, released: Mapping[str, Method], now: Mapping[str, Method]) -> Iterator[str]:
    for name, method in released.items():
        at = f"{service}.{name}"
        if name not in now:
            yield f"{at}: removed"
            continue
        present = now[name]
        yield from _fields_break(f"{at} argument", method.arguments, present.arguments, True, False)
        if present.result != method.result:
            yield f"{at}: its result was {method.result} and is {present.result}"
        yield from _fields_break(f"{at} exception", method.throws, present.throws, False, True)
        known = {field.id for field in method.throws}
        for field in present.throws:
            if field.id not in known:
                yield f"{at} exception.{field.name}: new; callers of the release cannot read it"


def release(idl: Path, released: Path) -> None:
    """Make the IDL as it is the released one."""
    shutil.rmtree(released, ignore_errors=True)
    released.mkdir()
    for file in sorted(idl.glob("*.thrift")):
        shutil.copy(file, released)


def main() -> int:
    if "--release" in sys.argv:
        release(IDL_DIRECTORY, RELEASED_DIRECTORY)
        return 0
    if not RELEASED_DIRECTORY.is_dir():
        print("no IDL has been released yet: make release-idl")
        return 0
    found = breaks(read_idl(RELEASED_DIRECTORY), read_idl(IDL_DIRECTORY))
    print("\n".join(found) or "the IDL understands callers of the last release")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
