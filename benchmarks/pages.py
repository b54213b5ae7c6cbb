"""How long a lecturer waits: from a slider to the new picture, and from the command to the open page.

  python benchmarks/pages.py [--presses 20] [--out benchmarks/pages.csv]

Measured in a real Chromium: in JupyterLab, on a notebook of one line that shows the policy lab of 5,000
customers and 60 months, from the key that moves the slider to the moment the browser has the new picture
of both worlds; and the same through Voila. Stop is measured from the click to the word "stopped". Needs
the extra `course`, playwright and Chromium.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import browser

# in the page itself, so that nothing but the page's own time is counted
WATCH = """() => {
  window.seen = [];
  const look = new MutationObserver(() => {
    const picture = document.querySelector('.cs-picture img');
    if (picture && picture.src !== window.last) {
      window.last = picture.src;
      picture.decode().then(() => window.seen.push(performance.now()));
    }
  });
  window.last = document.querySelector('.cs-picture img').src;
  look.observe(document.querySelector('.cs-page'), {childList: true, subtree: true, attributes: true});
  document.addEventListener('keydown', () => { window.pressed = performance.now(); window.seen = []; }, true);
}"""


def waits(found: Any, presses: int) -> list[float]:
    """Milliseconds from a press to the first new picture."""
    found.settled(120)
    found.page.evaluate(WATCH)
    handle = found.page.locator(".cs-control", has_text="Market openness").locator(".noUi-handle")
    handle.focus()
    taken = []
    for _ in range(presses):
        handle.press("ArrowLeft")
        found.page.wait_for_function("() => window.seen.length > 0", timeout=60_000)
        taken.append(found.page.evaluate("() => window.seen[0] - window.pressed"))
        found.page.wait_for_selector(".cs-page .cs-ready", state="attached", timeout=60_000)
        time.sleep(0.2)
    return taken


def stops(found: Any, times: int) -> list[float]:
    """Milliseconds from a click on Stop to the page saying so."""
    taken = []
    for _ in range(times):
        found.press("Run")
        found.page.wait_for_function(
            "() => /more pairs/.test(document.querySelector('.cs-status').innerText)", timeout=60_000
        )
        taken.append(
            found.page.evaluate("""() => new Promise((done) => {
                const begun = performance.now();
                const button = [...document.querySelectorAll('.cs-buttons button')][1];
                const look = new MutationObserver(() => {
                  if (document.querySelector('.cs-status .cs-stopped')) done(performance.now() - begun);
                });
                look.observe(document.querySelector('.cs-status'), {childList: true, subtree: true});
                button.click();
            })""")
        )
    return taken


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presses", type=int, default=20)
    parser.add_argument("--out", metavar="CSV")
    options = parser.parse_args(words)
    rows: list[tuple[str, str, list[float]]] = []
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "page.ipynb").write_text(
            browser.notebook("import crmsim as cs\ncs.show('policy-lab')"), encoding="utf-8"
        )
        with browser.lab(Path(folder)) as (address, start), browser.browser() as context:
            found = browser.Visit(context.new_page(), address)
            found.page.goto(start)
            found.page.wait_for_selector(".jp-Notebook", timeout=60_000)
            found.page.goto(f"{address}/lab/tree/page.ipynb?reset")
            browser.run_all(found.page)
            rows.append(("JupyterLab", "slider to picture", waits(found, options.presses)))
            rows.append(("JupyterLab", "stop", stops(found, 10)))
    opened = []
    for _ in range(3):
        begun = time.perf_counter()
        with browser.demo("policy-lab") as address, browser.browser() as context:
            found = browser.Visit(context.new_page(), address)
            answered = time.perf_counter() - begun
            opened.append(1000 * found.open())
            print(
                f"demo: the server answers after {answered:.1f} s, "
                f"the page is ready {opened[-1] / 1000:.1f} s later"
            )
            if len(opened) == 1:
                rows.append(("Voila", "slider to picture", waits(found, options.presses)))
                rows.append(("Voila", "stop", stops(found, 10)))
    rows.append(("Voila", "page opened", opened))
    table = []
    for where, what, taken in rows:
        tenth = sorted(taken)[max(0, round(0.9 * len(taken)) - 1)]
        table.append((where, what, len(taken), round(statistics.median(taken)), round(tenth)))
        print(
            f"{where:11} {what:18} median {table[-1][3]:6,} ms, "
            f"nine of ten below {tenth:6,.0f} ms (n = {len(taken)})"
        )
    if options.out:
        with open(options.out, "w", newline="", encoding="utf-8") as file:
            write = csv.writer(file)
            write.writerow(["where", "what", "n", "median_ms", "p90_ms"])
            write.writerows(table)


if __name__ == "__main__":
    main()
