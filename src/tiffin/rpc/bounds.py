"""The limits of a contract's type as one compiled function: the quick way to a yes.

What the codec reads has the right types already; left to ask, of every call, is whether it keeps to the
limits that msgspec knows of its type. So the questions are written out as Python once and compiled, as
dataclasses do it. A list of lines, each with an item's id and a quantity, comes to

    for v1 in value:
        v2 = v1.item_id
        ids(v2)                           # all texts of a pattern are matched at once
        v3 = v1.quantity
        if not 1 <= v3 <= 99: return False

Who is told no asks msgspec itself what is wrong (`checks.py`).
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import inspect


def within_bounds(kind: type[msgspec.Struct]) -> Callable[[Any], bool]:
    """Tells of an instance of `kind`, its types being right, if it keeps to all limits and can be stored.

    May say no to what is only unusual; never says yes to what is not right.
    """
    return _Function(inspect.type_info(kind)).compiled()


class _Function:
    """A function being written. Texts are collected by their pattern (`None`: there is none)."""

    def __init__(self, kind: inspect.Type) -> None:
        self._lines: list[str] = []
        self._variables = 0
        self._texts: dict[str | None, str] = {None: "free_texts"}
        self._ask(kind, "value", 1)

    def compiled(self) -> Callable[[Any], bool]:
        lists = self._texts.values()
        opening = ["def within(value):", *(f" {name} = []; {name}_add = {name}.append" for name in lists)]
        closing = [f" return {' and '.join(f'{name}_hold({name})' for name in lists)}"]
        names: dict[str, Any] = {"inf": float("inf")}
        for pattern, name in self._texts.items():
            names[f"{name}_hold"] = _can_be_stored if pattern is None else _all_match(pattern)
        exec("\n".join([*opening, *self._lines, *closing]), names)  # noqa: S102  # only the IDL's words
        return names["within"]

    def _ask(self, kind: inspect.Type, value: str, depth: int) -> None:
        """Lines that return False unless the variable `value` is within the limits of `kind`."""
        match kind:
            case inspect.StructType(fields=fields):
                for field in fields:
                    part = self._variable()
                    self._line(depth, f"{part} = {value}.{field.name}")
                    self._ask(field.type, part, depth)
            case inspect.UnionType(types=types):
                (of,) = (each for each in types if not isinstance(each, inspect.NoneType))
                self._line(depth, f"if {value} is not None:")
                self._ask(of, value, depth + 1)
            case inspect.ListType(item_type=item, min_length=least, max_length=most):
                self._between(depth, f"len({value})", least, most)
                each = self._variable()
                self._line(depth, f"for {each} in {value}:")
                self._ask(item, each, depth + 1)
            case inspect.StrType(pattern=pattern, min_length=least, max_length=most):
                self._between(depth, f"len({value})", least, most)
                texts = self._texts.setdefault(pattern, f"texts_{len(self._texts)}")
                self._line(depth, f"{texts}_add({value})")
            case inspect.LiteralType(values=values):
                self._line(depth, f"if {value} not in {set(values)!r}: return False")
            case inspect.IntType(ge=least, le=most):
                self._between(depth, value, least, most)
            case inspect.FloatType(ge=least, le=most):
                self._line(depth, f"if not -inf < {value} < inf: return False")
                self._between(depth, value, least, most)
            case inspect.BoolType():
                self._line(depth, "pass")
            case _:
                raise NotImplementedError(kind)

    def _between(self, depth: int, value: str, least: float | None, most: float | None) -> None:
        if least is not None or most is not None:
            low = "" if least is None else f"{least} <= "
            high = "" if most is None else f" <= {most}"
            self._line(depth, f"if not {low}{value}{high}: return False")
        else:
            self._line(depth, "pass")

    def _line(self, depth: int, text: str) -> None:
        self._lines.append(" " * depth + text)

    def _variable(self) -> str:
        self._variables += 1
        return f"v{self._variables}"


def _can_be_stored(texts: Sequence[str]) -> bool:
    """No NUL, which PostgreSQL's text cannot hold, nor what the codec puts in place of what is no UTF-8."""
    text = "".join(texts)
    return "\0" not in text and (text.isascii() or "\ufffd" not in text)


def _all_match(pattern: str) -> Callable[[Sequence[str]], bool]:
    """Whether texts match a pattern: all at once, ended by a NUL each. One by one costs five times that."""
    one = pattern.removeprefix("^").removesuffix(r"\Z")
    if pattern != rf"^{one}\Z":
        raise NotImplementedError(f"a pattern that is not of the whole text: {pattern}")
    match_all = re.compile(rf"(?:(?:{one})\0)*").fullmatch

    def all_match(texts: Sequence[str]) -> bool:
        ended = "\0".join((*texts, ""))
        return ended.count("\0") == len(texts) and match_all(ended) is not None

    return all_match
