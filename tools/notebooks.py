"""Keep notebooks fit to be committed: nothing machine-made in them, but the few outputs that are compared.

    python tools/notebooks.py check --all                 say what is wrong; exit code 1 if anything is
    python tools/notebooks.py clean notebooks/04_rfm.ipynb   strip outputs, counts, widget state
    python tools/notebooks.py store notebooks/04_rfm.ipynb   run it, keep what the checked cells print
    python tools/notebooks.py text notebooks/04_rfm.ipynb rfm.py   as text that is pleasant to write
    python tools/notebooks.py make rfm.py notebooks/04_rfm.ipynb   and back; stored outputs stay if they fit

A clean notebook has no outputs and no counts. A cell tagged `nbval-check-output` is the exception: what it
prints is stored as one text, with the count 1, and `pytest --nbval-lax` compares it; without a count nbval
compares nothing. Such a cell prints short, rounded, seeded text, and nothing else: rich outputs are refused.
Every cell has an id that says what it is, in words apart by hyphens, such as `three-views`; links in
notebooks/README.md name it. Of a cell's metadata only tags and a hidden source remain. The same notebook
always gives the same bytes.

In a text a cell begins with a line `# %%`, after which come `[markdown]`, the cell's id, its tags and
`hidden` for a source that is folded away. Markdown stands between three double quotes, or after `# `:

    # %% [markdown] id=question
    \"\"\"
    ## The question
    Who stays?
    \"\"\"

    # %% id=kept tags=nbval-check-output
    print(round(kept, 2))
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CHECKED = "nbval-check-output"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# what front ends and nbformat give to a cell, and names that say no more than that
MACHINE = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=.*\d)[0-9a-f]{6,12}|(cell|code|markdown)?-?\d*"
)
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")

Notebook = dict[str, Any]


class NotebookError(ValueError):
    """What is wrong with a notebook or a text, and where."""


# -- files -------------------------------------------------------------------------------------------


def read(path: Path) -> Notebook:
    """A notebook of format 4. Raises NotebookError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotebookError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise NotebookError(f"{path}: no notebook: {error}") from None
    if not isinstance(found, dict) or found.get("nbformat") != 4 or not isinstance(found.get("cells"), list):
        raise NotebookError(f"{path}: no notebook of format 4")
    return found


def written(notebook: Notebook) -> str:
    """The notebook as it stands in its file: the same notebook, the same bytes."""
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def write(path: Path, text: str) -> bool:
    """Write the file whole or not at all; False if it says so already."""
    if path.exists() and path.read_bytes() == text.encode("utf-8"):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(text.encode("utf-8"))
    part.replace(path)
    return True


