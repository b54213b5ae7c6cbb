"""Every figure and number of the notebooks made anew, with their checksums: `crmsim reproduce`.

Each notebook runs from top to bottom in a kernel of its own. What its cells show is written: a PNG file a
figure and a text file a cell that prints, named by the cell's id, and `manifest.csv` with a checksum of each.
Two runs of one version on one machine give the same manifest, byte by byte; on another machine letters may be
drawn a pixel apart, and the printed numbers say whether the results are the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from .. import __version__
from .serve import COURSE

SECONDS = 900  # most that one cell may take
OUTPUT_SECONDS = 60  # most that its output may come later than its end


class ReproductionError(RuntimeError):
    """A notebook did not run to its end: says which cell and why."""


def notebooks(course: Path = COURSE) -> dict[str, Path]:
    """The course's notebooks by name, such as `04_rfm` and `water/1_listening`, in the order of the course.

    Raises ReproductionError where the notebooks are not beside this installation.
    """
    root = course / "notebooks"
    found = sorted(root.glob("*.ipynb")) + sorted(root.glob("*/*.ipynb"))
    if not found:
        raise ReproductionError(f"no notebooks in {root}; get the project's checkout and run it from there")
    return {path.relative_to(root).with_suffix("").as_posix(): path for path in found}


def reproduce(
    out: str | Path, names: Iterable[str] = (), *, course: Path = COURSE, progress: bool = True
) -> pd.DataFrame:
    """Run notebooks and write what they show to a folder; gives the manifest.

    names: which notebooks; all if none is given. A notebook that was done before with the same text and the
    same source of crmsim is not run again, so an interrupted run goes on where it was.

    The manifest has a row a file: notebook, cell, file, kind (`figure` or `text`), sha256. Raises ValueError
    for an unknown notebook and ReproductionError for a cell that fails; what was done until then stays.
    """
    from tqdm.auto import tqdm

    out, known = Path(out), notebooks(course)
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no notebook is called {unknown[0]!r}; there are {', '.join(known)}")
    chosen = [name for name in known if name in set(names)] if names else list(known)
    out.mkdir(parents=True, exist_ok=True)
    for name in tqdm(chosen, desc="notebooks", unit="notebook", disable=not progress):
        mark = _mark(known[name])
        if _done(out / name) != mark:
            _write(out / name, _run(known[name], name), mark)
    rows = [
        (name, path.stem.rpartition("-out")[0] or path.stem, path.relative_to(out).as_posix(),
         "figure" if path.suffix == ".png" else "text", hashlib.sha256(path.read_bytes()).hexdigest())
        for name in known
        if _done(out / name)
        for path in sorted((out / name).iterdir())
        if path.suffix in (".png", ".txt")
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["notebook", "cell", "file", "kind", "sha256"])
    part = out / "manifest.csv.part"
    table.to_csv(part, index=False)
    part.replace(out / "manifest.csv")
    return table


def _mark(path: Path) -> str:
    """Changes with the notebook and with the source of crmsim."""
    mark = hashlib.sha256(__version__.encode())
    mark.update(path.read_bytes())
    package = Path(__file__).parent.parent
    for source in sorted(package.rglob("*.py")) + sorted(package.rglob("*.toml")):
        mark.update(source.relative_to(package).as_posix().encode() + b"\0" + source.read_bytes())
    return mark.hexdigest()


def _done(folder: Path) -> str:
    """The mark of what is in a folder, empty if nothing is whole."""
    try:
        return str(json.loads((folder / "done.json").read_text(encoding="utf-8"))["mark"])
    except (OSError, ValueError, KeyError):
        return ""


def _run(path: Path, name: str) -> Any:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    book = nbformat.read(path, as_version=4)
    client = NotebookClient(
        book, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}},
        # on a busy machine a figure may come seconds late, and would be left out without a word
        iopub_timeout=OUTPUT_SECONDS, raise_on_iopub_timeout=True,
    )  # fmt: skip
    try:
        # the backend of the command, which shows nothing, is not that of a notebook
        client.execute(env={name: value for name, value in os.environ.items() if name != "MPLBACKEND"})
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        failed = next((c["id"] for c in book.cells if _has_error(c)), None)
        if isinstance(error, CellTimeoutError):  # it tells no cell: the one that was begun last
            begun = [c["id"] for c in book.cells if "iopub.execute_input" in c.metadata.get("execution", {})]
            failed = begun[-1] if begun else None
        said = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()  # a traceback comes in colours
        late = [line for line in said.splitlines() if line.startswith("The message was: ")]
        last = (late or said.splitlines() or [type(error).__name__])[-1].removeprefix("The message was: ")
        raise ReproductionError(f"{name}, cell {failed or 'unknown'}: {last}") from None
    return book


def _has_error(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.get("outputs", ()))


def _write(folder: Path, book: Any, mark: str) -> None:
    """What the cells show, whole or not at all."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for cell in book.cells:
        said, figures = [], 0
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                figures += 1
                picture = base64.b64decode(data["image/png"])
                (part / f"{cell['id']}-out{figures}.png").write_bytes(picture)
            elif output.output_type == "stream" and output.name == "stdout":
                said.append(output.text)
            elif "text/plain" in data and "application/vnd.jupyter.widget-view+json" not in data:
                said.append(data["text/plain"] + "\n")
        if said:
            (part / f"{cell['id']}.txt").write_text("".join(said), encoding="utf-8")
    (part / "done.json").write_text(json.dumps({"mark": mark, "version": __version__}), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    part.replace(folder)
