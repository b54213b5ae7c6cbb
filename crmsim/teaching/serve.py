"""`crmsim lab` and `crmsim demo`: JupyterLab on a copy of the course, a page in a browser.

Both run on this machine alone: nothing is fetched, and the servers listen on 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import IO, Any

# the course stands beside the package in a checkout
COURSE = Path(__file__).resolve().parents[2]

# seconds a server is given to end before it is ended
PATIENCE = 10


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
    Raises ServeError, and ValueError for an unknown page or scenario.
    """
    from ..simulation.scenario import Scenario
    from .pages import PAGES, page_class

    _need("voila", "anywidget", "ipywidgets")
    page_class(name)
    key = next(k for k in PAGES if k == name.strip().lower().replace("_", "-"))
    scenario = settings.get("scenario")
    if scenario is not None:
        # a mistake is told here, not in the browser; and the page's kernel runs in another folder
        Scenario.from_name(scenario)
        if Path(scenario).is_file():
            settings["scenario"] = str(Path(scenario).resolve())
    port = a_port(port)
    with tempfile.TemporaryDirectory(prefix="crmsim-demo-") as folder:
        path = Path(folder) / f"{key}.ipynb"
        path.write_text(json.dumps(demo_notebook(key, settings)), encoding="utf-8")
        if ready is not None:
            ready(f"http://127.0.0.1:{port}/")
        return run(voila(path, port, browser), folder)


def voila(target: Path, port: int, browser: bool) -> list[str]:
    """The command that serves a notebook, or a folder of them, as pages."""
    command = [
        sys.executable, "-m", "voila", str(target), f"--port={port}", "--Voila.ip=127.0.0.1",
        "--Voila.port_retries=0", "--template=crmsim", "--VoilaConfiguration.file_allowlist=.*",
        "--MappingKernelManager.cull_interval=60", "--MappingKernelManager.cull_idle_timeout=1800",
    ]  # fmt: skip
    if target.is_file():
        # a kernel that has run the notebook waits for the first visitor
        command += ["--VoilaConfiguration.preheat_kernel=True", "--VoilaConfiguration.default_pool_size=1"]
    return command if browser else [*command, "--no-browser"]


def lab(folder: str | Path | None = None, *, port: int = 0, browser: bool = True, ready: Any = None) -> int:
    """Start JupyterLab on a copy of the course in `folder` (default: `crmsim-course` here).

    Files already there are the student's and stay as they are. Raises ServeError.
    """
    _need("jupyterlab", "anywidget", "ipywidgets")
    target = copy_course(Path(folder) if folder is not None else Path("crmsim-course"))
    port = a_port(port)
    command = [
        sys.executable, "-m", "jupyterlab", f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port_retries=0", f"--ServerApp.root_dir={target}",
        # the catalogue of extensions would be fetched from the network
        "--LabApp.extension_manager=readonly",
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
    """Copy notebooks, data sets, exercises and the documents they name to a student's folder; what is
    there already stays.

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
        for part in ("notebooks", "exercises", "datasets", "docs"):
            for path in sorted((COURSE / part).rglob("*")):
                inner = path.relative_to(COURSE / part).parts
                if path.is_dir() or "__pycache__" in inner or ".ipynb_checkpoints" in inner:
                    continue
                if part == "exercises" and inner[0] in ("source", "solutions"):  # the instructor's
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
    """Run a Jupyter server in `folder` with our template and its own settings until it ends, or we are
    interrupted or asked to end. Returns its exit code, 0 if we ended it."""
    own = resources.files("crmsim.teaching") / "jupyter"
    with tempfile.TemporaryDirectory(prefix="crmsim-jupyter-") as config:
        _quiet_config(Path(config))
        environment = dict(os.environ)
        # the command draws into files; a kernel that inherits that shows no figure of plt.show()
        environment.pop("MPLBACKEND", None)
        for name, place in (("JUPYTER_PATH", str(own)), ("JUPYTER_CONFIG_PATH", config)):
            environment[name] = os.pathsep.join(filter(None, (place, environment.get(name, ""))))
        # Ctrl+C in a terminal goes to all of a session: the server would be asked twice to end, and
        # Jupyter would ask back
        process = subprocess.Popen(
            list(command), cwd=folder, env=environment, start_new_session=True, stderr=subprocess.PIPE,
            text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        asked: list[float] = []
        said = threading.Thread(target=_pass_on, args=(process.stderr, asked), daemon=True)
        said.start()

        def end(*_: Any) -> None:
            asked.append(time.monotonic())
            process.terminate()

        before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    code = process.wait(0.5)
                    said.join(1)
                    return 0 if asked else code
                if asked and time.monotonic() > asked[0] + PATIENCE:
                    process.kill()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _pass_on(lines: IO[str], asked: Sequence[float]) -> None:
    """Say what the server says, until it is asked to end: a kernel that is ended in the middle of its work
    then complains of sockets that are gone."""
    with lines:
        for line in lines:
            if not asked:
                sys.stderr.write(line)
                sys.stderr.flush()


def _quiet_config(config: Path) -> None:
    """JupyterLab must not ask the network for its news."""
    folder = config / "labconfig"
    folder.mkdir()
    off = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (folder / "page_config.json").write_text(json.dumps(off), encoding="utf-8")


def a_port(wanted: int) -> int:
    """The port wanted, or a free one for 0. Raises ServeError if it cannot be used."""
    if not wanted:
        return free_port()
    if not 0 < wanted < 65536:
        raise ServeError(f"a port is a number from 1 to 65535, not {wanted}")
    with socket.socket() as tried:
        if os.name == "posix":  # a server that just ended holds its port for a while, without harm
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", wanted))
        except OSError:
            raise ServeError(
                f"port {wanted} is taken by another program; leave --port out for a free one"
            ) from None
    return wanted


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _need(*modules: str) -> None:
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise ServeError(f'{module} is not installed: pip install "crmsim[course]"')
