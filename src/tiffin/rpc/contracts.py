"""The contracts' Python types, made from `idl/*.thrift` at import. Nothing is described twice.

Every IDL struct becomes a `msgspec.Struct` of the same name that is at once the JSON of the HTTP API and
(by its `thrift_spec`) the wire type. Annotations of a field become the checks msgspec makes when it
decodes. Type checkers read `contracts.pyi`, which `python -m tiffin.rpc.stub` writes from the same IDL.
"""

from pathlib import Path
from types import ModuleType, new_class
from typing import Annotated, Any, Literal, Protocol

import msgspec
from thriftpy2.parser import load  # pyright: ignore[reportUnknownVariableType]
from thriftpy2.thrift import TType

TEXT_LENGTH_MAX = 200

_PACKAGED = Path(__file__).parents[1] / "idl"
IDL_DIRECTORY = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[3] / "idl"

_SCALARS: dict[int, type] = {
    TType.BOOL: bool, TType.I16: int, TType.I32: int, TType.I64: int, TType.DOUBLE: float, TType.STRING: str,
}  # fmt: skip
_INTEGER_BITS = {TType.I16: 16, TType.I32: 32, TType.I64: 64}


class Method(msgspec.Struct, frozen=True):
    """One method of a service: its name, request and result types, and what it is for."""

    name: str
    request: type[msgspec.Struct]
    result: type[msgspec.Struct]
    doc: str
    repeatable: bool
    """`repeat = "safe"`: twice is the same as once, even if the first time is carried out late."""


structs: dict[str, type[msgspec.Struct]] = {}
"""Every struct of every contract, by name."""

exceptions: dict[str, type[msgspec.Struct]] = {}
"""The contracts' exceptions as they travel: `Refusal` and `Unavailable`."""

thrift_specs: dict[str, dict[int, Any]] = {}
"""The fields of every struct and exception as parsed: id -> (type, name, [inner type], required)."""

services: dict[str, dict[str, Method]] = {}
"""Every service's own methods, by service name and method name. `Health` is a part of every service."""


def parse_idl() -> list[ModuleType]:
    """The IDL files as thriftpy2 parses them, in order of name, `base` first."""
    files = sorted(IDL_DIRECTORY.glob("*.thrift"), key=lambda path: (path.stem != "base", path.stem))
    return [load(str(path), module_name=f"tiffin_idl.{path.stem}_thrift") for path in files]


def field_docs(struct_name: str) -> dict[str, str]:
    """What the IDL says about each field of a struct."""
    return _docs.get(struct_name, {})


_docs: dict[str, dict[str, str]] = {}


def _field_type(spec: Any, notes: dict[str, str]) -> Any:
    kind, inner = (spec, None) if isinstance(spec, int) else spec
    if kind == TType.STRUCT:
        return _struct(inner)
    if kind == TType.LIST:
        limits: dict[str, Any] = {
            k.replace("items", "length"): int(v) for k, v in notes.items() if k.endswith("_items")
        }
        return Annotated[list[_field_type(inner, {})], msgspec.Meta(**limits)]
    if kind == TType.STRING and "one_of" in notes:
        return Literal[tuple(notes["one_of"].split())]
    limits: dict[str, Any] = {
        k: int(v) for k, v in notes.items() if k in ("ge", "le", "min_length", "max_length")
    }
    if kind == TType.STRING:
        limits.setdefault("max_length", TEXT_LENGTH_MAX)
        if pattern := notes.get("pattern"):
            # To Python `$` also matches before a last line feed.
            limits["pattern"] = pattern.removesuffix("$") + r"\Z" * pattern.endswith("$")
        return Annotated[str, msgspec.Meta(**limits)]
    if kind in _INTEGER_BITS:
        bound = 1 << (_INTEGER_BITS[kind] - 1)
        limits = {
            "ge": max(limits.get("ge", -bound), -bound),
            "le": min(limits.get("le", bound - 1), bound - 1),
        }
    return Annotated[_SCALARS[kind], msgspec.Meta(**limits)] if limits else _SCALARS[kind]


def _struct(parsed: Any) -> type[msgspec.Struct]:
    if parsed.__name__ not in structs:
        structs[parsed.__name__] = _defined(parsed)
    return structs[parsed.__name__]


def _defined(parsed: Any) -> type[msgspec.Struct]:
    name = parsed.__name__
    defaults = dict(parsed.default_spec)
    fields: list[Any] = []
    docs: dict[str, str] = {}
    for spec in parsed.thrift_spec.values():
        kind, field, *inner, required = spec
        notes = parsed.__thrift_field_annotations__.get(field, {})
        if doc := notes.get("doc"):
            docs[field] = " ".join(doc.split())
        annotation = _field_type((kind, inner[0]) if inner else kind, notes)
        if required:
            fields.append((field, annotation))
        elif defaults.get(field) is not None:
            fields.append((field, annotation, defaults[field]))
        else:
            fields.append((field, annotation | None, None))
    made = msgspec.defstruct(
        name, fields, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False, module=__name__
    )
    _docs[name], thrift_specs[name] = docs, parsed.thrift_spec
    return made


def _service(parsed: Any) -> dict[str, Method]:
    methods: dict[str, Method] = {}
    for name in parsed.thrift_services:
        if f"{name}_args" not in vars(parsed):
            continue  # of the service it extends
        arguments = getattr(parsed, f"{name}_args").thrift_spec
        result = getattr(parsed, f"{name}_result").thrift_spec[0]
        notes = parsed.__thrift_function_annotations__.get(name, {})
        methods[name] = Method(
            name,
            _struct(arguments[2][2]),
            _struct(result[2]),
            notes.get("doc", ""),
            notes.get("repeat") == "safe",
        )
    return methods


for _module in parse_idl():
    for _parsed in _module.__thrift_meta__["structs"]:
        _struct(_parsed)
    for _parsed in _module.__thrift_meta__["exceptions"]:
        exceptions[_parsed.__name__] = _defined(_parsed)
    for _parsed in _module.__thrift_meta__["services"]:
        services[_parsed.__name__] = _service(_parsed)

globals().update(structs)
globals().update({name: new_class(name, (Protocol,)) for name in services})
