"""Reading the catalogue's files: those of the package, and what a deployment puts in their place."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec

from tiffin.services.notifications.audiences import Audiences
from tiffin.services.notifications.audiences import check as check_audiences
from tiffin.services.notifications.catalogue import Catalogue, CatalogueError, Kind, Limit, Role, TemplateSpec
from tiffin.services.notifications.catalogue import check as check_catalogue
from tiffin.services.notifications.languages import fallbacks

_TABLES = ("templates", "audiences", "limits")


def load_catalogue(language: str, words: Path | None = None) -> tuple[Catalogue, Audiences]:
    """The shipped files, overlaid by those in the directory `words`. `CatalogueError` if they do not fit.

    A file there changes what it names: words by template, templates whole, limits by kind. An
    `audiences.toml` there replaces the shipped one.
    """
    own = _read(files("tiffin.services.notifications").joinpath("words"))
    if words is not None:
        if not words.is_dir():
            raise CatalogueError(f"{words} is not a directory")
        for name, values in _read(words).items():
            own[name] = values if name == "audiences" else {**own.get(name, {}), **values}
    texts = {name: values for name, values in own.items() if name not in _TABLES}
    catalogue = Catalogue(
        _convert("templates", own, dict[str, TemplateSpec]),
        {name: _convert(name, texts, dict[str, str]) for name in texts},
        _convert("limits", own, dict[Kind, dict[Role, Limit]]),
        next((each for each in fallbacks(language) if each in texts), language),
    )
    check_catalogue(catalogue)
    audiences = _convert("audiences", own, Audiences)
    check_audiences(audiences, catalogue)
    return catalogue, audiences


def _read(directory: Traversable) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for file in directory.iterdir():
        if file.name.endswith(".toml"):
            try:
                found[file.name.removesuffix(".toml").lower()] = tomllib.loads(file.read_text("utf-8"))
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise CatalogueError(f"{file.name}: {error}") from error
    return found


def _convert(name: str, tables: Mapping[str, Any], kind: Any) -> Any:
    try:
        return msgspec.convert(tables[name], kind)
    except msgspec.ValidationError as error:
        raise CatalogueError(f"{name}.toml: {error}") from error
