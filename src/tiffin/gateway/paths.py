"""From a path to what answers there: a dict for whole paths, a tree of segments for the others."""

import re
from collections.abc import Sequence
from typing import Generic, TypeVar
from urllib.parse import unquote

from tiffin.primitives.errors import Refusal

Handler = TypeVar("Handler")

_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Leaf(Generic[Handler]):
    """All that is at one path template: a handler for each method."""

    def __init__(self, template: str) -> None:
        self.template = template
        self.methods: dict[str, Handler] = {}

    def handler(self, method: str) -> Handler:
        """What answers `method` here, or `Refusal("method_not_allowed")`."""
        handler = self.methods.get(method)
        if handler is None:
            allowed = ", ".join(sorted(self.methods))
            raise Refusal("method_not_allowed", f"{method} is not for {self.template}", {"allowed": allowed})
        return handler


class _Branch(Generic[Handler]):
    __slots__ = ("leaf", "literal", "variable")

    def __init__(self) -> None:
        self.literal: dict[str, _Branch[Handler]] = {}
        self.variable: _Branch[Handler] | None = None
        self.leaf: Leaf[Handler] | None = None


class Paths(Generic[Handler]):
    """Every path the gateway answers. A literal segment wins over a variable one."""

    def __init__(self) -> None:
        self._whole: dict[str, Leaf[Handler]] = {}
        self._root: _Branch[Handler] = _Branch()

    def add(self, method: str, template: str, handler: Handler) -> None:
        """Answer `method` at `template`, such as `/v1/orders/{order_id}`."""
        branch = self._root
        for segment in template[1:].split("/"):
            if segment.startswith("{"):
                branch.variable = branch.variable or _Branch()
                branch = branch.variable
            else:
                branch = branch.literal.setdefault(segment, _Branch())
        leaf = branch.leaf = branch.leaf or Leaf(template)
        if method in leaf.methods:
            raise ValueError(f"two handlers for {method} {template}")
        leaf.methods[method] = handler
        if "{" not in template:
            self._whole[template] = leaf

    def find(self, raw_path: bytes) -> tuple[Leaf[Handler], Sequence[str]]:
        """The leaf of a path as it came, and the values of its variable segments."""
        path = raw_path.decode("ascii")
        if leaf := self._whole.get(path):
            return leaf, ()
        segments = path[1:].split("/")
        if "%" in path:
            segments = [decode_percent(segment) for segment in segments]
        branch, values = self._root, list[str]()
        for segment in segments:
            following = branch.literal.get(segment)
            if following is None and segment:
                following = branch.variable
                values.append(segment)
            if following is None:
                raise Refusal("no_such_endpoint", "there is nothing at this path")
            branch = following
        if branch.leaf is None:
            raise Refusal("no_such_endpoint", "there is nothing at this path")
        return branch.leaf, values


def decode_percent(text: str) -> str:
    """Text with its percent-escapes decoded. `Refusal` for broken escapes, broken UTF-8 and NUL."""
    if _BAD_PERCENT.search(text):
        raise Refusal("invalid_encoding", "a percent sign is not followed by two hexadecimal digits")
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise Refusal("invalid_encoding", "the address is not UTF-8") from None
    if "\0" in decoded:
        raise Refusal("invalid_request", "text must not contain the character NUL")
    return decoded
