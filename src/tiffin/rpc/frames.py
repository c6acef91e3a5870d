"""Frames out of a stream of bytes: four bytes of length, then that many of payload."""

LENGTH_BYTES = 4
CALL_BYTES_MAX = 2 << 20
"""Of a call. The gateway takes bodies of half of that."""
ANSWER_BYTES_MAX = 16 << 20
"""Of an answer: 200 of the largest orders fit."""


class FrameTooLong(Exception):
    """A frame says that it is longer than it may be, or has a negative length."""


class Frames:
    """Cuts what arrives into payloads. Holds what has arrived of one unfinished frame, and no more."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._rest = bytearray()

    @property
    def is_unfinished(self) -> bool:
        """A frame has begun and is not complete."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that `data` completes. `FrameTooLong` ends the stream: nothing after it counts.

        A frame's length is judged before anything is kept for it.
        """
        if self._rest:
            self._rest += data
            payloads, end = self._cut(self._rest)
            del self._rest[:end]
        else:
            payloads, end = self._cut(data)
            if end < len(data):
                self._rest += data[end:]
        return payloads

    def _cut(self, data: bytes | bytearray) -> tuple[list[bytes], int]:
        """The complete payloads of `data`, and where the last of them ends."""
        payloads: list[bytes] = []
        at, end = 0, len(data)
        while end - at >= LENGTH_BYTES:
            length = int.from_bytes(data[at : at + LENGTH_BYTES], "big")
            if length > self._bytes_max:
                raise FrameTooLong(f"a frame of {length} bytes, {self._bytes_max} at most")
            if end - at - LENGTH_BYTES < length:
                break
            at += LENGTH_BYTES
            payloads.append(bytes(data[at : at + length]))
            at += length
        return payloads, at
