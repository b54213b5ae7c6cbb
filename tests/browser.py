"""A real browser for the tests: Debian's Chromium on pages that Voila or JupyterLab serve here.

Nothing may leave the machine: every request of a page to another host is refused and noted, and what
the servers ask of the network goes to a proxy that only notes it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# screenshots are kept where the CI looks for them, and never in git
SHOTS = Path(os.environ.get("CRMSIM_SHOTS", Path(tempfile.gettempdir()) / "crmsim-screenshots"))
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium() -> str | None:
    """Path of an installed Chromium or Chrome."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


class Visit:
    """A page in the browser, with what went wrong on it."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.outside: list[str] = []
        self.errors: list[str] = []
        host = re.match(r"https?://[^/]+", address)
        assert host is not None
        self.host = host[0]
        page.route("**/*", self._route)
        page.on("websocket", lambda socket: self._note(socket.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _route(self, route: Any) -> None:
        if self._note(route.request.url):
            route.abort()
        else:
            route.continue_()

    def _note(self, url: str) -> bool:
        outside = not url.startswith((self.host, "data:", "blob:", self.host.replace("http", "ws", 1)))
        if outside:
            self.outside.append(url)
        return outside

    def shot(self, name: str) -> Path:
        """Keep a screenshot of the whole page."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        self.page.screenshot(path=str(path), full_page=True)
        return path

    def open(self, seconds: float = 90) -> float:
        """Open the address; returns the seconds until the page says it is ready."""
        begun = time.perf_counter()
        self.page.goto(self.address, timeout=1000 * seconds)
        self.settled(seconds)
        return time.perf_counter() - begun

    def settled(self, seconds: float = 60) -> None:
        """Wait until the page of the course says it is ready, or shows an error."""
        # attached, not visible: JupyterLab does not lay out what is out of sight
        ends = ".cs-page .cs-ready, .cs-page .cs-error, .jp-RenderedText[data-mime-type*=stderr]"
        self.page.wait_for_selector(ends, state="attached", timeout=1000 * seconds)

    def first(self, seconds: float = 90) -> None:
        """Wait for the first picture and its sentence."""
        self.page.wait_for_selector(".cs-page .cs-sentence", state="attached", timeout=1000 * seconds)

    def changed(self, what: str, before: Any, seconds: float = 30) -> Any:
        """Wait until `words`, `pictures` or `status` differs from before; returns the new one."""
        end = time.monotonic() + seconds
        while (now := getattr(self, what)()) == before:
            assert time.monotonic() < end, f"{what} stayed {str(before)[:200]}"
            time.sleep(0.02)
        return now

    def pictures(self) -> list[str]:
        """The sources of all pictures shown."""
        return self.page.eval_on_selector_all(".cs-picture img", "all => all.map(i => i.src)")

    def words(self) -> str:
        return self.page.inner_text(".cs-page .cs-sentence")

    def status(self) -> str:
        return self.page.inner_text(".cs-page .cs-status")

    def wrong(self) -> list[str]:
        """Everything that must not be seen: errors on the page, of scripts, of widgets, requests outside."""
        told = self.page.eval_on_selector_all(
            ".cs-error, .jp-RenderedText[data-mime-type*=stderr], .jupyter-widgets-error-widget",
            "all => all.map(e => e.textContent)",
        )
        return [*told, *self.errors, *self.outside]

    def nameless(self) -> list[str]:
        """Visible controls of the page without a name for a screen reader, as HTML."""
        return self.page.evaluate(NAMELESS)

    def move(self, label: str, presses: int = 5, key: str = "ArrowRight") -> None:
        """Move the slider whose control has this label, by keyboard."""
        control = self.page.locator(".cs-control", has_text=label).first
        handle = control.locator(".noUi-handle").first
        handle.focus()
        for _ in range(presses):
            handle.press(key)

    def press(self, text: str) -> None:
        """Click a button of the page."""
        self.page.locator(".cs-page").first.get_by_role("button", name=text, exact=True).first.click()


# a name may be given by aria-label, a label, a title or, of a button, its text
NAMELESS = """() => {
  const wanted = '.cs-page :is(button, select, input, textarea, [role=slider], [role=spinbutton], '
    + '[contenteditable=true], [tabindex="0"])';
  const named = (e) => (e.getAttribute('aria-label') || '').trim() || (e.title || '').trim()
    || e.getAttribute('aria-labelledby') || (e.labels && e.labels.length && e.labels[0].textContent.trim())
    || (e.matches('button, [role=button]') && e.textContent.trim());
  return [...document.querySelectorAll(wanted)]
    .filter((e) => e.offsetParent !== null && !named(e)).map((e) => e.outerHTML.slice(0, 200));
}"""


