# ruff: noqa: E501 - code is quoted as it stands
"""Bugs to plant in a copy of the source, and the test of the ordinary suite that has to catch each.

Most are what has happened to others (reliability rows name the thread in which it was told); the rest are what
would happen to us. A bug is a small change of text; where the text has moved on the bug is to be planted anew.
"""

from dataclasses import dataclass

PAYMENTS = "services/payments/"
LEDGER = "services/payments/ledger/"
REVERSE = "services/reverse/"
_PAYING = "tests/integration/payments/"


@dataclass(frozen=True)
class Bug:
    """A change, and who has to notice."""

    name: str
    source: str
    """Where it happened, or "ours": a slip that this code invites."""
    edits: tuple[tuple[str, str, str], ...]
    """File below `src/tiffin`, what stands there once, and what is put in its place."""
    test: str
    """The test that fails because of it."""
    says: str
    """How its failure reads: a regular expression."""


BUGS: tuple[Bug, ...] = (
    Bug(
        "the answer to a charge and its webhook are both recorded, the later over the earlier",
        "saleor #12652",
        ((PAYMENTS + "queries.sql", "    WHERE ours.version = excluded.version - 1\n", ""),),
        _PAYING + "test_partial_refunds.py::test_refunds_of_many_keys_at_once_never_exceed_what_was_taken",
        r"duplicate key|assert|CheckViolation",
    ),
    Bug(
        "payments begun together all become active",
        "saleor #11133, #19220",
        (
            (PAYMENTS + "queries.sql", "    WHERE o.claimed + excluded.claimed <= o.total\n", ""),
            (
                PAYMENTS + "migrations/0001_payments.sql",
                "CHECK (claimed BETWEEN 0 AND total)",
                "CHECK (claimed >= 0)",
            ),
        ),
        _PAYING + "test_paying.py::test_a_hundred_pays_at_once_make_one_charge",
        r"assert|too many values",
    ),
    Bug(
        "every try of a charge has a key of its own at the provider",
        "saleor #19220 (as told by its reporter)",
        (
            (
                PAYMENTS + "provider.py",
                '"key": payment.id, ',
                '"key": f"{payment.id}.{payment.attempts}", ',
            ),
        ),
        _PAYING + "test_paying.py::test_a_reply_lost_after_the_charge_is_found_out_and_charged_once",
        r"assert|Error",
    ),
    Bug(
        "a payment that was given up is charged after all, and nobody gives it back",
        "saleor PR #15956",
        (
            (
                PAYMENTS + "states.py",
                'Edge("declined", "charged", "succeeded", "payment.refund_started", "Given up, and taken: all goes back.")',
                'Edge("declined", "charged", "succeeded", "payment.succeeded", "Given up, and taken.")',
            ),
        ),
        _PAYING + "test_refunds.py::test_a_charge_that_arrives_after_it_was_let_go_is_given_back",
        r"assert",
    ),
    Bug(
        "all refunds of an order have one key at the provider: the second is answered with the first",
        "saleor PR #15855 (there the loser of two checkouts gives back the winner's payment)",
        (
            (
                PAYMENTS + "refund.py",
                'return f"{self.id}/{self.part}"',
                'return f"{self.payment_id}/{self.part}"',
            ),
        ),
        _PAYING + "test_partial_refunds.py::test_refunds_in_parts_are_told_of_and_add_up",
        r"assert|Error",
    ),
    Bug(
        "the event is written although the change was refused",
        "saleor PR #9532, #10851",
        (
            (
                PAYMENTS + "queries.sql",
                "    SELECT 'customer', shard, 'payment', id, version, type, data, updated_at, trace\n"
                "    FROM wanted JOIN changed USING (id)\n",
                "    SELECT 'customer', shard, 'payment', id, version, type, data, updated_at, trace FROM wanted\n",
            ),
        ),
        _PAYING + "test_paying.py::test_a_change_that_is_refused_leaves_no_event",
        r"one more item: Event",
    ),
    Bug(
        "a charge heard of again, by the webhook after the answer, is given back",
        "medusa #13301",
        (
            (PAYMENTS + "states.py", '        ("succeeded", "charged"),\n', ""),
            (
                PAYMENTS + "states.py",
                '    Edge("voided", "charged", "succeeded", "payment.refund_started", "Let go, and taken: all goes back."),\n',
                '    Edge("voided", "charged", "succeeded", "payment.refund_started", "Let go, and taken: all goes back."),\n'
                '    Edge("succeeded", "charged", "succeeded", "payment.refund_started", "Again."),\n',
            ),
        ),
        "tests/unit/payments/test_states.py::test_every_word_of_the_provider_in_every_state",
        r"assert",
    ),
    Bug(
        "what is left is looked at before the refund, and not held: two at once are both allowed",
        "medusa #16012, hyperswitch PR #13379",
        (
            (PAYMENTS + "queries.sql", "    WHERE ours.version = excluded.version - 1\n", ""),
            (
                PAYMENTS + "migrations/0001_payments.sql",
                "CHECK (refunding + refunded <= captured)",
                "CHECK (refunding + refunded >= 0)",
            ),
        ),
        _PAYING + "test_partial_refunds.py::test_refunds_of_many_keys_at_once_never_exceed_what_was_taken",
        r"assert|duplicate key",
    ),
    Bug(
        "a refund is not compared with what was taken, neither by us nor by the database",
        "medusa #16012",
        (
            (
                PAYMENTS + "outcomes.py",
                "    return shares if amount == 0 else None\n",
                "    return shares or {newest_first[0].id: amount}\n",
            ),
            (
                PAYMENTS + "migrations/0001_payments.sql",
                "CHECK (refunding + refunded <= captured)",
                "CHECK (refunding + refunded >= 0)",
            ),
        ),
        _PAYING + "test_partial_refunds.py::test_more_than_was_taken_is_refused_and_moves_nothing",
        r"DID NOT RAISE|assert",
    ),
    Bug(
        "a payment that is in never reaches its order",
        "medusa #16825 (there the loser of two checkouts has an order without a payment)",
        (
            (
                PAYMENTS + "consumers.py",
                "        return first and not self._settlement.has_told(event.key)",
                "        return False",
            ),
        ),
        _PAYING
        + "test_refunds.py::test_a_payment_recorded_and_not_told_before_a_crash_reaches_orders_from_the_log",
        r"assert",
    ),
    Bug(
        "events are left out before whoever wants them has seen them",
        "medusa #7223, #10822, PR #14526",
        (
            (
                PAYMENTS + "consumers.py",
                '"order.payment_expired", "order.rejected", "order.acceptance_expired", "order.cancelled",',
                '"order.payment_expired", "order.acceptance_expired", "order.cancelled",',
            ),
        ),
        "tests/unit/events/test_types.py::test_who_cares_for_fallen_orders_hears_of_every_way_to_fall",
        r"assert",
    ),
    Bug(
        "webhooks about declined payments are ignored",
        "medusa #16398",
        (
            (
                PAYMENTS + "service.py",
                "if not isinstance(notice.outcome, Refunded | RefundFailed):",
                'if not isinstance(notice.outcome, Refunded | RefundFailed) and "eclined" not in str(notice.outcome):',
            ),
        ),
        _PAYING + "test_paying.py::test_a_slow_decline_leaves_room_for_another_try",
        r"assert|payment_not_expected|Timeout",
    ),
    Bug(
        "a balance is spent twice by orders paid together",
        "vendure #3508, spree PR #13734 (gift cards)",
        (
            (
                LEDGER + "migrations/0001_ledger.sql",
                "FOR EACH ROW WHEN (NEW.amount < 0 AND NEW.account LIKE 'credit:%')",
                "FOR EACH ROW WHEN (NEW.amount < 0 AND NEW.account LIKE 'gift:%')",
            ),
        ),
        _PAYING + "test_balance.py::test_a_balance_never_pays_more_than_there_is_however_many_orders_at_once",
        r"assert",
    ),
    Bug(
        "a refund asked for again under its key is made again",
        "hyperswitch PR #13379",
        (
            (
                PAYMENTS + "refund.py",
                '    return f"{order_id}-{digest(key)}"',
                '    import uuid\n\n    return f"{order_id}-{uuid.uuid4().hex}"',
            ),
        ),
        _PAYING + "test_partial_refunds.py::test_a_key_is_of_one_refund_only",
        r"DID NOT RAISE|assert",
    ),
    Bug(
        "a webhook of a shape we did not expect is an error of ours",
        "PrestaShop ps_checkout PR #1546",
        (
            (
                PAYMENTS + "provider.py",
                "        except msgspec.MsgspecError as error:\n"
                '            raise Refusal("invalid_request", f"the notice says nothing we understand: {error}") from error',
                "        except KeyError as error:\n"
                '            raise Refusal("invalid_request", f"the notice says nothing we understand: {error}") from error',
            ),
        ),
        _PAYING + "test_notices.py::test_a_signed_notice_that_says_nothing_is_refused",
        r"ValidationError|DecodeError|MsgspecError",
    ),
    Bug(
        "the log is read by number: what commits late is skipped for ever",
        "outbox by `id > last`",
        (("events/queries.sql", "\n   AND xid < pg_snapshot_xmin(pg_current_snapshot())\n", "\n"),),
        "tests/integration/events/test_reader.py"
        "::test_an_event_that_commits_late_is_not_skipped_where_a_reader_by_number_skips_it",
        r"assert",
    ),
    Bug(
        "a connection lost in mid-commit is taken for a write that did not happen",
        "asyncpg #464, #467",
        (
            (
                "storage/group_commit.py",
                "results = await self._settle(self._connection, [entry.operation for entry in unknown])",
                "results = [None for _ in unknown]",
            ),
        ),
        "tests/integration/storage/test_group_commit_faults.py"
        "::test_an_answer_lost_after_the_commit_is_found_by_reading_and_nothing_is_written_twice",
        r"assert",
    ),
    Bug(
        "no answer is taken for no",
        "ours",
        (
            (
                PAYMENTS + "outcomes.py",
                "        case Declined() | Voided():\n",
                "        case NoAnswer():\n"
                '            happening, reason, outcome = "declined", "no_answer", Declined(None, "no_answer")\n'
                "        case Declined() | Voided():\n",
            ),
        ),
        _PAYING + "test_paying.py::test_a_reply_lost_after_the_charge_is_found_out_and_charged_once",
        r"assert",
    ),
    Bug(
        "no answer to a refund is taken for a failure",
        "ours",
        (
            (
                PAYMENTS + "outcomes.py",
                "    if isinstance(outcome, Undecided | NoAnswer):\n        return None\n    state: RefundState",
                "    if isinstance(outcome, Undecided):\n        return None\n"
                '    if isinstance(outcome, NoAnswer):\n        outcome = RefundFailed("no_answer")\n    state: RefundState',
            ),
        ),
        _PAYING + "test_refunds.py::test_a_refund_whose_reply_is_lost_is_made_once",
        r"assert",
    ),
    Bug(
        "keys are remembered in the process, and forgotten with it",
        "ours",
        (
            (
                PAYMENTS + "service.py",
                'if request.key and (known := await self._store.find(f"{order.id}-{suffix}")):',
                'if request.key and (known := (await self._store.find(f"{order.id}-{suffix}") '
                'if f"{order.id}-{suffix}" in self.__dict__.setdefault("seen", set()) else None)):',
            ),
            (
                PAYMENTS + "service.py",
                "        suffix = refund.digest(request.key) if request.key else self._new_id()",
                "        suffix = self._new_id()",
            ),
        ),
        _PAYING + "test_authorising.py::test_a_key_is_of_one_payment_only",
        r"DID NOT RAISE|assert",
    ),
    Bug(
        "whoever sees an order pays it",
        "ours (a predicate forgotten)",
        (
            (
                PAYMENTS + "service.py",
                '        if (context.caller.role, context.caller.id) != ("customer", order.customer_id):\n',
                "        if not context.caller.id:\n",
            ),
        ),
        _PAYING + "test_paying.py::test_only_its_customer_pays_an_order",
        r"was not refused|DID NOT RAISE|assert",
    ),
    Bug(
        "any restaurant sees anybody's case",
        "ours (a predicate forgotten)",
        (
            (
                REVERSE + "service.py",
                "            return case.restaurant_id == caller.id",
                "            return True",
            ),
        ),
        "tests/integration/reverse/test_cases.py::test_a_case_is_nobody_elses",
        r"was not refused|DID NOT RAISE|assert",
    ),
    Bug(
        "a party sees another's settlements",
        "ours (a predicate forgotten)",
        (
            (
                LEDGER + "service.py",
                '            if f"{caller.role}:{caller.id}" != party:',
                '            if not party.startswith(f"{caller.role}:"):',
            ),
        ),
        _PAYING + "test_settlements.py::test_a_party_sees_its_own_settlements_and_nobody_elses",
        r"was not refused|DID NOT RAISE|assert",
    ),
    Bug(
        "a signature is not compared",
        "ours",
        (
            (
                PAYMENTS + "notices.py",
                "if not hmac.compare_digest(expected, digest):",
                "if len(expected) != len(digest):",
            ),
        ),
        "tests/unit/payments/test_notices.py::test_any_character_of_the_body_changed_is_refused",
        r"DID NOT RAISE|assert",
    ),
    Bug(
        "a notice that was caught may be played again for ever",
        "ours",
        ((PAYMENTS + "notices.py", "AGE_MAX_S = 300", "AGE_MAX_S = 10**12"),),
        _PAYING + "test_notices.py::test_a_forged_notice_is_refused",
        r"DID NOT RAISE|assert",
    ),
    Bug(
        "money is split as floating-point numbers",
        "ours",
        (
            (
                "primitives/money.py",
                "        shares = [size * weight // total for weight in weights]\n",
                "        return [Money(sign * round(size * (weight / total)), self.currency) for weight in weights]\n"
                "        shares = [size * weight // total for weight in weights]\n",
            ),
        ),
        "tests/unit/primitives/test_money.py::test_an_allocation_loses_no_minor_unit",
        r"assert",
    ),
    Bug(
        "every currency has two decimals",
        "ours",
        (
            (
                "primitives/money.py",
                "    **dict.fromkeys(_NONE.split(), 0),",
                "    **dict.fromkeys(_NONE.split(), 2),",
            ),
        ),
        "tests/unit/payments/test_statement_csv.py::test_amounts_are_told_in_the_currencys_own_decimals",
        r"assert",
    ),
    Bug(
        "a discount is rounded line by line: a cent of it is lost",
        "ours",
        (
            (
                REVERSE + "pieces.py",
                "        given.append(spread(amount, left))",
                "        given.append([amount * each // (sum(left) or 1) for each in left])",
            ),
        ),
        "tests/unit/reverse/test_outcome.py::test_pieces_are_the_order",
        r"does not add up|assert",
    ),
    Bug(
        "those who bear a refund bear a cent less than goes back",
        "ours",
        (
            (
                REVERSE + "outcome.py",
                "    of_restaurant, of_courier, of_platform = spread(refund, weights)\n",
                "    of_restaurant, of_courier, of_platform = (refund * each // WHOLE_BP for each in weights)\n",
            ),
        ),
        "tests/unit/reverse/test_outcome.py"
        "::test_of_every_kind_several_cases_of_an_order_balance_and_stay_within_what_was_paid",
        r"Unbalanced|assert",
    ),
    Bug(
        "a case is worked out anew when it is carried out, by today's rules",
        "ours",
        (
            (
                REVERSE + "carrying.py",
                "        postings = details_of(case).outcome.postings\n        if not postings:",
                "        postings = [(a, n + (n > 0) - (n < 0)) for a, n in details_of(case).outcome.postings]\n"
                "        postings = postings if not sum(n for _, n in postings) else []\n        if not postings:",
            ),
        ),
        "tests/integration/reverse/test_preview.py::test_what_a_case_quotes_is_what_is_posted",
        r"assert",
    ),
    Bug(
        "cases opened together do not wait for one another",
        "ours (a lock forgotten)",
        (
            (
                REVERSE + "queries.sql",
                "INSERT INTO reverse.orders AS o (shard, order_id, paid, claimed) VALUES ($1, $2, $3, 0)\n"
                "    ON CONFLICT (shard, order_id) DO UPDATE SET paid = greatest(o.paid, excluded.paid)\n"
                "RETURNING paid, claimed;",
                "WITH made AS (INSERT INTO reverse.orders (shard, order_id, paid, claimed) VALUES ($1, $2, $3, 0)\n"
                "    ON CONFLICT (shard, order_id) DO NOTHING)\n"
                "SELECT $3::bigint AS paid, 0::bigint AS claimed;",
            ),
            (
                REVERSE + "migrations/0001_cases.sql",
                "    CHECK (claimed <= paid)\n",
                "    CHECK (claimed >= 0)\n",
            ),
        ),
        "tests/integration/reverse/test_money.py::test_the_last_portion_is_given_back_once",
        r"assert",
    ),
    Bug(
        "what a case moved stands, though the whole order went back",
        "ours",
        (
            (
                REVERSE + "consumers.py",
                '            if case.state in ("refunded", "closed") and not case.released:',
                '            if case.state == "closed" and not case.released:',
            ),
        ),
        "tests/integration/reverse/test_money.py::test_what_a_case_moved_is_undone_when_the_order_is_called_off_otherwise",
        r"assert",
    ),
    Bug(
        "the database takes an entry that does not sum to zero",
        "ours (a CHECK removed)",
        (
            (
                LEDGER + "migrations/0001_ledger.sql",
                "    RETURN coalesce(total = 0, false) AND cardinality(amounts) > 1;",
                "    RETURN cardinality(amounts) > 1;",
            ),
        ),
        _PAYING + "test_ledger.py::test_the_database_refuses_an_entry_that",
        r"DID NOT RAISE",
    ),
    Bug(
        "an entry can be changed afterwards",
        "ours (a trigger removed)",
        (
            (
                LEDGER + "migrations/0001_ledger.sql",
                "CREATE TRIGGER unchanging BEFORE UPDATE OR DELETE ON ledger.entries\n"
                "    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();\n",
                "",
            ),
        ),
        _PAYING + "test_ledger.py::test_the_database_refuses_every_change_of_an_entry",
        r"did not match|DID NOT RAISE",
    ),
    Bug(
        "a balance counts what was entered before a second time",
        "ours",
        (
            (
                LEDGER + "queries.sql",
                "      FROM entered CROSS JOIN LATERAL unnest(accounts, amounts::bigint[]) AS posted (account, amount)\n",
                "      FROM input CROSS JOIN LATERAL unnest(accounts, amounts::bigint[]) AS posted (account, amount)\n",
            ),
        ),
        _PAYING + "test_ledger.py::test_facts_in_any_order_and_many_times_over_are_entered_once",
        r"assert",
    ),
    Bug(
        "a line that has been settled is settled again by the next run",
        "ours (a predicate forgotten)",
        (
            (
                LEDGER + "queries.sql",
                "     WHERE shard = $1 AND settlement IS NULL AND due_at <= $2\n     ORDER BY",
                "     WHERE shard = $1 AND due_at <= $2 AND fact <> 'settled'\n     ORDER BY",
            ),
        ),
        _PAYING + "test_settlements.py::test_what_was_earned_is_settled_once_the_after_sale_window_is_over",
        r"assert",
    ),
    Bug(
        "a poller takes a payment, and leaves it due for the next one",
        "ours",
        (
            (
                PAYMENTS + "queries.sql",
                "UPDATE payments.payments SET\n    attempts = attempts + 1,\n    next_check_at = $3::timestamptz\n"
                "        + ($4::int[])[least(attempts + 1, array_length($4::int[], 1))] * interval '1 second'\n",
                "UPDATE payments.payments SET\n    attempts = attempts + 1,\n    next_check_at = $3::timestamptz\n"
                "        + ($4::int[])[1] * interval '0 seconds'\n",
            ),
        ),
        _PAYING + "test_paying.py::test_two_settlers_do_not_take_the_same_payment",
        r"assert",
    ),
    Bug(
        "the intent is recorded after the provider has been asked",
        "ours",
        (
            (
                PAYMENTS + "service.py",
                "        if not await self._store.start(intent):\n            return None\n"
                "        return to_contract(await self.settlement.charge(intent.payment, trace))",
                "        await self._provider.charge(intent.payment)\n"
                "        if not await self._store.start(intent):\n            return None\n"
                "        return to_contract(await self.settlement.charge(intent.payment, trace))",
            ),
        ),
        _PAYING + "test_paying.py::test_a_hundred_pays_at_once_make_one_charge",
        r"assert",
    ),
    Bug(
        "a capture lets go of what it could not take within its time",
        "ours",
        (
            (
                PAYMENTS + "settlement.py",
                "                return await self.record(payment, await mover.capture(payment), trace)\n",
                "                captured = await mover.capture(payment)\n"
                "                if isinstance(captured, NoAnswer):\n"
                '                    captured = Declined(None, "no_answer")\n'
                "                return await self.record(payment, captured, trace)\n",
            ),
        ),
        _PAYING + "test_authorising.py::test_a_lost_reply_to_a_capture_takes_it_once",
        r"assert",
    ),
)

NOT_OURS: tuple[tuple[str, str], ...] = (
    (
        "saleor #543, PR #6897, PR #17123; medusa #16502, #16569",
        "stock: caught by `tests/integration/restaurants`",
    ),
    (
        "saleor #544, #8219",
        "vouchers used beyond their limit: there are no vouchers to redeem yet, only their accounts",
    ),
    ("aio-pika #636, #556; SQLAlchemy #12728", "no money moves through a broker, and there is no SQLAlchemy"),
    (
        "thriftpy2 #394, #395, apache/thrift PR #3592",
        "the wire: caught by `tests/integration/rpc/test_hostile_bytes.py`",
    ),
)
"""Rows of the same list that do not touch payments or refunds."""
