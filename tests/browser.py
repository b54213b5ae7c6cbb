"""A real browser for the tests: Debian's Chromium on pages that Voila or JupyterLab serve here.

Nothing may leave the machine: every request to another host is refused and noted.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
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
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _route(self, route: Any) -> None:
        url = route.request.url
        if url.startswith((self.host, "data:", "blob:", self.host.replace("http", "ws", 1))):
            route.continue_()
        else:
            self.outside.append(url)
            route.abort()

    def shot(self, name: str) -> Path:
        """Keep a screenshot of the whole page."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        self.page.screenshot(path=str(path), full_page=True)
        return path

    def settled(self, seconds: float = 60) -> None:
        """Wait until the page of the course says it is ready."""
        self.page.wait_for_selector(".cs-page .cs-ready", timeout=1000 * seconds)

    def pictures(self) -> list[str]:
        """The sources of all pictures shown."""
        return self.page.eval_on_selector_all(".cs-picture img", "all => all.map(i => i.src)")

    def words(self) -> str:
        return self.page.inner_text(".cs-page .cs-sentence")

    def move(self, label: str, presses: int = 5, key: str = "ArrowRight") -> None:
        """Move the slider whose control has this label, by keyboard."""
        control = self.page.locator(".cs-control", has_text=label).first
        handle = control.locator(".noUi-handle").first
        handle.focus()
        for _ in range(presses):
            handle.press(key)


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


@contextlib.contextmanager
def serve(command: list[str], address: str, seconds: float = 90) -> Iterator[str]:
    """Run a server until the end of the block, once `address` answers."""
    with tempfile.TemporaryDirectory() as own:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
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
                        urllib.request.urlopen(address, timeout=20).close()
                        break
                    time.sleep(0.2)
                yield address
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(10)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def demo(name: str, *words: str) -> Iterator[str]:
    """`crmsim demo NAME` on a free port."""
    from crmsim.teaching.serve import free_port

    port = free_port()
    command = [sys.executable, "-m", "crmsim", "demo", name, "--port", str(port), "--no-browser", *words]
    with serve(command, f"http://127.0.0.1:{port}/voila/static/voila.js") as _:
        yield f"http://127.0.0.1:{port}/"
