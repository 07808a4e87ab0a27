"""A report as one HTML file to send to somebody: no script, nothing to fetch, no font of its own.

Figures are SVG written here from Estimate rows: a chart of altair needs a JavaScript bundle many
times the report's size, and mail and document servers strip scripts. Each row of a figure is an SVG
of its own between a name and its figures in HTML, with places in percent: so the file is right at
any width without a script, and words keep their size and wrap.
"""

from __future__ import annotations

import platform
import shlex
from datetime import UTC
from importlib import metadata
from typing import TYPE_CHECKING

from app import words
from app.printing import SECTION_NAMES
from app.report_html.figures import figures_of, roles_of, statistic_words
from app.report_html.look import STYLE
from app.report_html.markup import name, text
from app.report_html.plot import draw
from app.report_html.scale import scale_of
from app.report_html.tabulate import notes_html, section_tables, table_html
from data.records import OVERALL
from pipelines.estimates import ALL
from pipelines.titles import section_title
from pipelines.wording import EXPLAINED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from app.report_html.plot import Figure
    from app.report_html.scale import Scale
    from pipelines.estimates import Estimate

QUESTION = (
    "Where does AI feedback agree with human feedback, where does it differ, and what does it cost?"
)
SIMULATED = (
    "<strong>Simulated labels.</strong> A program made them up to show how this works. They say "
    "nothing about any person, model or judge."
)
INTERVALS = (
    "Figures in brackets are 95% intervals that take prompts, not comparisons, as what was sampled "
    "(infinitesimal jackknife with Student's t; Wilson's where a share is 0% or 100%; resampled "
    "prompts for what is not smooth); there is none with fewer than 20 prompts."
)
LEGEND = {"human": "human feedback", "AI": "AI feedback", "baseline": "baseline, no feedback"}
POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # a browser then fetches nothing
_RULED = ("single_human_agreement", "majority_agreement")  # whose methods name the rules in force
_LOGO = (
    '<svg aria-hidden="true"><g class="human"><circle class="dot full" cx="7" cy="8" r="5"/></g>'
    '<g class="AI"><circle class="dot full" cx="18" cy="8" r="5"/></g></svg>'
)


def html_report(
    dataset: str,
    simulated: bool,
    rows: Sequence[Estimate],
    *,
    made_at: datetime,
    kinds: Mapping[str, str] | None = None,
    command: str | None = None,
) -> str:
    """The page, as text to write to a file in UTF-8.

    `kinds` gives the kind of each annotator by name (human, judge, baseline, aggregate), `command`
    what makes this report again; without them both are told from the rows.
    """
    roles = roles_of(rows, kinds)
    sections = list(dict.fromkeys(row.section for row in rows))
    body = [
        _header(dataset, simulated, rows, sections, roles),
        "<main>",
        *(_section(k, section, rows, roles) for k, section in enumerate(sections)),
        "" if rows else "<section><h2>There is nothing to report yet.</h2></section>",
        "</main>",
        _footer(rows, made_at, command or _command(dataset, rows)),
    ]
    return f"{_head(dataset)}<body>{''.join(body)}</body></html>\n"


def _head(dataset: str) -> str:
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="referrer" content="no-referrer">'
        '<meta name="format-detection" content="telephone=no">'
        f"<title>{text(dataset)} – Concord</title><style>{STYLE}</style></head>"
    )


def _header(
    dataset: str,
    simulated: bool,
    rows: Sequence[Estimate],
    sections: Sequence[str],
    roles: Mapping[str, str],
) -> str:
    there = {roles.get(row.subject) for row in rows if row.estimate is not None}
    legend = "".join(
        f'<span class="{role}"><span class="mark {role}" aria-hidden="true">●</span>{said}</span>'
        for role, said in LEGEND.items()
        if role in there
    )
    links = "".join(f'<a href="#s{k}">{text(_named(s))}</a>' for k, s in enumerate(sections))
    banner = f'<p class="banner" role="note">{SIMULATED}</p>' if simulated else ""
    contents = f'<nav aria-label="Sections">{links}</nav>' if len(sections) > 1 else ""
    return (
        f'<header><div class="brand">{_LOGO}Concord <span>report</span></div>'
        f'<h1>{name(dataset)}</h1><p class="lede">{QUESTION}</p>'
        f'<p class="facts">{text(_facts(rows, roles))}</p>'
        f'{banner}<div class="legend">{legend}</div>{contents}</header>'
    )


def _facts(rows: Sequence[Estimate], roles: Mapping[str, str]) -> str:
    """How much the numbers rest on."""
    whole = [row for row in rows if row.slice == ALL]
    n_items = max((row.n_items for row in whole), default=0)
    n_prompts = max((row.n_prompts for row in whole), default=0)
    judges = sum(roles.get(name) == "AI" for name in {row.subject for row in whole})
    criteria = ", ".join(dict.fromkeys(row.criterion for row in rows))
    parts = [words.count(judges, "AI judge")] if judges else []
    parts += [f"up to {words.count(n_items, 'comparison')}"] if n_items else []
    parts += [words.count(n_prompts, "prompt")] if n_prompts else []
    return " · ".join([*parts, f"criterion: {criteria}"] if criteria else parts)


