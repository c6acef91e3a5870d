"""Templates: every one is sayable in every language; what does not fit is refused, at load or at sending."""

from pathlib import Path

import pytest

from tiffin.primitives.errors import Refusal
from tiffin.rpc import contracts as c
from tiffin.services.notifications.catalogue import CatalogueError, check_variables, show
from tiffin.services.notifications.loading import load_catalogue

CATALOGUE, _ = load_catalogue("en")
LANGUAGES = ["en", "es", "zh"]


def given(**values: str) -> list[c.MessageVariable]:
    return [c.MessageVariable(name=name, value=value) for name, value in values.items()]


def row(event: str, template: str) -> str:
    return f'[[tell]]\non = "{event}"\nwho = "customer"\ntemplate = "{template}"\nexpires_in_s = 1'


def test_english_spanish_and_chinese_come_with_the_package() -> None:
    assert sorted(CATALOGUE.words) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", sorted(CATALOGUE.templates))
def test_every_template_says_every_variable_in_every_language(template: str, language: str) -> None:
    values = {name: f"<{name}>" for name in CATALOGUE.templates[template].variables}
    assert CATALOGUE.language_for(template, language) == language
    text = CATALOGUE.render(template, language, values)
    assert all(value in text for value in values.values()), text
    assert "$" not in text
    assert len(text) <= 160  # an SMS or two


def test_values_are_never_read_as_templates() -> None:
    text = CATALOGUE.render("sign_in_code", "en", {"code": "$minutes ${code} {0} %s", "minutes": "5"})
    assert "$minutes ${code} {0} %s is your" in text


@pytest.mark.parametrize(
    ("variables", "details"),
    [
        (given(code="1"), {"missing": ["minutes"]}),
        (given(code="1", minutes="2", more="3"), {"unknown": ["more"]}),
        (given(code="1", minutes="2") + given(code="1"), {"repeated": ["code"]}),
        ([], {"missing": ["code", "minutes"]}),
    ],
)
def test_variables_have_to_be_those_declared(variables: list[c.MessageVariable], details: object) -> None:
    with pytest.raises(Refusal) as refused:
        check_variables("sign_in_code", CATALOGUE.template("sign_in_code"), variables)
    assert (refused.value.code, refused.value.details) == ("invalid_variables", details)


@pytest.mark.parametrize(
    "amount", ["", "12.50 EUR", "EUR", "1250", "1250 XXX", "1250 eur", "٣ EUR", "--1 EUR", "9" * 30 + " EUR"]
)
def test_what_is_no_amount_is_refused_as_money(amount: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_variables(
            "payment_declined", CATALOGUE.template("payment_declined"), given(order="1", amount=amount)
        )
    assert refused.value.code == "invalid_variables"


def test_an_unknown_template_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        CATALOGUE.template("nonsense")
    assert refused.value.code == "unknown_template"


def test_a_value_is_one_line_without_hidden_characters() -> None:
    assert show("text", "  Al\nDente\u202e\x1b[2J \u2028 &\tCo ", "en") == "Al Dente [2J & Co"


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("en.toml", 'nonsense = "hello"', "no such template"),
        ("en.toml", 'order_late = "$order $price"', "undeclared variables: price"),
        ("fr.toml", 'order_late = "5 $ de plus"', "begins no variable"),
        ("en.toml", "order_late = 5", "Expected `str`"),
        ("en.toml", "order_late = ", "en.toml"),
        ("templates.toml", '[novel]\nkind = "order"\nvariables = {}', "no words for novel"),
        ("templates.toml", '[novel]\nkind = "spam"\nvariables = {}', "templates.toml"),
        ("templates.toml", '[order_late]\nkind = "order"\nvariables = {order = "text"}', "undeclared"),
        ("limits.toml", "[order]\ncustomer = {hour = 1, day = 2}", "no limits for"),
        ("limits.toml", "[order]\ncustomer = {hour = -1, day = 2}", "limits.toml"),
        ("audiences.toml", row("order.placed", "x"), "no template 'x'"),
        ("audiences.toml", row("weather.turned", "order_late"), "no event"),
        ("audiences.toml", row("payment.declined", "order_late"), "nothing to put for restaurant"),
        ("audiences.toml", row("order.rejected", "order_rejected_because"), "nothing to put for reason"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_together_are_refused_at_load(
    tmp_path: Path, file: str, text: str, complaint: str
) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(CatalogueError, match=complaint):
        load_catalogue("en", tmp_path)


def test_a_deployment_changes_words_and_adds_languages(tmp_path: Path) -> None:
    (tmp_path / "en.toml").write_text('order_late = "Patience! ($order)"')
    (tmp_path / "pt-BR.toml").write_text('order_late = "O pedido $order está atrasado."')
    catalogue, _ = load_catalogue("en", tmp_path)
    values = {"order": "7", "restaurant": "Al Dente"}

    assert catalogue.render("order_late", "en", values) == "Patience! (7)"
    assert catalogue.language_for("order_late", "pt-BR") == "pt-br"
    assert catalogue.language_for("order_accepted", "pt-BR") == "en"
    assert "Al Dente" in catalogue.render("order_accepted", "en", values)


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="not a directory"):
        load_catalogue("en", tmp_path / "nowhere")


def test_the_platforms_own_language_must_be_able_to_say_everything() -> None:
    assert load_catalogue("es-CO")[0].language == "es"
    with pytest.raises(CatalogueError, match="no words"):
        load_catalogue("fr")
