"""The report of published facts as one page that opens offline in any browser."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from typing import TYPE_CHECKING

from ..simulation.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

    from .facts import FactsReport, Result

STYLE = """
body { font: 16px/1.5 system-ui, "Noto Sans CJK SC", "WenQuanYi Micro Hei", sans-serif; margin: 2rem auto;
       max-width: 76rem; padding: 0 1rem; color: #1b1b1b }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2.2rem }
table { border-collapse: collapse; width: 100%; font-size: 14px }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #ddd }
th { position: sticky; top: 0; background: #fff }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
.met { color: #00664f; font-weight: 600 } .missed { color: #a33a00; font-weight: 600 } .open { color: #666 }
.why { color: #555 } img { max-width: 100% }
"""
WORDS = {True: ("met", "met 符合"), False: ("missed", "not met 不符"), None: ("open", "not yet 尚未")}


def facts_html(report: FactsReport) -> str:
    """The page: the count, and for each preset a figure and a table of its facts, with reasons where not met.

    A figure in the table is the mean over the replications and ± its standard error.
    """
    names = list(dict.fromkeys(r.fact.preset for r in report.results))
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Published facts and the simulation</title><style>{STYLE}</style></head><body>",
        "<h1>Published facts and the simulation 已发表事实与模拟结果</h1>",
        f"<p><b>{_text(report.headline)}.</b> A figure is the mean of {report.replications} replications "
        f"(seed {report.seed}) and ± its standard error; a question mark says that an edge of the band lies "
        "within two of them. Facts marked <i>fitted</i> chose the presets' numbers and prove nothing; only "
        "the others test the model.</p>",
    ]
    for name in names:
        found = [r for r in report.results if r.fact.preset == name]
        known = name in Scenario.presets()
        parts.append(f"<h2>{_text(name)}</h2>")
        if known:
            scenario = Scenario.preset(name)
            parts.append(f"<p>{_text(scenario.title)} (<code>{scenario.hash}</code>)</p>")
        if any(r.met is not None for r in found):
            words = f"{name}: {sum(r.met is True for r in found)} of {len(found)} facts met"
            picture = _picture(report.table[report.table["preset"] == name])
            parts.append(f'<p><img alt="{_text(words)}" src="data:image/png;base64,{picture}"></p>')
        parts.append(
            "<table><thead><tr><th>no.</th><th>fact</th><th>quantity</th><th>figure</th><th>band</th>"
            "<th>met</th><th>source</th></tr></thead><tbody>"
        )
        parts += [_row(r) for r in found]
        parts.append("</tbody></table>")
    return "\n".join([*parts, "</body></html>", ""])


def write_facts_html(report: FactsReport, path: str | Path) -> Path:
    """Write the page, whole or not at all."""
    path = Path(path)
    part = path.with_name(path.name + ".part")
    part.write_text(facts_html(report), encoding="utf-8")
    part.replace(path)
    return path


def _row(r: Result) -> str:
    kind, word = WORDS[r.met]
    why = f'<br><span class="why">{_text(r.fact.why)}</span>' if r.fact.why and not r.met else ""
    fitted = " <i>fitted</i>" if r.fact.fitted else ""
    doubt = "?" if r.in_doubt else ""
    return (
        f"<tr><td>{_text(r.fact.number)}</td><td>{_text(r.fact.name)}{fitted}</td>"
        f'<td>{_text(r.fact.quantity)}{why}</td><td class="number">{_text(r.text)}</td>'
        f'<td class="number">{_text(r.band)}</td><td class="{kind}">{word}{doubt}</td>'
        f"<td>{_text(r.fact.source)} <span class='why'>({_text(r.fact.evidence)})</span></td></tr>"
    )


def _picture(table: pd.DataFrame) -> str:
    from .. import plots

    memory = io.BytesIO()
    ax = plots.facts(table)
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.savefig(memory, format="png", bbox_inches="tight", metadata={"Software": None})
    return base64.b64encode(memory.getvalue()).decode()


def _text(text: str) -> str:
    return html.escape(text)
