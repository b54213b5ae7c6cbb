"""The course's notebooks: clean, whole, runnable, and with every term; and the tool that keeps them so."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from crmsim.vocabulary import glossary

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = 15  # 00 to 14
# rows of the table of concepts in notebooks/README.md, at least
CONCEPTS = 70


def load_tool() -> Any:
    spec = importlib.util.spec_from_file_location("notebooks_tool", ROOT / "tools" / "notebooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = load_tool()
NOTEBOOKS = tool.all_notebooks(ROOT)
COURSE = [path for path in NOTEBOOKS if path.parent == ROOT / "notebooks"]
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_chapter = pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)


def cells_of(path: Path) -> list[tuple[str, str, str]]:
    """Id, kind and source of every cell."""
    return [(c.get("id", ""), c["cell_type"], tool.source(c)) for c in tool.read(path)["cells"]]


def code_of(path: Path) -> str:
    return "\n".join(text for _, kind, text in cells_of(path) if kind == "code")


# -- every notebook ----------------------------------------------------------------------------------


@each_notebook
def test_is_clean(path: Path) -> None:
    assert tool.problems(path) == []


@each_notebook
def test_begins_with_its_title(path: Path) -> None:
    _, kind, text = cells_of(path)[0]
    assert kind == "markdown" and re.match(r"# \S", text), f"{path.name} begins with {text[:40]!r}"
    titles = [t for _, k, s in cells_of(path) if k == "markdown" for t in re.findall(r"^# .+", s, re.M)]
    assert len(titles) == 1, f"{path.name} has several titles: {titles}"


# what installs or fetches: shell escapes, magics, clients of the network, data that a library fetches
FETCHING = {
    r"^\s*[!%]+\s*(pip|conda|mamba|uv|apt|wget|curl|git|bash|sh)\b": "a command of the shell",
    r"^\s*!": "a command of the shell",
    r"\bpip(\.main|\s+install)|['\"]pip['\"]": "pip",
    r"\b(import|from)\s+(requests|urllib|http\.client|httpx|aiohttp|socket|ftplib)\b": "a network client",
    r"https?://": "an address",
    r"\b(sns|seaborn)\.load_dataset\b|\bfetch_\w+\(": "data that is fetched",
}


def fetches(code: str) -> list[str]:
    return [what for pattern, what in FETCHING.items() if re.search(pattern, code, re.MULTILINE)]


@each_notebook
def test_installs_and_fetches_nothing(path: Path) -> None:
    assert fetches(code_of(path)) == []
    pictures = [
        address
        for _, kind, text in cells_of(path)
        if kind == "markdown"
        for address in re.findall(
            r"!\[[^\]]*\]\(\s*(\S+?)[\s)]|<(?:img|script|iframe)[^>]*src=[\"'](.+?)[\"']", text
        )
        if any(part.startswith(("http", "//")) for part in address)
    ]
    assert pictures == []


@each_notebook
def test_its_code_can_be_read(path: Path) -> None:
    for name, kind, text in cells_of(path):
        if kind == "code":
            lines = [line for line in text.splitlines() if not line.startswith("%")]
            assert ast.parse("\n".join(lines)) is not None, name
            # long code belongs in the package
            assert len(lines) <= 45, f"{path.name}#{name} has {len(lines)} lines"


@pytest.mark.parametrize(
    "code",
    [
        "!pip install x", "%pip install x", "import requests", "from urllib.request import urlopen", "  !ls",
        "pd.read_csv('https://example.org/a.csv')", "sns.load_dataset('tips')",
        "subprocess.run([sys.executable, '-m', 'pip', 'install'])", "fetch_openml(1)",
    ],
)  # fmt: skip
def test_what_fetches_is_found(code: str) -> None:
    assert fetches(f"a = 1\n{code}")
    assert not fetches("%matplotlib inline\nimport crmsim as cs\nrun = cs.simulate('retail') != 3")


# -- every chapter ------------------------------------------------------------------------------------

# what each chapter has: an id that begins or ends so, or a heading with one of these words
PARTS = {
    "question": r"question|问题",
    "prediction": r"prediction|预测",
    "evidence": r"evidence|证据",
    "limits": r"limits|局限",
    "next": r"try next|next|下一步",
}


def part_of(path: Path, part: str) -> list[tuple[str, str, str]]:
    """The cells of a part: those named for it, or from its heading to the next of that level."""
    cells, found, inside = cells_of(path), [], 0
    for name, kind, text in cells:
        heading = re.match(r"(#+) (.+)", text) if kind == "markdown" else None
        if heading and inside and len(heading[1]) <= inside:
            inside = 0
        if heading and len(heading[1]) > 1 and re.search(PARTS[part], heading[2], re.IGNORECASE):
            inside = len(heading[1])
        if inside or part in (name, name.partition("-")[0], name.rpartition("-")[2]):
            found.append((name, kind, text))
    return found


@each_chapter
@pytest.mark.parametrize("part", PARTS)
def test_a_chapter_has_its_parts(path: Path, part: str) -> None:
    assert part_of(path, part), f"{path.name} has no cell or heading for its {part}"


@each_chapter
def test_the_question_comes_before_the_prediction_and_that_before_the_evidence(path: Path) -> None:
    order = [name for name, _, _ in cells_of(path)]
    first = [min(order.index(cell[0]) for cell in part_of(path, part)) for part in PARTS]
    assert first == sorted(first), dict(zip(PARTS, first, strict=True))


@each_chapter
def test_the_prediction_is_made_and_then_compared(path: Path) -> None:
    code = [(name, text) for name, kind, text in cells_of(path) if kind == "code"]
    made = [k for k, (_, text) in enumerate(code) if re.search(r"\bPrediction\(", text)]
    compared = [k for k, (_, text) in enumerate(code) if ".compare(" in text]
    assert made and compared and made[0] < compared[-1]


@each_chapter
def test_the_evidence_names_its_sources(path: Path) -> None:
    text = "\n".join(text for _, _, text in part_of(path, "evidence"))
    assert re.search(r"\b(19|20)\d\d\b|assumed|\(ours\)", text), f"{path.name}: evidence without a source"


@each_chapter
def test_claims_are_checked(path: Path) -> None:
    """A stripped notebook is green whatever it prints: some cell must assert, or be compared."""
    checked = any(tool.CHECKED in tool.tags(cell) for cell in tool.read(path)["cells"])
    assert checked or re.search(r"^\s*assert ", code_of(path), re.MULTILINE), path.name


def test_all_chapters_are_there() -> None:
    numbers = [path.name[:2] for path in COURSE]
    assert numbers[:CHAPTERS] == [f"{k:02d}" for k in range(CHAPTERS)]


written_to_the_end = pytest.mark.skipif(
    len(COURSE) < CHAPTERS, reason="chapters are missing; test_all_chapters_are_there says which"
)


@written_to_the_end
def test_every_term_of_the_vocabulary_is_in_the_course() -> None:
    text = "\n".join(text for path in COURSE for _, _, text in cells_of(path))
    small = re.sub(r"\s+", " ", text).lower()
    lacking = [
        (row.english, row.chinese)
        for row in glossary().itertuples()
        if row.english.lower() not in small or row.chinese not in text
    ]
    assert lacking == []


# -- the table of concepts --------------------------------------------------------------------------


def concepts(text: str) -> Iterator[tuple[list[str], str, list[tuple[str, str]]]]:
    """Rows of the tables with places `file#cell-id`: Chinese terms, English, (file, cell) pairs."""
    for line in text.splitlines():
        columns = [column.strip() for column in line.strip().strip("|").split("|")]
        if not line.strip().startswith("|") or len(columns) < 3 or set("".join(columns)) <= set("-: "):
            continue
        places = re.findall(r"`([\w.-]+\.ipynb)#([\w-]+)`", columns[-1])
        if columns[0] in ("中文", "Chinese term"):
            continue
        terms = [term for term in re.split(r"[、，,;；/+]", columns[0]) if term.strip()]
        yield [term.strip() for term in terms], columns[1], places


def wrong_rows(text: str, folder: Path) -> list[str]:
    """What is wrong with the table, in sentences."""
    wrong = []
    for terms, english, places in concepts(text):
        row = "、".join(terms) or "(no term)"
        if not terms or not english:
            wrong.append(f"{row}: a row needs a Chinese term and an English one")
        if not places:
            wrong.append(f"{row}: no place `file#cell-id`")
        held = ""
        for file, name in places:
            path = folder / file
            if not path.exists():
                wrong.append(f"{row}: there is no {file}")
                continue
            cells = {cell: text for cell, _, text in cells_of(path)}
            if name not in cells:
                wrong.append(f"{row}: {file} has no cell {name}")
            held += cells.get(name, "")
        lacking = [term for term in terms if term not in held]
        if lacking and held:
            wrong.append(f"{row}: {'、'.join(lacking)} is not in {', '.join(f'{f}#{c}' for f, c in places)}")
    return wrong


@written_to_the_end
def test_the_table_of_concepts_points_to_cells_that_hold_them() -> None:
    text = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert len(list(concepts(text))) >= CONCEPTS
    assert wrong_rows(text, ROOT / "notebooks") == []


# -- they run -----------------------------------------------------------------------------------------


def under_nbval(path: Path) -> str:
    """The end of nbval's report if a cell fails or prints something else, else nothing.

    Kernels choose free ports and let go of them until they begin, so that of two that begin at once one may
    die before its first cell. That says nothing of the notebook, which then runs again.
    """
    command = [
        sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-q", "--color=no", "-p",
        "no:cacheprovider", "-p", "no:xdist", "--override-ini=addopts=", str(path),
    ]  # fmt: skip
    for _ in range(2):
        done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=900)
        said = done.stdout + done.stderr
        if "Kernel died before replying to kernel_info" not in said:
            break
    return "" if done.returncode == 0 else said[-4000:]


@pytest.fixture(scope="module")
def reports(request: pytest.FixtureRequest) -> Iterator[dict[Path, Future[str]]]:
    """Two notebooks at a time: most of a notebook's time is waiting for its kernel."""
    wanted = [
        item.callspec.params["path"]
        for item in request.session.items
        if getattr(item, "originalname", "") == "test_runs_under_nbval" and hasattr(item, "callspec")
    ]
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {path: pool.submit(under_nbval, path) for path in wanted}


