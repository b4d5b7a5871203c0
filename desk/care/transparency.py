"""The transparency report: the yearly figures as a page and as Markdown, with charts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path

import pygal
from pygal.style import Style

from desk.care.figures import Figures, ends, figures
from store.cases.statements import summaries
from store.context import Context
from store.kit.config import Desk
from store.kit.errors import ConfigError

_LEGEND = (
    "Numbers are given as ranges, and tables with too few cases are left out, so that nobody can be recognised in them. "
    "In the charts, the dark part of a bar is the least that a number can be, and the light part reaches to the most."
)
_IN_SHORT = "Cases in short"
_CHART_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    colors=("#1d5a80", "#a9cfe4"),
    opacity="1",
    opacity_hover="1",
)
_STYLE = "body { font: 12pt sans-serif; max-width: 50em; margin: 2em auto; } td { padding: 0 1em 0 0; }"


@dataclass(frozen=True)
class Report:
    """What the report of some days says: its tables, and what was released of single cases."""

    desk: Desk
    first: date
    last: date
    tables: tuple[Figures, ...]
    told: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the names of its files begin with."""
        return f"{self.desk.id}-{self.first}-{self.last}"

    @property
    def title(self) -> str:
        """Its heading."""
        return f"{self.desk.title}: {self.first} to {self.last}"

    def chart_name(self, table: Figures) -> str:
        """The name of the file with a table's chart."""
        return f"{self.name}-{'-'.join(table.title.lower().split())}.svg"


def markdown(report: Report) -> str:
    """The report in Markdown, with the names of the files that its charts lie in."""
    parts = [f"# {report.title}", _LEGEND]
    for table in report.tables:
        lines = "\n".join(f"| {name} | {value} |" for name, value in table.rows)
        shown = f"![{table.title}]({report.chart_name(table)})\n\n| | |\n|---|---:|\n{lines}"
        parts.append(f"## {table.title}\n\n{shown if table.rows else 'Too few to show.'}")
    if report.told:
        parts.append("\n\n".join([f"## {_IN_SHORT}", *report.told]))
    return "\n\n".join(parts) + "\n"


def page(report: Report) -> str:
    """The report as one HTML page without anything from elsewhere."""
    parts = []
    for table in report.tables:
        rows = "".join(f"<tr><td>{escape(name)}<td>{escape(value)}" for name, value in table.rows)
        shown = f"{chart(table)}<table>{rows}</table>" if table.rows else "<p>Too few to show.</p>"
        parts.append(f"<h2>{escape(table.title)}</h2>{shown}")
    if report.told:
        parts.append(f"<h2>{_IN_SHORT}</h2>" + "".join(f"<p>{escape(text)}</p>" for text in report.told))
    title = escape(report.title)
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


def write(context: Context, desk: Desk, days: tuple[date, date], folder: Path) -> list[Path]:
    """Write the report of a desk into a folder, of the cases that came in from one day to another; the files. Raises ConfigError."""
    first, last = days
    if last < first:
        raise ConfigError(f"--to {last} is before --from {first}.")
    with context.database.read() as session:
        tables = figures(session, desk, first, last)
        told = summaries(session, context.vault, desk, first, last)
    report = Report(desk, first, last, tuple(tables), tuple(told))
    files = {f"{report.name}.md": markdown(report), f"{report.name}.html": page(report)}
    files |= {report.chart_name(table): chart(table) for table in tables if table.rows}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror}). Choose another folder.") from None
    return [folder / file for file in files]
