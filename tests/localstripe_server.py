"""localstripe as a program that keeps nothing. By itself it writes a file in /tmp, be it another user's."""

from localstripe import resources, server


def keep_nothing(self: resources.Store) -> None:
    """Instead of a file."""


if __name__ == "__main__":
    resources.Store.dump_to_disk = keep_nothing
    server.start()