@pytest.mark.slow
@each_notebook
def test_runs_under_nbval(path: Path, reports: dict[Path, Future[str]]) -> None:
    assert reports[path].result() == ""


# -- the tool -----------------------------------------------------------------------------------------

TEXT = '''# %% [markdown] id=title
"""
# A title 题目

Prose with "quotes", a `# comment` and 中文.
"""

# %% id=kept tags=nbval-check-output
kept = 1 / 3
print(round(kept, 3))

# %% id=page hidden
kept
'''


@pytest.fixture()
def notebook(tmp_path: Path) -> Path:
    path = tmp_path / "toy.ipynb"
    path.write_text(tool.written(tool.from_text(TEXT)), encoding="utf-8")
    return path


def spoil(path: Path, change: Any) -> None:
    """Change a notebook's contents as a front end would."""
    found = json.loads(path.read_text(encoding="utf-8"))
    change(found)
    path.write_text(json.dumps(found), encoding="utf-8")


def run_tool(*words: Any) -> int:
    return int(tool.main([str(word) for word in words]))


def test_a_notebook_from_text_and_back(notebook: Path, tmp_path: Path) -> None:
    found = tool.read(notebook)
    assert [cell["id"] for cell in found["cells"]] == ["title", "kept", "page"]
    assert tool.source(found["cells"][0]).startswith("# A title 题目\n\nProse")
    assert found["cells"][2]["metadata"] == {"jupyter": {"source_hidden": True}}
    assert tool.to_text(found) == TEXT
    assert run_tool("text", notebook, tmp_path / "toy.py") == 0
    before = notebook.read_bytes()
    assert run_tool("make", tmp_path / "toy.py", notebook) == 0
    assert notebook.read_bytes() == before
    commented = (
        TEXT.replace('"""\n# A', "# # A").replace("\n\nProse", "\n#\n# Prose").replace('中文.\n"""', "中文.")
    )
    assert tool.from_text(commented) == found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("print(1)\n", "no cell begins"),
        ("import x\n# %% id=a\n1\n", "text above"),
        ("# %% name=a\n1\n", "'name=a' is not known"),
        ("# %% [markdown] id=a\nplain\n", "markdown stands between"),
    ],
)
def test_a_text_that_is_none_is_told(text: str, complaint: str) -> None:
    with pytest.raises(tool.NotebookError, match=re.escape(complaint)):
        tool.from_text(text)


