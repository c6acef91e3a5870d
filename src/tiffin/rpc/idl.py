"""What a directory of IDL files says, as plain data: for tools that look at contracts, not for calls."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from thriftpy2.parser.parser import parse  # pyright: ignore[reportUnknownVariableType]
from thriftpy2.thrift import TType

_STRUCT_NAME = re.compile(r"\w+:\w+")


@dataclass(frozen=True)
class Field:
    """A field of a struct, an argument, or an exception that a method throws."""

    id: int
    name: str
    type: str
    """As `i32`, `orders:Order`, `list<orders:Order>`."""
    required: bool
    default: object
    notes: Mapping[str, str]
    """Its annotations."""

    def structs(self) -> list[str]:
        """Names of the structs in its type."""
        return _STRUCT_NAME.findall(self.type)


@dataclass(frozen=True)
class Method:
    """A method of a service."""

    arguments: tuple[Field, ...]
    result: str
    throws: tuple[Field, ...]


@dataclass(frozen=True)
class Idl:
    """Structs and exceptions, and the methods of every service, by names like `orders:Order`."""

    structs: Mapping[str, tuple[Field, ...]]
    services: Mapping[str, Mapping[str, Method]]


def read_idl(directory: Path) -> Idl:
    """Everything that `*.thrift` of a directory describes."""
    structs: dict[str, tuple[Field, ...]] = {}
    services: dict[str, dict[str, Method]] = {}
    for path in sorted(directory.glob("*.thrift")):
        # The parser remembers modules by name; files of the same name in two directories are two modules.
        module = cast(Any, parse(str(path), module_name=f"{directory.resolve()}/{path.stem}_thrift"))
        meta: Mapping[str, Any] = module.__thrift_meta__
        for parsed in (*meta.get("structs", ()), *meta.get("exceptions", ())):
            structs[f"{path.stem}:{parsed.__name__}"] = _fields(parsed)
        for parsed in meta.get("services", ()):
            methods = {name: _method(parsed, name) for name in parsed.thrift_services}
            services[f"{path.stem}:{parsed.__name__}"] = methods
    return Idl(structs, services)


def _method(service: Any, name: str) -> Method:
    results = _fields(getattr(service, f"{name}_result"))
    return Method(
        _fields(getattr(service, f"{name}_args")),
        next((field.type for field in results if field.id == 0), "void"),
        tuple(field for field in results if field.id != 0),
    )


def _fields(parsed: Any) -> tuple[Field, ...]:
    defaults = dict(parsed.default_spec)
    found: list[Field] = []
    for id_, spec in parsed.thrift_spec.items():
        kind, name, *inner, required = spec
        notes = parsed.__thrift_field_annotations__.get(name, {})
        spelled = _spelled((kind, inner[0]) if inner else kind)
        found.append(Field(id_, name, spelled, required, defaults.get(name), notes))
    return tuple(found)


def _spelled(spec: Any) -> str:
    kind: int
    inner: Any
    kind, inner = (spec, None) if isinstance(spec, int) else spec
    if kind == TType.STRUCT:
        return f"{Path(inner.__thrift_file__).stem}:{inner.__name__}"
    name: str = TType._VALUES_TO_NAMES[kind].lower()  # pyright: ignore
    if inner is None:
        return name
    return f"{name}<{','.join(map(_spelled, inner if kind == TType.MAP else [inner]))}>"
