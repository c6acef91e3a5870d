"""Names in order, to look for what begins with something or has it in it."""

import unicodedata
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator

BLOCK_MAX = 512
"""Names in a block; it is looked through as one text."""

_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
"""What Unicode does not take apart into a letter and its mark."""

Key = tuple[str, str]
"""A folded name, and the id it belongs to."""

FIRST: Key = ("", "")


def fold(text: str) -> str:
    """A name as it is compared: without case, accents and doubled spaces."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(character for character in apart if not unicodedata.combining(character))
    return " ".join(plain.translate(_LETTERS).casefold().split())


class Names:
    """Keys in order, in blocks: one more costs a block's worth of work, whatever their number."""

    def __init__(self) -> None:
        self._blocks: list[list[Key]] = []
        self._firsts: list[Key] = []
        self._texts: list[str | None] = []

    def add(self, key: Key) -> None:
        """Put a key in its place. It must not be there."""
        if not self._blocks:
            self._blocks, self._firsts, self._texts = [[key]], [key], [None]
            return
        place = self._block_of(key)
        block = self._blocks[place]
        insort(block, key)
        if len(block) > BLOCK_MAX:
            half = len(block) // 2
            self._blocks[place : place + 1] = [block[:half], block[half:]]
            self._firsts.insert(place + 1, block[half])
            self._texts.insert(place + 1, None)
        self._firsts[place], self._texts[place] = self._blocks[place][0], None

    def remove(self, key: Key) -> None:
        """Take a key out. It must be there."""
        place = self._block_of(key)
        block = self._blocks[place]
        del block[bisect_left(block, key)]
        self._texts[place] = None
        if block:
            self._firsts[place] = block[0]
        else:
            del self._blocks[place], self._firsts[place], self._texts[place]

    def beginning_with(self, needle: str, after: Key = FIRST) -> Iterator[Key]:
        """Keys whose name begins so, in order, behind `after`."""
        start = max(after, (needle, ""))
        for place in range(self._block_of(start) if self._blocks else 0, len(self._blocks)):
            block = self._blocks[place]
            for key in block[bisect_left(block, start) :]:
                if not key[0].startswith(needle):
                    return
                if key > after:
                    yield key

    def having_within(self, needle: str, after: Key = FIRST) -> Iterator[Key]:
        """Keys whose name has it, but not at its beginning, in order, behind `after`."""
        for place in range(self._block_of(after) if self._blocks else 0, len(self._blocks)):
            text = self._texts[place]
            if text is None:
                text = self._texts[place] = "\n".join(name for name, _ in self._blocks[place])
            if needle not in text:
                continue
            for key in self._blocks[place]:
                if key > after and needle in key[0] and not key[0].startswith(needle):
                    yield key

    def _block_of(self, key: Key) -> int:
        return max(bisect_right(self._firsts, key) - 1, 0)