def test_clean_strips_what_machines_made_and_is_byte_stable(notebook: Path) -> None:
    good = notebook.read_bytes()

    def as_saved(found: dict[str, Any]) -> None:
        found["metadata"] |= {
            "widgets": {"state": {}},
            "kernelspec": {"name": "mine", "display_name": "Mine"},
        }
        found["nbformat_minor"] = 4
        page = found["cells"][2]
        page |= {"execution_count": 7, "outputs": [{"output_type": "execute_result", "data": {}}]}
        page["metadata"] |= {"collapsed": True, "ExecuteTime": {"end_time": "now"}}

    spoil(notebook, as_saved)
    assert any("run `clean`" in sentence for sentence in tool.problems(notebook))
    assert run_tool("clean", notebook) == 1  # still nothing to compare with
    assert notebook.read_bytes() == good
    run_tool("clean", notebook)
    assert notebook.read_bytes() == good
    spoil(notebook, lambda found: found["metadata"].update(authors=[]))
    problems = tool.problems(notebook)
    assert any("metadata" in p or "run `store`" in p for p in problems)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("3f2a9c1b", "machine-made"),
        ("5b0c8c1e-2d3f-4a5b-8c9d-0123456789ab", "machine-made"),
        ("cell-12", "machine-made"),
        ("Three Views", "small letters"),
        ("", "no id"),
        ("title", "taken"),
    ],
)
def test_ids_must_mean_something(notebook: Path, name: str, complaint: str) -> None:
    spoil(notebook, lambda found: found["cells"][2].update(id=name))
    assert any(complaint in sentence for sentence in tool.problems(notebook))
    tool.write(notebook, tool.written(tool.cleaned(tool.read(notebook))))
    assert [cell["id"] for cell in tool.read(notebook)["cells"]] == ["title", "kept", "title-code"]


