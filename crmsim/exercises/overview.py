"""The overview of a class: hardest exercises, common mistakes, everybody's points; one page, no network."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..analysis.pages import Sheet, count, many, number, page, percent

if TYPE_CHECKING:
    import pandas as pd

    from .exercise import ExerciseSet

BAR = (
    "<style>.bar{display:inline-block;height:.8em;background:#0a4d8c;vertical-align:-.05em}"
    ".track{display:inline-block;width:8rem;background:#e6ecf2;height:.8em;vertical-align:-.05em;margin-left:.6em;"
    "line-height:0;text-align:left}</style>"
)


def overview(table: pd.DataFrame, sets: Sequence[ExerciseSet], name: str) -> str:
    """The page as HTML. table: what `grade.grades` gives."""
    titles = {e.id: (e.title, e.chinese) for one in sets for e in one.exercises}
    students = table["student"].nunique()
    total = table.groupby("student")[["points", "of"]].sum()
    sheets = [_exercises(table, titles), _mistakes(table, titles), _students(table, total), _look(table)]
    mean = total["points"].mean() / total["of"].iloc[0]
    hardest = str(table.groupby("exercise", sort=False)["share"].mean().idxmin())
    reached = percent(table.loc[table["exercise"] == hardest, "share"].mean())
    sheets[0].summary.append(
        f"{many(students, 'student')} reached {percent(mean)} of the points on average; the hardest "
        f"exercise is {hardest}, {titles[hardest][0]} ({reached})."
    )
    lead = f"{name}: {', '.join(one.title for one in sets)}"
    return page(
        "Overview of the class 班级概览",
        lead,
        sheets,
        "Made by crmsim grade; nothing on this page is fetched.",
    )


def _sheet(key: str, title: str, chinese: str) -> Sheet:
    return Sheet(key, title, chinese, Path())


def _table(
    sheet: Sheet, heads: Sequence[str], rows: Sequence[Sequence[Any]], numbers: Sequence[int] = ()
) -> None:
    """Rows of cells; text is escaped, what is a `_Bar` is not."""

    def cell(k: int, value: Any) -> str:
        kind = ' class="n"' if k in numbers else ""
        return f"<td{kind}>{value.html if isinstance(value, _Bar) else html.escape(str(value))}</td>"

    head = "".join(
        f'<th scope="col"{" class=n" if k in numbers else ""}>{html.escape(h)}</th>'
        for k, h in enumerate(heads)
    )
    lines = "".join(f"<tr>{''.join(cell(k, v) for k, v in enumerate(row))}</tr>" for row in rows)
    sheet.body.append(
        f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'
    )


class _Bar:
    def __init__(self, share: float) -> None:
        width = f"{100 * min(max(share, 0.0), 1.0):.0f}%"
        self.html = (
            f'{percent(share)}<span class="track"><span class="bar" style="width:{width}"></span></span>'
        )


def _exercises(table: pd.DataFrame, titles: dict[str, tuple[str, str]]) -> Sheet:
    sheet = _sheet("exercises", "Exercises, the hardest first", "习题难度")
    sheet.body.append(BAR)
    groups = table.groupby("exercise", sort=False)
    found = groups.agg(share=("share", "mean"), answered=("answered", "sum"), n=("share", "size"))
    found["right"] = groups["share"].agg(lambda x: (x >= 1).sum())
    rows = [
        (name, " ".join(titles[str(name)]), count(row["answered"]), count(row["right"]), _Bar(row["share"]))
        for name, row in found.sort_values("share", kind="stable").iterrows()
    ]
    _table(sheet, ("exercise", "title", "answered", "right", "mean share of points"), rows, (2, 3, 4))
    return sheet


def _mistakes(table: pd.DataFrame, titles: dict[str, tuple[str, str]]) -> Sheet:
    sheet = _sheet("mistakes", "Common mistakes", "常见错误")
    wrong = table[(table["share"] < 1) & table["answered"]]
    found = wrong.groupby(["exercise", "mistake"]).size().sort_values(ascending=False, kind="stable").head(25)
    if not len(found):
        sheet.say("No answer was wrong.")
        return sheet
    rows = [
        (row["exercise"], titles[row["exercise"]][0], row["mistake"], count(row["n"]))
        for row in found.rename("n").reset_index().to_dict("records")
    ]
    _table(sheet, ("exercise", "title", "what was wrong", "students"), rows, (3,))
    return sheet


def _students(table: pd.DataFrame, total: pd.DataFrame) -> Sheet:
    sheet = _sheet("students", "Students", "学生成绩")
    done = table.assign(right=table["share"] >= 1).groupby("student")
    sums = done[["right", "answered"]].sum().join(done["days_late"].max()).join(total)
    rows = [
        (row["student"], number(1)(row["points"]), number(0)(row["of"]), count(row["right"]),
         count(row["answered"]), count(row["days_late"]), _Bar(row["points"] / row["of"]))
        for row in sums.sort_index().reset_index().to_dict("records")
    ]  # fmt: skip
    _table(
        sheet,
        ("student", "points", "of", "right", "answered", "days late", "share"),
        rows,
        (1, 2, 3, 4, 5, 6),
    )
    return sheet


def _look(table: pd.DataFrame) -> Sheet:
    sheet = _sheet("notes", "Submissions to look at", "需要查看的提交")
    notes = table.drop_duplicates("student").query("notes != ''")
    if not len(notes):
        sheet.say("Every notebook ran to its end.")
        return sheet
    _table(sheet, ("student", "what happened"), list(zip(notes["student"], notes["notes"], strict=True)))
    return sheet