@contextlib.contextmanager
def browser(width: int = 1280, height: int = 800) -> Iterator[Any]:
    """A Chromium context of this size, closed at the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tool:
        program = tool.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        try:
            yield program.new_context(viewport={"width": width, "height": height})
        finally:
            program.close()


class Listener:
    """A proxy that goes nowhere and notes who asked."""

    def __enter__(self) -> Listener:
        self.asked: list[str] = []
        noted = self.asked

        class Note(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                noted.append(self.rfile.readline().decode("latin-1").strip())

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Note)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def serve(command: list[str], answer: str, seconds: float = 90) -> Iterator[Path]:
    """Run a server until the end of the block, once the address `answer` answers; gives its log.

    Fails if the server or its kernels asked for anything outside the machine.
    """
    with tempfile.TemporaryDirectory() as own, Listener() as proxy:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "NO_PROXY": "127.0.0.1,localhost"}
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            environment[name] = environment[name.lower()] = proxy.address
        environment["no_proxy"] = environment["NO_PROXY"]
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            environment[name] = str(Path(own) / name.lower())
        log = Path(own) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
            try:
                end = time.monotonic() + seconds
                while True:
                    if process.poll() is not None or time.monotonic() > end:
                        raise AssertionError(f"{command} does not answer:\n{log.read_text()[-3000:]}")
                    with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                        urllib.request.urlopen(answer, timeout=20).close()
                        break
                    time.sleep(0.2)
                yield log
                assert proxy.asked == [], "a server asked the network"
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(15)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def demo(name: str, *words: str) -> Iterator[str]:
    """`crmsim demo NAME` on a free port; gives the page's address."""
    from crmsim.teaching.serve import free_port

    port = free_port()
    command = [sys.executable, "-m", "crmsim", "demo", name, "--port", str(port), "--no-browser", *words]
    with serve(command, f"http://127.0.0.1:{port}/voila/static/voila.js"):
        yield f"http://127.0.0.1:{port}/"


@contextlib.contextmanager
def pages(names: list[str], folder: Path) -> Iterator[str]:
    """All these pages from one server; `ADDRESS + NAME` is a page's address."""
    from crmsim.teaching import serve as ours

    for name in names:
        (folder / f"{name}.ipynb").write_text(json.dumps(ours.demo_notebook(name, {})), encoding="utf-8")
    port = ours.free_port()
    code = (
        "import sys, pathlib; from crmsim.teaching import serve; "
        "folder, port = sys.argv[1], int(sys.argv[2]); "
        "sys.exit(serve.run(serve.voila(pathlib.Path(folder), port, False), folder))"
    )
    command = [sys.executable, "-c", code, str(folder), str(port)]
    with serve(command, f"http://127.0.0.1:{port}/voila/static/voila.js"):
        yield f"http://127.0.0.1:{port}/voila/render/{{}}.ipynb"


def notebook(*cells: str) -> str:
    """A notebook of these cells of code, as a file's text."""
    made = [
        {"cell_type": "code", "id": f"cell-{k}", "metadata": {}, "source": cell, "outputs": [],
         "execution_count": None}
        for k, cell in enumerate(cells)
    ]  # fmt: skip
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


@contextlib.contextmanager
def lab(folder: Path) -> Iterator[tuple[str, str]]:
    """`crmsim lab FOLDER` on a free port; gives its address and the one it would open in the browser."""
    from crmsim.teaching.serve import free_port

    port = free_port()
    command = [sys.executable, "-m", "crmsim", "lab", str(folder), "--port", str(port), "--no-browser"]
    with serve(command, f"http://127.0.0.1:{port}/login") as log:
        end = time.monotonic() + 30
        while not (found := re.search(r"(http://127\S+token=\w+)\s", log.read_text(errors="replace"))):
            assert time.monotonic() < end, log.read_text(errors="replace")[-2000:]
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", found[1]


def run_all(page: Any) -> None:
    """JupyterLab: run all cells of the notebook that is open."""
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
    # pressed earlier, JupyterLab would ask for a kernel
    page.get_by_text("| Idle").first.wait_for(timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
