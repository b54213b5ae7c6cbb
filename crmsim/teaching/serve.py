"""`crmsim lab` and `crmsim demo`: JupyterLab on a copy of the course, a page in a browser.

Both run on this machine alone: nothing is fetched, and the servers listen on 127.0.0.1.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

# the course stands beside the package in a checkout
COURSE = Path(__file__).resolve().parents[2]


class ServeError(ValueError):
    """Why a page or the laboratory cannot be opened, and what to do."""


def demo_notebook(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A notebook of one cell that shows a page."""
    words = ", ".join([repr(name), *(f"{key}={value!r}" for key, value in settings.items())])
    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "page",
        "metadata": {},
        "source": f"import crmsim as cs\n\ncs.show({words})",
        "outputs": [],
        "execution_count": None,
    }
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


def demo(name: str, *, port: int = 0, browser: bool = True, ready: Any = None, **settings: Any) -> int:
    """Open one page in a browser and serve it until interrupted; returns the server's exit code.

    port: 0 takes a free one. settings: as for `show`. ready: called with the address once it is known.
    Raises ServeError, and ValueError for an unknown page.
    """
    from .pages import PAGES, page_class

    _need("voila")
    page_class(name)
    key = next(k for k in PAGES if k == name.strip().lower().replace("_", "-"))
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="crmsim-demo-") as folder:
        path = Path(folder) / f"{key}.ipynb"
        path.write_text(json.dumps(demo_notebook(key, settings)), encoding="utf-8")
        command = [
            sys.executable, "-m", "voila", str(path), f"--port={port}", "--Voila.ip=127.0.0.1",
            "--template=crmsim", "--VoilaConfiguration.file_allowlist=.*",
            "--VoilaConfiguration.preheat_kernel=True", "--VoilaConfiguration.default_pool_size=1",
            "--MappingKernelManager.cull_interval=60", "--MappingKernelManager.cull_idle_timeout=1800",
        ]  # fmt: skip
        if not browser:
            command.append("--no-browser")
        if ready is not None:
            ready(f"http://127.0.0.1:{port}/")
        return run(command, folder)


def lab(folder: str | Path | None = None, *, port: int = 0, browser: bool = True, ready: Any = None) -> int:
    """Start JupyterLab on a copy of the course in `folder` (default: `crmsim-course` here).

    Files already there are the student's and stay as they are. Raises ServeError.
    """
    _need("jupyterlab")
    target = copy_course(Path(folder) if folder is not None else Path("crmsim-course"))
    port = port or free_port()
    command = [
        sys.executable, "-m", "jupyterlab", f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={target}",
    ]  # fmt: skip
    start = target / "notebooks" / "00_start_here.ipynb"
    if start.exists():
        command.append("--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb")
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    if ready is not None:
        ready(str(target))
    return run(command, str(target))


def copy_course(target: Path) -> Path:
    """Copy notebooks, data sets and exercises to a student's folder; what is there already stays.

    Returns the folder. Raises ServeError when the course is not beside the package or the folder
    cannot be written.
    """
    source = COURSE / "notebooks"
    if not source.is_dir():
        raise ServeError(
            "the course's notebooks are not beside this installation; get the project's checkout and run "
            "`python3 start.py lab` in it"
        )
    target = target.resolve()
    if target == COURSE or COURSE / "notebooks" in (target, *target.parents):
        raise ServeError(f"{target} is the course itself; name another folder for the student's copy")
    try:
        target.mkdir(parents=True, exist_ok=True)
        for part in ("notebooks", "exercises", "datasets"):
            for path in sorted((COURSE / part).rglob("*")):
                if path.is_dir() or "__pycache__" in path.parts or ".ipynb_checkpoints" in path.parts:
                    continue
                copy = target / path.relative_to(COURSE)
                if copy.exists():
                    continue
                copy.parent.mkdir(parents=True, exist_ok=True)
                half = copy.with_name(copy.name + ".part")
                shutil.copyfile(path, half)
                half.replace(copy)
    except OSError as error:
        raise ServeError(f"the course cannot be copied to {target}: {error}") from None
    return target


def run(command: Sequence[str], folder: str) -> int:
    """Run a Jupyter server in `folder` with our template and its own settings until it ends."""
    own = resources.files("crmsim.teaching") / "jupyter"
    with tempfile.TemporaryDirectory(prefix="crmsim-jupyter-") as config:
        _quiet_config(Path(config))
        environment = dict(os.environ)
        environment["JUPYTER_PATH"] = os.pathsep.join(
            filter(None, (str(own), environment.get("JUPYTER_PATH", "")))
        )
        environment["JUPYTER_CONFIG_PATH"] = os.pathsep.join(
            filter(None, (config, environment.get("JUPYTER_CONFIG_PATH", "")))
        )
        process = subprocess.Popen(list(command), cwd=folder, env=environment)

        def end(*_: Any) -> None:
            process.terminate()

        before = signal.signal(signal.SIGTERM, end)
        try:
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:
                    process.terminate()
        finally:
            signal.signal(signal.SIGTERM, before)


def _quiet_config(config: Path) -> None:
    """JupyterLab must not ask the network for its news."""
    folder = config / "labconfig"
    folder.mkdir()
    off = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (folder / "page_config.json").write_text(json.dumps(off), encoding="utf-8")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _need(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise ServeError(f'{module} is not installed: pip install "crmsim[course]"')
