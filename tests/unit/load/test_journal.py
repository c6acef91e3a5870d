from tiffin.load.journal import Acknowledged, Journal, read_cases, read_journal

PLACED = Acknowledged("k-1", "17", "awaiting_acceptance", 1)
ACCEPTED = Acknowledged("k-1", "17", "preparing", 2)


def test_the_newest_acknowledgement_of_each_order_is_read_back(tmp_path):
    other = Acknowledged("k-2", "18", "scheduled", 1)
    with Journal(tmp_path / "journal") as journal:
        for entry in (PLACED, other, ACCEPTED, PLACED):
            journal.write(entry)
    assert read_journal(tmp_path / "journal") == {"17": ACCEPTED, "18": other}


def test_what_is_written_is_there_before_the_journal_is_closed(tmp_path):
    with Journal(tmp_path / "journal") as journal:
        journal.write(PLACED)
        assert read_journal(tmp_path / "journal") == {"17": PLACED}


def test_a_second_run_appends_and_a_line_cut_short_is_left_out(tmp_path):
    file = tmp_path / "journal"
    for entry in (PLACED, ACCEPTED):
        with Journal(file) as journal:
            journal.write(entry)
    file.write_bytes(file.read_bytes() + b'{"key":"k-3","order')
    assert read_journal(file) == {"17": ACCEPTED}


def test_cases_are_read_back_apart_from_orders(tmp_path):
    opened = Acknowledged("k-1", "17", "requested", 1, "17-a")
    agreed = Acknowledged("k-1", "17", "refunded", 4, "17-a")
    other = Acknowledged("k-1", "17", "withdrawn", 2, "17-b")
    with Journal(tmp_path / "journal") as journal:
        for entry in (ACCEPTED, agreed, opened, other):
            journal.write(entry)
    assert read_journal(tmp_path / "journal") == {"17": ACCEPTED}
    assert read_cases(tmp_path / "journal") == {"17-a": agreed, "17-b": other}
