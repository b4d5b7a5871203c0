"""The transparency report: the yearly figures as a page and as Markdown, with charts."""

from __future__ import annotations

from datetime import date
from html import escape
from pathlib import Path

import pygal
from pygal.style import Style
from sqlmodel import Session

from desk.care.figures import Figures, ends, figures
from store.kit.config import Desk
from store.kit.errors import ConfigError

_LEGEND = (
    "Numbers are given as ranges, and tables with too few cases are left out, so that nobody can be recognised in them. "
    "In the charts, the dark part of a bar is the least that a number can be, and the light part reaches to the most."
)
_CHART_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    colors=("#1d5a80", "#a9cfe4"),
    opacity="1",
    opacity_hover="1",
)
_STYLE = "body { font: 12pt sans-serif; max-width: 50em; margin: 2em auto; } td { padding: 0 1em 0 0; }"


def markdown(desk: Desk, first: date, last: date, tables: list[Figures]) -> str:
    """The report in Markdown, with the names of the files that its charts lie in."""
    parts = [f"# {desk.title}: {first} to {last}", _LEGEND]
    for table in tables:
        lines = "\n".join(f"| {name} | {value} |" for name, value in table.rows)
        shown = f"![{table.title}]({_chart_name(desk, first, last, table)})\n\n| | |\n|---|---:|\n{lines}"
        parts.append(f"## {table.title}\n\n{shown if table.rows else 'Too few to show.'}")
    return "\n\n".join(parts) + "\n"


def _chart_name(desk: Desk, first: date, last: date, table: Figures) -> str:
    return f"{desk.id}-{first}-{last}-{'-'.join(table.title.lower().split())}.svg"


def page(desk: Desk, first: date, last: date, tables: list[Figures]) -> str:
    """The report as one HTML page without anything from elsewhere."""
    parts = []
    for table in tables:
        rows = "".join(f"<tr><td>{escape(name)}<td>{escape(value)}" for name, value in table.rows)
        shown = f"{chart(table)}<table>{rows}</table>" if table.rows else "<p>Too few to show.</p>"
        parts.append(f"<h2>{escape(table.title)}</h2>{shown}")
    title = f"{escape(desk.title)}: {first} to {last}"
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f"{head}<h1>{title}</h1><p>{_LEGEND}</p>{''.join(parts)}</html>\n"


def chart(table: Figures) -> str:
    """A bar chart in SVG: each bar dark to where its band begins and light to where it ends, so that no bar looks exact."""
    made = pygal.HorizontalStackedBar(
        js=(), legend_at_bottom=True, height=100 + 32 * len(table.rows), width=700, style=_CHART_STYLE, order_min=0,
        disable_xml_declaration=True, no_prefix=True, print_labels=True, include_x_axis=True,
    )  # fmt: skip
    rows = [(name, value, *ends(value)) for name, value in reversed(table.rows)]
    made.x_labels = [name for name, _, _, _ in rows]
    made.add("at least", [low for _, _, low, _ in rows])
    made.add("at most", [{"value": high - low, "label": value} for _, value, low, high in rows])
    return str(made.render(is_unicode=True))


def write(session: Session, desk: Desk, first: date, last: date, folder: Path) -> list[Path]:
    """Write the report of a desk into a folder; the files. Raises ConfigError."""
    if last < first:
        raise ConfigError(f"--to {last} is before --from {first}.")
    tables = figures(session, desk, first, last)
    name = f"{desk.id}-{first}-{last}"
    files = {f"{name}.md": markdown(desk, first, last, tables), f"{name}.html": page(desk, first, last, tables)}
    files |= {_chart_name(desk, first, last, table): chart(table) for table in tables if table.rows}
    made = []
    for file, text in files.items():
        path = folder / file
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written ({error.strerror}). Choose another folder.") from None
        made.append(path)
    return made