def _named(section: str) -> str:
    plain = section.replace("_", " ")
    return SECTION_NAMES.get(section, plain[:1].upper() + plain[1:])


def _section(k: int, section: str, rows: Sequence[Estimate], roles: Mapping[str, str]) -> str:
    """A finding, then the figures and tables it comes from."""
    mine = [row for row in rows if row.section == section]
    whole = [row for row in mine if row.slice == ALL]
    title = section_title(section, rows)
    head = f'<p class="over">{text(_named(section))}</p><h2>{text(title)}</h2>'
    if not title:
        head = f"<h2>{text(_named(section))}</h2>"
    found = section_tables(section, whole)
    shown = "".join(table_html(table, _caption(table.columns), roles, slices=False)
                    for table in found if table.lines)  # fmt: skip
    figures = _facets(figures_of(section, rows, roles), f"s{k}f")
    sliced = _slices(section, [row for row in mine if row.slice != ALL], roles)
    return f'<section id="s{k}">{head}{figures}{shown}{notes_html(found)}{sliced}</section>'


def _caption(columns: Sequence[str]) -> str:
    if "Cohen's kappa" in columns:
        return f"Cohen's kappa of every two annotators. {EXPLAINED['cohen_kappa']}"
    return "All comparisons"


def _facets(figures: Sequence[Figure], key: str) -> str:
    """Figures side by side; those of one unit have one axis."""
    scales = _scales(figures)
    drawn = [draw(figure, scales[figure.unit], f"{key}{k}") for k, figure in enumerate(figures)]
    alone = " one" if len(drawn) == 1 else ""
    return f'<div class="facets{alone}">{"".join(drawn)}</div>' if drawn else ""


def _scales(figures: Sequence[Figure]) -> dict[str, Scale]:
    values: dict[str, list[float]] = {}
    for figure in figures:
        values.setdefault(figure.unit, []).extend(figure.values())
    return {unit: scale_of(found, unit) for unit, found in values.items()}


def _slices(section: str, rows: Sequence[Estimate], roles: Mapping[str, str]) -> str:
    """The same tables by slice, folded: many lines that few readers want."""
    found = [table for table in section_tables(section, rows) if table.lines] if rows else []
    if not found:
        return ""
    column = rows[0].slice.partition("=")[0].replace("_", " ")
    tables = "".join(table_html(t, f"By {column}", roles, slices=True) for t in found)
    return (
        f"<details><summary>By {text(column)}: {len({row.slice for row in rows}):,} in all"
        f"</summary>{tables}{notes_html(found)}</details>"
    )


def _footer(rows: Sequence[Estimate], made_at: datetime, command: str) -> str:
    used = dict.fromkeys(row.statistic for row in rows)
    terms = "".join(
        f"<div><dt>{text(statistic_words(s))}</dt><dd>{text(EXPLAINED[s])}</dd></div>"
        for s in used
        if s in EXPLAINED
    )
    ruled = [row for row in rows if row.statistic in _RULED]
    rules = dict.fromkeys(words.rule(row.method.partition(" items of ")[0]) for row in ruled)
    said = "; ".join(dict.fromkeys(part for rule in rules for part in rule.split("; ") if part))
    explained = f"<h2>What the numbers are</h2><dl>{terms}</dl>" if terms else ""
    return (
        f"<footer><h2>How the intervals are made</h2><p>{text(INTERVALS)}</p>"
        f"{f'<p>Rules: {text(said)}.</p>' if said else ''}{explained}"
        f"<h2>To make this report again</h2><code>{text(command)}</code>"
        f"<p>{text(_versions())}. Made {_when(made_at)}.</p></footer>"
    )


def _versions() -> str:
    try:
        concord = metadata.version("concord-feedback")
    except metadata.PackageNotFoundError:  # run from a checkout
        concord = "not installed"
    numpy, scipy = (metadata.version(package) for package in ("numpy", "scipy"))
    return f"Concord {concord}, Python {platform.python_version()}, numpy {numpy}, scipy {scipy}"


def _when(made_at: datetime) -> str:
    if made_at.tzinfo is None:
        return f"{made_at:%Y-%m-%d %H:%M}"
    return f"{made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _command(dataset: str, rows: Sequence[Estimate]) -> str:
    """What makes the report, with the rules that the rows name."""
    parts = ["concord", "report", "--dataset", dataset]
    criteria = {row.criterion for row in rows}
    if criteria - {OVERALL}:
        parts += ["--criterion", min(criteria)]
    methods = {word for row in rows for word in row.method.split()}
    parts += ["--majority", "sign"] if "majority=sign" in methods else []
    for rule in ("wrong", "tie"):  # rows that cannot be wrong say drop
        if f"unparsed={rule}" in methods:
            parts += ["--unparsed", rule]
            break
    return shlex.join([*parts, "--format", "html", "--out", "report.html"])
