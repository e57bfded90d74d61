"""`akin audit`: who changed what, to read here or to take away."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from backend.audit.schemas import AuditFilter, AuditLineOut
from backend.commands.exporting import new_file
from backend.commands.terminal import AsJson, Url, connect, err, out, print_json

app = typer.Typer(no_args_is_help=True, help="The audit log: who changed what.")

Actor = Annotated[str | None, typer.Option(help="Only what this person or program did.")]
Action = Annotated[str | None, typer.Option(help="Only this action, or what begins so: product.")]
Kind = Annotated[str | None, typer.Option("--kind", help="Only changes of this kind of thing.")]
Id = Annotated[str | None, typer.Option("--id", help="Only changes of the thing with this id.")]
Since = Annotated[datetime | None, typer.Option("--from", help="From this time on, in UTC.")]
Until = Annotated[datetime | None, typer.Option("--to", help="Before this time, in UTC.")]


@app.command("list")
def list_audit(
    actor: Actor = None,
    action: Action = None,
    kind: Kind = None,
    subject_id: Id = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("-n", min=1, max=200, help="How many lines.")] = 50,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """The newest changes."""
    with connect(url) as client:
        page = client.audit(_filter(actor, action, kind, subject_id, since, until), limit=limit)
    if as_json:
        print_json(page)
        return
    table = Table("time", "who", "what", "on", "before → after")
    for line in page.items:
        on, told = f"{line.subject_kind} {line.label}", "\n".join(words(line))
        shown = (f"{line.at:%Y-%m-%d %H:%M:%S}", line.actor, line.action, on, told)
        table.add_row(*map(escape, shown))
    out.print(table)


@app.command()
def export(
    path: Annotated[Path, typer.Argument(help="A new CSV file.")],
    actor: Actor = None,
    action: Action = None,
    kind: Kind = None,
    subject_id: Id = None,
    since: Since = None,
    until: Until = None,
    url: Url = None,
) -> None:
    """Write the changes as CSV, newest first."""
    wanted = _filter(actor, action, kind, subject_id, since, until)
    with new_file(path) as file, connect(url) as client:
        file.writelines(client.audit_table(wanted))
    err.print(f"The audit log is in {path}.", markup=False, highlight=False, soft_wrap=True)


def words(line: AuditLineOut) -> list[str]:
    """What changed, a field a line: `price: 19.90 → 14.90`; a dash where there was nothing."""
    names = dict.fromkeys([*line.before, *line.after])
    return [f"{name}: {_side(line.before, name)} → {_side(line.after, name)}" for name in names]


def _side(values: dict[str, Any], name: str) -> str:
    return str(values[name]) if name in values else "-"


def _filter(
    actor: str | None,
    action: str | None,
    kind: str | None,
    subject_id: str | None,
    since: datetime | None,
    until: datetime | None,
) -> AuditFilter:
    return AuditFilter(
        actor=actor,
        action=action,
        subject_kind=kind,
        subject_id=subject_id,
        since=since,
        until=until,
    )
