"""`tiffin menu export` and `tiffin menu import`: a menu as a file, by the server that is up."""

from pathlib import Path

import aiohttp
import msgspec
from rich.console import Console
from rich.table import Table

from tiffin.cli.config import Config
from tiffin.cli.drive import mint_for
from tiffin.cli.running import find
from tiffin.rpc import contracts as c

TIMEOUT_S = 30
SHOWN_MAX = 50


async def export_menu(config: Config, restaurant_id: str, file: Path) -> None:
    """Write the menu; the file's name says in which format."""
    query = f"format={_format_of(file)}"
    answer = await _ask(config, restaurant_id, "GET", f"export?{query}", None)
    _write(file, msgspec.json.decode(answer, type=c.MenuFile).text)


async def import_menu(config: Config, restaurant_id: str, file: Path, mode: str, console: Console) -> bool:
    """Replace the menu by the file's and show what was refused. True if it was replaced."""
    body = {"format": _format_of(file), "mode": mode, "text": _read(file)}
    report = msgspec.json.decode(
        await _ask(config, restaurant_id, "POST", "import", body), type=c.ImportReport
    )
    if report.refused:
        console.print(_table(report))
    done = (
        f"is version {report.version} now" if report.applied else f"stays as it is (version {report.version})"
    )
    told = f"{report.taken} dishes are good, {report.refused_total} faults: the menu {done}."
    console.print(told, style="" if report.applied else "red", highlight=False)
    return report.applied


def _read(file: Path) -> str:
    """Line ends as they are: they may be part of a text."""
    try:
        return file.read_bytes().decode()
    except UnicodeDecodeError:
        raise SystemExit(f"tiffin: {file} is not UTF-8") from None


def _write(file: Path, text: str) -> None:
    file.write_bytes(text.encode())


def _format_of(file: Path) -> str:
    suffix = file.suffix.lower().removeprefix(".")
    if suffix not in ("csv", "json"):
        raise SystemExit(f"tiffin: {file}: a menu is a .csv or a .json file")
    return suffix


async def _ask(config: Config, restaurant_id: str, method: str, what: str, body: object) -> bytes:
    server = find(config.data_directory)
    if server is None:
        raise SystemExit("tiffin: no server is up on this data directory")
    token = mint_for(config)("operator", "cli")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    url = f"{server.url}/v1/restaurants/{restaurant_id}/menu/{what}"
    data = None if body is None else msgspec.json.encode(body)
    timeout = aiohttp.ClientTimeout(TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.request(method, url, data=data, headers=headers) as response,
    ):
        answer = await response.read()
        if response.status >= 400:
            raise SystemExit(f"tiffin: {response.status} {answer.decode(errors='replace')[:500]}")
        return answer


def _table(report: c.ImportReport) -> Table:
    table = Table("line", "dish", "field", "reason", title="Refused", title_justify="left")
    for row in report.refused[:SHOWN_MAX]:
        table.add_row(str(row.line), row.item_id or "", row.field, row.reason)
    if report.refused_total > SHOWN_MAX:
        table.caption = f"and {report.refused_total - SHOWN_MAX} more"
    return table
