"""The catalogue: templates with declared variables, their words in several languages, and limits by kind.

A template's words are data: `$name` stands for a variable and nothing else happens in them.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from string import Template
from typing import Annotated, Literal

import msgspec

from tiffin.primitives.errors import Refusal
from tiffin.primitives.money import Money
from tiffin.rpc import contracts as c
from tiffin.services.notifications.languages import choose, show_money

Kind = Literal["security", "order", "payment"]
KINDS: tuple[Kind, ...] = ("security", "order", "payment")
MAY_OPT_OUT: frozenset[str] = frozenset(("order", "payment"))
Role = Literal["customer", "restaurant", "courier", "operator"]

VariableType = Literal["text", "money", "restaurant", "order_total"]
"""How a value is shown. `restaurant` (an id) and `order_total` (an order's id) need somebody to be asked."""

MASK = "••••"


class CatalogueError(ValueError):
    """Templates, words or tables that do not fit together; the message says where."""


class TemplateSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a template is for: its kind and the variables its words may use."""

    kind: Kind
    variables: dict[str, VariableType]


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many messages in an hour and in a day of UTC."""

    hour: Annotated[int, msgspec.Meta(ge=0)]
    day: Annotated[int, msgspec.Meta(ge=0)]


@dataclass(frozen=True)
class Catalogue:
    """Everything that can be said. `check` has to have passed; `load_catalogue` sees to that."""

    templates: Mapping[str, TemplateSpec]
    words: Mapping[str, Mapping[str, str]]
    """Language (lower case), template, text."""
    limits: Mapping[Kind, Mapping[Role, Limit]]
    language: str
    """The platform's own: what is said to those who have named none, or one without words."""

    @cached_property
    def _languages(self) -> Mapping[str, frozenset[str]]:
        """Of each template, those it has words in."""
        return {
            name: frozenset(language for language, texts in self.words.items() if name in texts)
            for name in self.templates
        }

    def template(self, name: str) -> TemplateSpec:
        """`Refusal`: unknown_template."""
        try:
            return self.templates[name]
        except KeyError:
            raise Refusal("unknown_template", f"there is no template {name!r}") from None

    def language_for(self, template: str, wanted: str | None) -> str:
        """The language in which the template is said to who wants `wanted`."""
        return choose(wanted, self.language, self._languages.get(template, ()))

    def render(self, template: str, language: str, shown: Mapping[str, str]) -> str:
        """The text. `shown` has every declared variable as text. `language` is one of `language_for`."""
        return Template(self.words[language][template]).substitute(shown)


def check(catalogue: Catalogue) -> None:
    """`CatalogueError` for words without template, undeclared variables, and what the platform cannot say."""
    for language, texts in catalogue.words.items():
        for name, text in texts.items():
            where = f"{language}.toml: {name}"
            if name not in catalogue.templates:
                raise CatalogueError(f"{where}: there is no such template")
            if not Template(text).is_valid():
                raise CatalogueError(f"{where}: a $ that begins no variable; $$ is a dollar sign")
            if extra := set(Template(text).get_identifiers()) - set(catalogue.templates[name].variables):
                raise CatalogueError(f"{where}: undeclared variables: {', '.join(sorted(extra))}")
    if missing := set(catalogue.templates) - set(catalogue.words.get(catalogue.language, ())):
        raise CatalogueError(f"{catalogue.language}.toml: no words for {', '.join(sorted(missing))}")
    for kind in KINDS:
        if missing := set(Role.__args__) - set(catalogue.limits.get(kind, ())):
            raise CatalogueError(f"limits.toml: {kind}: no limits for {', '.join(sorted(missing))}")


def check_variables(template: str, spec: TemplateSpec, given: list[c.MessageVariable]) -> None:
    """`Refusal` unless exactly the declared variables are given, each once and of its type."""
    names = [variable.name for variable in given]
    problems = {
        "missing": sorted(set(spec.variables) - set(names)),
        "unknown": sorted(set(names) - set(spec.variables)),
        "repeated": sorted({name for name in names if names.count(name) > 1}),
    }
    if found := {what: which for what, which in problems.items() if which}:
        raise Refusal("invalid_variables", f"not the variables of {template}", found)
    for variable in given:
        if spec.variables[variable.name] == "money":
            try:
                money_from(variable.value)
            except ValueError as error:
                raise Refusal("invalid_variables", str(error), {"at": variable.name}) from None


def money_from(text: str) -> Money:
    """`1250 EUR` is 12.50 euros. `ValueError` if a text names no amount."""
    amount, _, currency = text.partition(" ")
    if not amount.removeprefix("-").isascii() or not amount.removeprefix("-").isdigit() or len(amount) > 18:
        raise ValueError(f"not an amount: {text!r}")
    return Money(int(amount), currency)


def show(kind: VariableType, value: str, language: str) -> str:
    """A value as a reader sees it: money in their way, everything else as it is, on one line."""
    if kind == "money":
        return show_money(money_from(value), language)
    return " ".join("".join(" " if unicodedata.category(each) in _UNSEEN else each for each in value).split())


_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Line breaks, control characters and marks that turn the direction of writing: none belongs into a name."""
