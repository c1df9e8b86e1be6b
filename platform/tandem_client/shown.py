"""What the command prints: values, tables and reports for people, or one JSON value."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from .report import Report
from .terminal import cell, plain

out = Console()


def show_one(value: Any, as_json: bool, names: tuple[str, ...] = ()) -> None:
    """One value as JSON, or as lines of name and value."""
    if as_json or not isinstance(value, dict):
        out.print_json(json.dumps(value, default=str), ensure_ascii=True)
        return
    for name in names or value:
        shown = value.get(name)
        text = shown if isinstance(shown, str) else json.dumps(shown, default=str)
        out.print(plain(f"{name}: {text}"), markup=False, highlight=False)


def show_rows(rows: list[dict[str, Any]], names: tuple[str, ...], as_json: bool) -> None:
    """Rows as JSON, or as a table of these columns."""
    if as_json:
        out.print_json(json.dumps(rows, default=str), ensure_ascii=True)
        return
    table = Table(*names)
    for row in rows:
        table.add_row(*(cell(row.get(name, "")) for name in names))
    out.print(table)


def show_me(me: dict[str, Any], as_json: bool) -> None:
    """Who is logged in: name, address, projects with roles, and what the token may do."""
    if as_json:
        return show_one(me, as_json)
    lines = [f"{me['username']} at {me['url']}"]
    lines += [f"  {each['role']} of {each['slug']}" for each in me.get("projects") or ()]
    if token := me.get("token"):
        where = f" in {token['project']}" if token["project"] else ""
        lines.append(f"token {token['name']!r} may {', '.join(token['scopes'])}{where}")
        lines.append(f"  until {token['expires_at'][:10]}")
    return out.print(plain("\n".join(lines)), markup=False, highlight=False)


def show_counts(counts: dict[str, Any], as_json: bool) -> None:
    """Counts in groups as a table, without the zeros; the number of instances always."""
    if as_json:
        return show_one(counts, as_json)
    table = Table("what", "count")
    for name, value in counts.items():
        for part, number in value.items() if isinstance(value, dict) else [("", value)]:
            if number or not part:
                table.add_row(cell(f"{name} {part}".strip()), cell(number))
    return out.print(table)


def show_report(report: dict[str, Any], as_json: bool) -> None:
    """What an import did or would do: counts, fields that change, the first refused rows."""
    if as_json:
        return show_one(report, as_json)
    return out.print(plain(Report(report)), markup=False, highlight=False)
