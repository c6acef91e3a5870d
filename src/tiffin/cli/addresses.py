"""Where the processes of a platform are, by its configuration."""

from tiffin.cli.config import Config, ConfigError


def provider_url(config: Config) -> str:
    """The payment provider. `ConfigError` if it is nowhere."""
    if not config.services.sandbox.addresses:
        raise ConfigError("[services.sandbox] names no addresses, and payments calls it")
    return f"http://{config.services.sandbox.addresses[0]}"


def address_of(config: Config, service: str, listen: str | None) -> tuple[str, int]:
    """Where a service listens here, as told or configured. `ConfigError` if neither says."""
    configured = getattr(config.services, service)
    text = listen or configured.listen or next(iter(configured.addresses), None)
    if text is None:
        raise ConfigError(f"[services.{service}] says neither `listen` nor `addresses`")
    return split_address(text)


def split_address(text: str) -> tuple[str, int]:
    """Host and port of `host:port`. `ConfigError` if it is not that."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"{text!r} is no address: host:port")
    return host.strip("[]"), int(port)
