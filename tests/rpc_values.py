"""Values of any struct of the contracts, by what the IDL says: ones that fit, and ones that do not."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
from hypothesis import find
from hypothesis import strategies as st
from msgspec import inspect

TEXT = st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00\ufffd")


def values(struct: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Instances that pass every check."""
    return _of(inspect.type_info(struct))


def _of(kind: inspect.Type) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.IntType(ge=least, le=most):
            return st.integers(
                -(1 << 63) if least is None else least, (1 << 63) - 1 if most is None else most
            )
        case inspect.FloatType(ge=least, le=most):
            return st.floats(least, most, allow_nan=False, allow_infinity=False)
        case inspect.BoolType():
            return st.booleans()
        case inspect.StrType(pattern=str(pattern), min_length=least, max_length=most):
            return st.from_regex(pattern).filter(lambda text: "\x00" not in text and _fits(text, least, most))
        case inspect.StrType(min_length=least, max_length=most):
            return st.text(TEXT, min_size=least or 0, max_size=min(most or 20, 20))
        case inspect.LiteralType(values=texts):
            return st.sampled_from(texts)
        case inspect.ListType(item_type=item, min_length=least):
            return st.lists(_of(item), min_size=least or 0, max_size=max(least or 0, 2))
        case inspect.UnionType(types=types):
            return st.one_of(*(_of(each) for each in types))
        case inspect.NoneType():
            return st.none()
        case inspect.StructType(cls=made, fields=fields):
            return st.builds(made, **{field.name: _of(field.type) for field in fields})
    raise NotImplementedError(kind)


def _fits(text: str, least: int | None, most: int | None) -> bool:
    return (least or 0) <= len(text) <= (most or len(text))


def example(struct: type[msgspec.Struct]) -> Any:
    """One instance that passes every check, with every optional field given; always the same."""
    return _example(inspect.type_info(struct))


def _example(kind: inspect.Type) -> Any:
    match kind:
        case inspect.IntType(ge=least, le=most):
            return min(max(7, least or 0), 7 if most is None else most)
        case inspect.FloatType(ge=least, le=most):
            return min(max(7.25, least or 0), 7.25 if most is None else most)
        case inspect.BoolType():
            return True
        case inspect.StrType(pattern=pattern, min_length=least, max_length=most):
            return _text(pattern, least, most)
        case inspect.LiteralType(values=texts):
            return texts[0]
        case inspect.ListType(item_type=item, min_length=least):
            return [_example(item)] * max(least or 0, 1)
        case inspect.UnionType(types=types):
            return _example(next(each for each in types if not isinstance(each, inspect.NoneType)))
        case inspect.StructType(cls=made, fields=fields):
            return made(**{field.name: _example(field.type) for field in fields})
    raise NotImplementedError(kind)


TEXTS = ("text", "7", "1234", "AAA", "a.a", "09:00", "+1234567", "en")
"""For most patterns one of these will do; searching for one takes its time."""


@cache
def _text(pattern: str | None, least: int | None, most: int | None) -> str:
    if pattern is None:
        return "text"[:most].ljust(least or 0, "t")
    text = next((text for text in TEXTS if re.search(pattern, text) and _fits(text, least, most)), None)
    return text or find(st.from_regex(pattern), lambda text: "\x00" not in text and _fits(text, least, most))


def past_a_limit(struct: type[msgspec.Struct]) -> Iterator[tuple[str, Any]]:
    """The example with one value, somewhere, just past what the IDL allows; and where that is."""
    for path, bad in _bad(inspect.type_info(struct), ()):
        broken = msgspec.to_builtins(example(struct))
        *above, last = path
        place: Any = broken
        for step in above:
            place = place[step]
        place[last] = bad(place[last])
        yield ".".join(map(str, path)), _unchecked(inspect.type_info(struct), broken)


def _unchecked(kind: inspect.Type, value: Any) -> Any:
    """Builtins as structs, without a check."""
    match kind:
        case inspect.StructType(cls=made, fields=fields):
            return made(**{f.name: _unchecked(f.type, value[f.name]) for f in fields if f.name in value})
        case inspect.ListType(item_type=item):
            return [_unchecked(item, each) for each in value]
        case inspect.UnionType(types=types) if value is not None:
            return _unchecked(next(each for each in types if not isinstance(each, inspect.NoneType)), value)
    return value


def _bad(kind: inspect.Type, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    match kind:
        case inspect.StructType(fields=fields):
            for field in fields:
                yield from _bad(field.type, (*path, field.name))
        case inspect.UnionType(types=types):
            for each in types:
                yield from _bad(each, path)
        case inspect.ListType(item_type=item, min_length=least, max_length=most):
            yield from _bad(item, (*path, 0))
            if least:
                yield path, lambda had: []
            if most is not None:
                yield path, lambda had: had[:1] * (most + 1)
        case inspect.IntType(ge=least, le=most):
            if least is not None and least > -(1 << 31):
                yield path, lambda had: least - 1
            if most is not None and most < (1 << 31) - 1:
                yield path, lambda had: most + 1
        case inspect.FloatType(ge=least, le=most):
            if least is not None:
                yield path, lambda had: least - 1
            if most is not None:
                yield path, lambda had: most + 1
            yield path, lambda had: float("nan")
            yield path, lambda had: float("inf")
        case inspect.StrType(pattern=pattern, max_length=most):
            yield path, lambda had: f"{had[:-1]}\x00"
            if pattern:
                yield path, lambda had: f"{had}\n"
            if most is not None:
                yield path, lambda had: "x" * (most + 1)
        case inspect.LiteralType():
            yield path, lambda had: "nothing of that"
