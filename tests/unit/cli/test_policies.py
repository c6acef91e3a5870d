"""Versions of fees and rules from files: what makes no sense is told with the file and the place."""

from pathlib import Path

import pytest

from tiffin.cli.policies import FEES, RULES, Kind, PolicyError, read_file
from tiffin.services.payments.ledger.policy import Fees
from tiffin.services.payments.ledger.policy import Terms as FeeTerms
from tiffin.services.reverse.policy import Bears, Terms

GOOD_FEES = """
[default]
commission_bp = 1800
[currencies.COP]
courier_minimum = 2500
[commission_bp]
la-esquina = 1500
"""
GOOD_RULES = """
free_cancel_s = 120
[cooked_bp]
preparing = 3000
[bears.late]
restaurant = 10000
"""


def read(kind: Kind, text: str, tmp_path: Path) -> object:
    file = tmp_path / "version.toml"
    file.write_text(text, encoding="utf-8")
    return read_file(kind, file)


def test_a_file_says_what_differs_from_the_usual(tmp_path: Path) -> None:
    assert read(FEES, GOOD_FEES, tmp_path) == Fees(
        default=FeeTerms(commission_bp=1800), currencies={"COP": FeeTerms(courier_minimum=2500)},
        commission_bp={"la-esquina": 1500},
    )  # fmt: skip
    assert read(RULES, GOOD_RULES, tmp_path) == Terms(
        free_cancel_s=120, cooked_bp={"preparing": 3000}, bears={"late": Bears(restaurant=10_000)}
    )
    assert read(FEES, "", tmp_path) == Fees()


BAD: list[tuple[Kind, str, str]] = [
    (FEES, "[default\n", "version.toml"),
    (FEES, "commission = 5", "unknown field `commission`"),
    (FEES, "[default]\ncommission_bp = 10001", "$.default.commission_bp"),
    (FEES, "[default]\ncommission_bp = 18.5", "$.default.commission_bp"),
    (FEES, "[currencies.XXQ]\n", "unknown currencies: XXQ"),
    (RULES, "[bears.late]\nrestaurant = 5000", "bear the whole of it"),
    (RULES, "[bears.boredom]\nplatform = 10000", "boredom"),
    (RULES, "[cooked_bp]\ncompleted = 1", "nothing is cooked of an order that is completed"),
    (RULES, "answer_s = -1", "$.answer_s"),
]


@pytest.mark.parametrize(("kind", "text", "said"), BAD, ids=[said for _, _, said in BAD])
def test_a_file_that_is_no_version_is_told_in_a_line(
    kind: Kind, text: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(PolicyError, match=r"version\.toml") as refused:
        read(kind, text, tmp_path)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
