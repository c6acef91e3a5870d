"""`tiffin fees`, `tiffin rules` on a platform that is up."""

import asyncio
from datetime import UTC, datetime, timedelta

from tiffin_process import TiffinProcess


async def test_versions_are_added_from_files_and_listed_and_none_begins_at_once(
    platform: TiffinProcess,
) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        done = platform.run(*arguments)
        return done.returncode, done.stdout + done.stderr

    file = platform.data_directory / "rules.toml"
    file.write_text("free_cancel_s = 120\n")
    begins = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    added, early, before, listed = [
        await asyncio.to_thread(run, "rules", *arguments)
        for arguments in (
            ("add", str(file), "--begins", begins),
            ("add", str(file), "--begins", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"),
            ("add", str(file)),
            ("list",),
        )
    ]
    assert added[0] == 0 and "Version 2 of the rules begins at" in added[1], added
    assert early[0] == 1 and "must be the next" in early[1], early
    assert before[0] == 1 and "begin last" in before[1], before
    assert "free_cancel_s = 120" in listed[1] and "holds now" in listed[1] and "is to come" in listed[1]
    file.write_text("free_cancel = 120\n")
    refused, added = [await asyncio.to_thread(run, what, "add", str(file)) for what in ("rules", "fees")]
    assert refused[0] == added[0] == 1
    assert "unknown field `free_cancel`" in refused[1] and "Traceback" not in refused[1]
    file.write_text("[default]\ncommission_bp = 1800\n")
    assert "Version 2 of the fees" in (await asyncio.to_thread(run, "fees", "add", str(file)))[1]