def all_notebooks(root: Path = ROOT) -> list[Path]:
    """The notebooks of the course and of its exercises."""
    return sorted(
        path
        for folder in ("notebooks", "exercises")
        for path in (root / folder).rglob("*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    )


# -- cells -------------------------------------------------------------------------------------------


def source(cell: Notebook) -> str:
    found = cell.get("source", "")
    return found if isinstance(found, str) else "".join(found)


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def tags(cell: Notebook) -> list[str]:
    return list(cell.get("metadata", {}).get("tags", []))


def printed(cell: Notebook) -> str | None:
    """What a cell printed, None if it did not run. Raises NotebookError for what is not plain text."""
    outputs = cell.get("outputs", [])
    for output in outputs:
        if output.get("output_type") != "stream" or output.get("name") != "stdout":
            kind = output.get("output_type", "output")
            what = ", ".join(output.get("data", {})) or output.get("name", "")
            raise NotebookError(f"only print() in a cell tagged {CHECKED}, not {kind} {what}".rstrip())
    text = "".join(source({"source": output.get("text", "")}) for output in outputs)
    return text if outputs else None


def meant(ids: Iterable[str]) -> list[str]:
    """What is wrong with each id, empty where nothing is."""
    seen: set[str] = set()
    found = []
    for name in ids:
        if not name:
            found.append("it has no id")
        elif name in seen:
            found.append("its id is taken by a cell above")
        elif MACHINE.fullmatch(name):
            found.append("its id is machine-made; say what the cell is, such as three-views")
        elif not NAME.fullmatch(name):
            found.append("its id is not of small letters, digits and hyphens")
        else:
            found.append("")
        seen.add(name)
    return found


def proposed(cell: Notebook, last: str, taken: set[str]) -> str:
    """An id from the cell's heading, or from the last heading above it."""
    heading = (
        re.search(r"^#+ +(.+)$", source(cell), re.MULTILINE) if cell["cell_type"] == "markdown" else None
    )
    words = re.findall(r"[a-z0-9]+", heading[1].lower()) if heading else []
    while words and words[0].isdigit():
        words = words[1:]
    base = "-".join(words[:5]) or f"{last or 'cell'}-{'code' if cell['cell_type'] == 'code' else 'text'}"
    name, k = base, 2
    while name in taken or MACHINE.fullmatch(name):
        name, k = f"{base}-{k}", k + 1
    return name


# -- clean -------------------------------------------------------------------------------------------


def cleaned(notebook: Notebook) -> Notebook:
    """The notebook without what machines put in. Ids that say nothing are made from headings.

    Outputs of checked cells stay as one text; if they are not plain text they are dropped.
    """
    cells: list[Notebook] = []
    ids = [str(cell.get("id", "")) for cell in notebook["cells"]]
    wrong = meant(ids)
    taken = {name for name, problem in zip(ids, wrong, strict=True) if not problem}
    last = ""
    for cell, name, problem in zip(notebook["cells"], ids, wrong, strict=True):
        kind = cell.get("cell_type")
        if kind not in ("code", "markdown", "raw"):
            raise NotebookError(f"a cell of the unknown kind {kind!r}")
        if problem:
            name = proposed(cell, last, taken)
            taken.add(name)
        if kind == "markdown" and re.match(r"#+ ", source(cell)):
            last = name
        metadata: Notebook = {}
        if tags(cell):
            metadata["tags"] = list(dict.fromkeys(tags(cell)))
        if cell.get("metadata", {}).get("jupyter", {}).get("source_hidden"):
            metadata["jupyter"] = {"source_hidden": True}
        new: Notebook = {
            "cell_type": kind, "id": name, "metadata": metadata, "source": lines(source(cell).strip("\n")),
        }  # fmt: skip
        if kind == "code":
            new |= {"execution_count": None, "outputs": []}
            if CHECKED in tags(cell):
                try:
                    text = printed(cell)
                except NotebookError:
                    text = None
                if text is not None:
                    new |= {"execution_count": 1, "outputs": [_stdout(text)]}
        cells.append(new)
    return {"cells": cells, "metadata": copy.deepcopy(METADATA), "nbformat": 4, "nbformat_minor": 5}


def _stdout(text: str) -> Notebook:
    return {"name": "stdout", "output_type": "stream", "text": lines(text)}


def problems(path: Path) -> list[str]:
    """All that is wrong with a notebook's file, as `file#cell: sentence`; empty if it is clean."""
    notebook = read(path)
    found = []
    ids = [str(cell.get("id", "")) for cell in notebook["cells"]]
    for k, (cell, problem) in enumerate(zip(notebook["cells"], meant(ids), strict=True)):
        where = f"{path.name}#{ids[k] or k + 1}"
        if problem:
            found.append(f"{where}: {problem}")
        if cell.get("attachments"):
            found.append(f"{where}: it holds an attached file; put the picture beside the notebook")
        if not source(cell).strip():
            found.append(f"{where}: it is empty")
        if cell.get("cell_type") != "code":
            if CHECKED in tags(cell):
                found.append(f"{where}: only a cell of code can be tagged {CHECKED}")
            continue
        if CHECKED in tags(cell):
            try:
                text = printed(cell)
            except NotebookError as error:
                found.append(f"{where}: {error}")
                continue
            if text is None:
                found.append(f"{where}: no output is stored to compare with; run `store`")
            elif ADDRESS.search(text):
                found.append(f"{where}: it prints an address of memory, which differs in every run")
        elif cell.get("outputs") or cell.get("execution_count") is not None:
            found.append(f"{where}: it holds an output or a count; run `clean`")
    left = path.read_bytes() != written(cleaned(notebook)).encode("utf-8")
    if left and not found:
        found.append(f"{path.name}: it holds metadata or an order that machines made; run `clean`")
    return found


# -- store -------------------------------------------------------------------------------------------


def stored(notebook: Notebook, folder: Path, seconds: float = 300) -> Notebook:
    """The notebook, clean, with what its checked cells print when it is run in `folder`.

    Raises NotebookError when a cell fails or a checked one shows more than text.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    clean = cleaned(notebook)
    run = nbformat.reads(written(clean), as_version=4)
    client = NotebookClient(
        run,
        timeout=round(seconds),
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--IPKernelApp.log_level=40"],
    )
    try:
        client.execute()
    except CellExecutionError as error:
        failed = next(
            (
                cell["id"]
                for cell in run["cells"]
                if any(o["output_type"] == "error" for o in cell.get("outputs", []))
            ),
            "?",
        )
        raise NotebookError(f"the cell {failed} fails: {error.ename}: {error.evalue}") from None
    except (CellTimeoutError, DeadKernelError) as error:
        raise NotebookError(str(error)) from None
    for cell, ran in zip(clean["cells"], run["cells"], strict=True):
        if CHECKED not in tags(cell):
            continue
        try:
            text = printed(ran)
        except NotebookError as error:
            raise NotebookError(f"the cell {cell['id']}: {error}") from None
        if text is None:
            raise NotebookError(f"the cell {cell['id']} is tagged {CHECKED} and prints nothing")
        cell |= {"execution_count": 1, "outputs": [_stdout(text)]}
    return clean


# -- as text -----------------------------------------------------------------------------------------

HEAD = re.compile(r"^# %%(?P<rest>.*)$", re.MULTILINE)
QUOTES = '"""'


def from_text(text: str, before: Notebook | None = None) -> Notebook:
    """A notebook from its text. `before`: cells of the same id and source keep their stored output.

    Raises NotebookError.
    """
    heads = list(HEAD.finditer(text))
    if not heads:
        raise NotebookError("no cell begins with a line `# %%`")
    if text[: heads[0].start()].strip():
        raise NotebookError("there is text above the first line `# %%`")
    kept = {str(cell.get("id")): cell for cell in (before or {"cells": []})["cells"]}
    cells = []
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        body = text[head.end() : following.start() if following else len(text)].strip("\n")
        cell: Notebook = {"cell_type": "code", "id": "", "metadata": {}}
        for word in head["rest"].split():
            name, equals, value = word.partition("=")
            if word == "[markdown]":
                cell["cell_type"] = "markdown"
            elif word == "hidden":
                cell["metadata"]["jupyter"] = {"source_hidden": True}
            elif name == "id" and equals:
                cell["id"] = value
            elif name == "tags" and equals:
                cell["metadata"]["tags"] = [tag for tag in value.split(",") if tag]
            else:
                raise NotebookError(
                    f"{head[0].strip()!r}: {word!r} is not known; "
                    "write [markdown], id=NAME, tags=A,B or hidden"
                )
        cell["source"] = _prose(body) if cell["cell_type"] == "markdown" else body
        old = kept.get(cell["id"])
        if old is not None and source(old) == cell["source"]:
            cell["outputs"] = old.get("outputs", [])
        cells.append(cell)
    return cleaned({"cells": cells})


def _prose(body: str) -> str:
    stripped = body.strip()
    if stripped.startswith(QUOTES) and stripped.endswith(QUOTES) and len(stripped) >= 6:
        return stripped[3:-3].strip("\n")
    if all(line.startswith("#") for line in stripped.splitlines() if line.strip()):
        return "\n".join(re.sub(r"^# ?", "", line) for line in stripped.splitlines())
    raise NotebookError(f"markdown stands between {QUOTES} or after `# `, not as {stripped[:40]!r}")


def to_text(notebook: Notebook) -> str:
    """The notebook as text, from which `from_text` makes it again (but for stored outputs)."""
    parts = []
    for cell in cleaned(notebook)["cells"]:
        body = source(cell)
        head = "# %%" + (" [markdown]" if cell["cell_type"] == "markdown" else "") + f" id={cell['id']}"
        head += f" tags={','.join(tags(cell))}" if tags(cell) else ""
        head += " hidden" if "jupyter" in cell["metadata"] else ""
        if HEAD.search(body):
            raise NotebookError(f"the cell {cell['id']} has a line `# %%` of its own")
        if cell["cell_type"] == "markdown":
            quoted = QUOTES not in body
            body = f"{QUOTES}\n{body}\n{QUOTES}" if quoted else re.sub(r"^", "# ", body, flags=re.MULTILINE)
        parts.append(f"{head}\n{body}\n")
    return "\n".join(parts)


# -- the command ---------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    about, _, more = str(__doc__).partition("\n\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help in (
        ("check", "say what is wrong with notebooks"),
        ("clean", "strip what machines made"),
        ("store", "run, and keep the text of checked cells"),
    ):
        one = commands.add_parser(name, help=help)
        one.add_argument("notebook", nargs="*", type=Path)
        one.add_argument("--all", action="store_true", help="those of the course and its exercises")
    text = commands.add_parser("text", help="write a notebook as text")
    text.add_argument("notebook", type=Path)
    text.add_argument("text", nargs="?", type=Path, help="file to write; the screen when left out")
    make = commands.add_parser("make", help="make a notebook from text")
    make.add_argument("text", type=Path)
    make.add_argument("notebook", type=Path)
    chosen = parser.parse_args(arguments)
    if chosen.command in ("text", "make"):
        return _told(lambda: _convert(chosen), chosen.notebook)
    paths = [*chosen.notebook, *(all_notebooks() if chosen.all else [])]
    if not paths and not chosen.all:
        parser.error("name notebooks, or give --all")
    codes = [_told(lambda path=path: _each(chosen.command, path), path) for path in paths]
    return max(codes, default=0)


def _each(command: str, path: Path) -> int:
    if command != "check":
        notebook = read(path)
        new = stored(notebook, path.resolve().parent) if command == "store" else cleaned(notebook)
        done = write(path, written(new))
        print(f"{path}: {'written' if done else 'as it was'}")
    wrong = problems(path)
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    return int(bool(wrong))


def _convert(chosen: argparse.Namespace) -> int:
    if chosen.command == "text":
        found = to_text(read(chosen.notebook))
        if chosen.text is None:
            print(found, end="")
        else:
            write(chosen.text, found)
        return 0
    before = read(chosen.notebook) if chosen.notebook.exists() else None
    try:
        text = chosen.text.read_text(encoding="utf-8")
    except OSError as error:
        raise NotebookError(f"{chosen.text}: cannot be read: {error.strerror}") from None
    write(chosen.notebook, written(from_text(text, before)))
    print(f"{chosen.notebook}: written")
    return 0


def _told(do: Any, path: Path) -> int:
    try:
        return int(do())
    except NotebookError as error:
        said = str(error)
        print(said if said.startswith(str(path)) else f"{path.name}: {said}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
