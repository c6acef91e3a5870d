"""The contracts' structs as Apache Thrift's C codec wants them: tuples of numbers, names and classes.

A field is `(id, type, name, of what, None)`, at its id's place in its struct's tuple; a struct is
`[class, tuple]`. The classes are the contracts' own, so that the codec fills them directly.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from thriftpy2.thrift import TType

from tiffin.rpc import contracts

StructSpec = list[Any]
"""`[class, fields]`; the codec asks for exactly this shape."""

_made: dict[str, StructSpec] = {}


class Fields(dict[str, Any]):
    """A struct's fields as they were found, unchecked."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        """There for the codec: classes that have this, like structs, it calls with all fields as keywords."""
        raise TypeError("fields are items")


def unchecked(spec: StructSpec) -> StructSpec:
    """The same struct, and those in it, as `Fields`."""
    return [Fields, tuple(None if part is None else _unchecked_field(*part) for part in spec[1])]


def _unchecked_field(number: int, kind: int, name: str, of: Any, default: None) -> tuple[Any, ...]:
    return (number, kind, name, _unchecked_of(kind, of), default)


def _unchecked_of(kind: int, of: Any) -> Any:
    if kind == TType.STRUCT:
        return unchecked(of)
    return (of[0], _unchecked_of(of[0], of[1]), of[2]) if kind == TType.LIST else of


def spec_of(made: type[msgspec.Struct]) -> StructSpec:
    """The codec's description of a contract's struct or exception."""
    name = made.__name__
    if name not in _made:
        _made[name] = struct_spec(made, contracts.thrift_specs[name])
    return _made[name]


def struct_spec(made: type[msgspec.Struct], fields: Mapping[int, Sequence[Any]]) -> StructSpec:
    """The codec's description of a struct whose fields are given as the parser gives them."""
    places: list[Any] = [None] * (max(fields, default=-1) + 1)
    for number, (kind, name, *inner, _required) in fields.items():
        places[number] = (number, kind, name, _of_what(kind, inner[0] if inner else None), None)
    return [made, tuple(places)]


def _of_what(kind: int, inner: Any) -> Any:
    if kind == TType.STRUCT:
        made = contracts.structs.get(inner.__name__) or contracts.exceptions[inner.__name__]
        return spec_of(made)
    if kind == TType.LIST:
        element, *of = [inner] if isinstance(inner, int) else inner
        return (element, _of_what(element, of[0] if of else None), False)
    return "UTF8" if kind == TType.STRING else None