@pytest.mark.parametrize("name", ["three-views", "rfm", "face", "decade", "abc-curve", "4p", "facade"])
def test_words_are_no_machine_made_ids(name: str) -> None:
    assert tool.meant([name]) == [""]


@pytest.mark.parametrize(
    ("outputs", "complaint"),
    [
        ([], "run `store`"),
        ([{"output_type": "display_data", "data": {"image/png": "x"}}], "only print()"),
        ([{"output_type": "stream", "name": "stderr", "text": "x"}], "not stream stderr"),
        ([{"output_type": "stream", "name": "stdout", "text": "<Run at 0x7f01aa22bb>"}], "address of memory"),
    ],
)
def test_a_checked_cell_stores_plain_text_only(notebook: Path, outputs: list[Any], complaint: str) -> None:
    spoil(notebook, lambda found: found["cells"][1].update(outputs=outputs, execution_count=3))
    assert any(complaint in sentence for sentence in tool.problems(notebook))
    assert run_tool("check", notebook) == 1


def test_a_count_is_made_one_and_texts_are_joined(notebook: Path) -> None:
    parts = [{"output_type": "stream", "name": "stdout", "text": [text]} for text in ("0.3", "33\n")]
    spoil(notebook, lambda found: found["cells"][1].update(outputs=parts, execution_count=9))
    assert run_tool("clean", notebook) == 0 == run_tool("check", notebook)
    cell = tool.read(notebook)["cells"][1]
    assert cell["execution_count"] == 1
    assert cell["outputs"] == [{"name": "stdout", "output_type": "stream", "text": ["0.333\n"]}]


@pytest.mark.slow
def test_store_runs_and_nbval_compares(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_tool("store", notebook) == 0 == run_tool("check", notebook)
    assert tool.read(notebook)["cells"][1]["outputs"][0]["text"] == ["0.333\n"]
    assert tool.read(notebook)["cells"][2]["outputs"] == []
    before = notebook.read_bytes()
    assert run_tool("store", notebook) == 0
    assert notebook.read_bytes() == before
    assert under_nbval(notebook) == ""
    spoil(notebook, lambda found: found["cells"][1]["outputs"][0].update(text=["0.334\n"]))
    assert "1 failed" in under_nbval(notebook)
    spoil(notebook, lambda found: found["cells"][2].update(source="1 / 0"))
    before = notebook.read_bytes()
    assert run_tool("store", notebook) == 1
    assert "the cell page fails: ZeroDivisionError" in capsys.readouterr().err
    assert notebook.read_bytes() == before


def test_files_that_are_no_notebooks_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.ipynb").write_text("{", encoding="utf-8")
    (tmp_path / "b.ipynb").write_text('{"nbformat": 3, "cells": []}', encoding="utf-8")
    assert run_tool("check", tmp_path / "a.ipynb", tmp_path / "b.ipynb", tmp_path / "c.ipynb") == 1
    told = capsys.readouterr().err.splitlines()
    assert (
        len(told) == 3 and "no notebook" in told[0] and "format 4" in told[1] and "cannot be read" in told[2]
    )


def test_the_table_is_checked(notebook: Path) -> None:
    row = "| 题目、中文 | title | `toy.ipynb#title` |\n"
    table = "| 中文 | English | place |\n|---|---|---|\n"
    assert wrong_rows(table + row, notebook.parent) == []
    for changed, complaint in (
        (row.replace("中文 ", "另外 "), "另外 is not in toy.ipynb#title"),
        (row.replace("#title", "#other"), "has no cell other"),
        (row.replace("toy.", "gone."), "there is no gone.ipynb"),
        (row.replace("`", ""), "no place"),
        (row.replace("| title |", "|  |"), "an English one"),
    ):
        assert any(complaint in sentence for sentence in wrong_rows(table + changed, notebook.parent)), (
            complaint
        )
