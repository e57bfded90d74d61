"""An evaluation as one HTML page that needs nothing beside it: pictures are inside, small."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from html import escape
from pathlib import Path

from PIL import Image

from backend import clock
from backend.encoding.decoding import decode_image
from backend.errors import AkinError
from backend.figures import Evaluation, Figure, Row
from workers.datasets.regions import Region, cut, read_picture
from workers.datasets.triplets import TripletSplit
from workers.metrics.cases import Case

SIDE = 128  # pixels of a picture in the page
QUALITY = 72
OPEN_GROUPS = 5
"""With more categories than that, their tables are folded."""

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem;
  color: #1d2530; background: #fff; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { margin-top: 2.5rem; font-size: 1.2rem; }
.facts, .terms, small { color: #5b6675; } .remark { border-left: 4px solid #d9a400;
  background: #fff9e6; padding: .4rem .8rem; margin: .4rem 0; }
summary { cursor: pointer; margin: .8rem 0; font-weight: 600; }
table { border-collapse: collapse; margin: .6rem 0; } .wide { overflow-x: auto; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #e3e7ec; }
th:first-child, td:first-child { text-align: left; } tr.composed td { font-weight: 600; }
td small { display: block; font-weight: 400; font-size: .75rem; }
.case { display: grid; grid-template-columns: 300px 1fr; gap: 1rem; padding: 1rem 0;
  border-top: 1px solid #e3e7ec; }
.pictures { display: flex; flex-wrap: wrap; gap: .5rem; } figure { margin: 0; width: 132px; }
figure img, figure .none { width: 128px; height: 128px; object-fit: contain; display: block;
  border: 2px solid #e3e7ec; border-radius: 6px; background: #fafbfc; }
figure.right img { border-color: #1c8a4a; } figure .none { color: #5b6675; font-size: .8rem; }
figcaption { font-size: .72rem; color: #5b6675; overflow-wrap: anywhere; }
q { font-size: 1.05rem; }
"""


def report_page(
    evaluation: Evaluation,
    best: Sequence[Case],
    worst: Sequence[Case],
    when: datetime | None = None,
) -> str:
    """The page. best, worst: queries to show, each with its pictures; text is escaped."""
    title = f"{evaluation.benchmark}: {evaluation.model}"
    moment = (when or clock.now()).strftime("%d %B %Y, %H:%M UTC")
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="facts">{escape(_subject(evaluation))} · {moment}</p>',
        *(f'<p class="remark">{escape(remark)}</p>' for remark in evaluation.remarks),
        *_tables(evaluation.rows),
        "<p class=facts>Percentages, but for ranks, which count from 1; below each the 95 % "
        "bootstrap interval over its queries.</p>",
        *_cases("Best queries", best),
        *_cases("Worst queries", worst),
    ]
    head = f"<meta charset=utf-8><title>{escape(title)}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>\n"


def write_report(path: Path, page: str) -> None:
    """The page in its place, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.partial")
    aside.write_text(page, encoding="utf-8")
    aside.replace(path)


def _subject(evaluation: Evaluation) -> str:
    over = f"backbone {evaluation.backbone} · " if evaluation.backbone else ""
    return f"{over}{evaluation.split}"


def _tables(rows: Sequence[Row]) -> Iterator[str]:
    """The row over everything with its controls, its terms, and then the categories."""
    groups = list(dict.fromkeys(row.group for row in rows))
    yield _table([row for row in rows if row.group in groups[:1]])
    yield f'<p class="terms">{escape(rows[0].terms.sentence)}</p>'
    if len(groups) > 1:
        state = " open" if len(groups) <= OPEN_GROUPS else ""
        tables = "".join(_category_tables(rows, groups[1:]))
        yield f"<details{state}><summary>Categories ({len(groups) - 1})</summary>{tables}</details>"


def _category_tables(rows: Sequence[Row], groups: Sequence[str]) -> Iterator[str]:
    """One table for each set of metrics, the ways of asking beside each other in each group."""
    ordered = [row for group in groups for row in rows if row.group == group]
    for metrics in dict.fromkeys(tuple(row.figures) for row in ordered):
        yield _table([row for row in ordered if tuple(row.figures) == metrics])


def _table(rows: Sequence[Row]) -> str:
    names = "".join(f"<th>{escape(name)}</th>" for name in rows[0].figures)
    lines = "".join(map(_line, rows))
    head = f"<tr><th></th><th>queries</th>{names}</tr>"
    return f"<div class=wide><table>{head}{lines}</table></div>"


def _line(row: Row) -> str:
    cells = "".join(_cell(figure) for figure in row.figures.values())
    asked = f"{row.queries:,}"
    if not row.terms.complete:
        asked += f"<small>of {row.terms.queries_listed:,}</small>"
    name = f"{escape(row.group)}, {row.asking}"
    return f'<tr class="{row.asking.split()[0]}"><td>{name}</td><td>{asked}</td>{cells}</tr>'


def _cell(figure: Figure) -> str:
    interval = f"<small>{figure.low:.1f} to {figure.high:.1f}</small>"
    return f"<td>{figure.value:.2f}{interval}</td>"


def _cases(title: str, cases: Sequence[Case]) -> Iterator[str]:
    if cases:
        yield f"<h2>{title}</h2>"
    for case in cases:
        yield _case(case)


def _case(case: Case) -> str:
    split, triplet = case.questions.split, case.questions.triplets[case.query]
    ranks = ", ".join(f"{escape(way)} {rank:g}" for way, rank in case.ranks.items())
    texts = "<br>".join(f"<q>{escape(text)}</q>" for text in case.texts)
    asked = _figure(split, triplet.reference, "reference")
    wanted = _figure(split, triplet.target, "target", right=True) if triplet.target else ""
    found = "".join(
        _figure(split, name, str(place), right=name in case.answers)
        for place, name in enumerate(case.results, start=1)
    )
    return (
        f"<div class=case><div><div class=pictures>{asked}{wanted}</div><p>{texts}</p>"
        f"<p class=facts>{escape(split.name)}, query {escape(triplet.id)}<br>rank: {ranks}</p>"
        "</div>"
        f"<div class=pictures>{found}</div></div>"
    )


def _figure(split: TripletSplit, name: str, label: str, *, right: bool = False) -> str:
    source = thumbnail(split.images[name], split.regions.get(name)) if name in split.images else ""
    image = f'<img src="{source}" alt="">' if source else "<div class=none>no picture</div>"
    caption = f"<figcaption>{escape(label)}: {escape(name)}</figcaption>"
    return f"<figure{' class=right' if right else ''}>{image}{caption}</figure>"


@cache
def thumbnail(path: Path, region: Region | None) -> str:
    """A picture as a small JPEG in a `data:` address; empty where it cannot be read."""
    try:
        picture = decode_image(read_picture(path), draft=None if region else SIDE, name=str(path))
        picture = cut(picture, region, SIDE) if region else picture
    except AkinError:
        return ""
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
