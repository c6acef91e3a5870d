"""Choosing options: which rules a dish can have, and whether a choice keeps them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c


class Rule(NamedTuple):
    """So many of a group's options may be chosen for a portion; one chosen twice counts twice."""

    group_id: str
    name: str
    choose_min: int
    choose_max: int


class Choices(NamedTuple):
    """What may be chosen for a dish."""

    options: Mapping[str, c.OptionChoice]
    rules: Sequence[Rule]
    must_choose: bool
    """Nothing chosen is against a rule."""


def make_choices(item: c.MenuItem) -> Choices:
    """The choices of a checked dish."""
    rules = tuple(
        Rule(group.id, group.name, group.choose_min or 0, group.choose_max)
        for group in item.option_groups or ()
    )
    return Choices(
        {option.id: option for option in item.options or ()}, rules, any(rule.choose_min for rule in rules)
    )


def price_choice(choices: Choices, item_id: str, chosen: Sequence[str]) -> tuple[int, list[str] | None]:
    """Minor units that the chosen options add to a portion, and their names.

    Refuses options that the dish does not have or that are off sale, and choices against the rules.
    """
    extra, names = 0, list[str]()
    for option_id in chosen:
        option = choices.options.get(option_id)
        if option is None:
            raise Refusal(
                "option_not_found", "this dish has no such option", _where(item_id, option_id=option_id)
            )
        if option.available is False:
            raise Refusal("item_unavailable", "this option is off sale", _where(item_id, option_id=option_id))
        extra += option.price
        names.append(option.name)
    if len(chosen) > 1:
        _check_repeats(choices, item_id, chosen)
    if choices.rules:
        _check_rules(choices, item_id, chosen)
    return extra, names or None


def problems(item: c.MenuItem) -> Iterator[tuple[str, str]]:
    """What about a dish's options and their rules makes no sense: field and reason."""
    options, groups = item.options or [], item.option_groups or []
    yield from (("options", f"two options have the id {id_}") for id_ in repeated([o.id for o in options]))
    yield from (
        ("option_groups", f"two groups have the id {id_}") for id_ in repeated([g.id for g in groups])
    )
    room: Counter[str] = Counter()
    for option in options:
        if option.group is not None:
            room[option.group] += option.quantity_max or 1
    known = {group.id for group in groups}
    for group_id in room:
        if group_id not in known:
            yield "options", f"there is no group {group_id}"
    for group in groups:
        least = group.choose_min or 0
        if group.id not in room:
            yield "option_groups", f"no option is in the group {group.id}"
        elif least > group.choose_max:
            yield "option_groups", f"{group.id}: choose_min is more than choose_max"
        elif least > room[group.id]:
            yield "option_groups", f"{group.id}: so many cannot be chosen from its options"


def repeated(ids: Sequence[str]) -> list[str]:
    """Those that come more than once, each once."""
    return [id_ for id_, count in Counter(ids).items() if count > 1]


def _check_repeats(choices: Choices, item_id: str, chosen: Sequence[str]) -> None:
    if len(set(chosen)) == len(chosen):
        return
    for option_id, count in Counter(chosen).items():
        most = choices.options[option_id].quantity_max or 1
        if count > most:
            raise Refusal(
                "invalid_choice", f"this option may be chosen {most} times at most",
                _where(item_id, option_id=option_id, quantity_max=most, chosen=count),
            )  # fmt: skip


def _check_rules(choices: Choices, item_id: str, chosen: Sequence[str]) -> None:
    groups = [choices.options[option_id].group for option_id in chosen]
    for rule in choices.rules:
        count = groups.count(rule.group_id)
        if not rule.choose_min <= count <= rule.choose_max:
            raise Refusal(
                "invalid_choice", f"{rule.name}: choose {_range(rule)}",
                _where(item_id, group_id=rule.group_id, choose_min=rule.choose_min,
                       choose_max=rule.choose_max, chosen=count),
            )  # fmt: skip


def _range(rule: Rule) -> str:
    if rule.choose_min == rule.choose_max:
        return f"exactly {rule.choose_max}"
    return f"{rule.choose_min} to {rule.choose_max}" if rule.choose_min else f"at most {rule.choose_max}"


def _where(item_id: str, **more: object) -> dict[str, object]:
    return {"item_id": item_id, **more}
