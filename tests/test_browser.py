"""The pages in a real browser: through Voila as demos, and in JupyterLab.

Chromium is needed. Where it is missing these tests are skipped, except in CI, where that is a failure.
"""

import contextlib
import os
import re
import time

import browser
import pytest

pytestmark = pytest.mark.browser
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")


def missing() -> str:
    """What these tests lack here; empty if nothing."""
    for module in ("playwright", "voila", "jupyterlab", "anywidget", "ipywidgets"):
        try:
            __import__(module)
        except ImportError:
            return f"{module} is not installed"
    return "" if browser.chromium() else "no Chromium or Chrome is installed"


LACK = missing()
if LACK and not IN_CI:
    pytest.skip(f"tests in a browser: {LACK}", allow_module_level=True)


@pytest.fixture(scope="module")
def chromium():
    assert not LACK, f"tests in a browser: {LACK}"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tool:
        program = tool.chromium.launch(executable_path=browser.chromium(), args=browser.ARGUMENTS)
        yield program
        program.close()


@contextlib.contextmanager
def visit(chromium, address, width=1280, height=800):
    context = chromium.new_context(viewport={"width": width, "height": height})
    try:
        yield browser.Visit(context.new_page(), address)
    finally:
        context.close()


# --- the policy lab through Voila -----------------------------------------------------------------


@pytest.fixture(scope="module")
def served(chromium):
    with browser.demo("policy-lab") as address:
        yield address


@pytest.fixture(scope="module")
def opened(chromium, served):
    """One visit for the tests that leave the page as it was."""
    with visit(chromium, served) as found:
        found.seconds = found.open()
        yield found


@pytest.fixture
def lab(opened):
    yield opened
    opened.press("Reset")
    time.sleep(0.2)
    opened.settled()


def test_the_demo_opens_with_picture_and_sentence_and_asks_nobody(lab, chromium, served):
    for _ in range(2):  # a busy machine may be slow once
        if lab.seconds < 8:
            break
        with visit(chromium, served) as again:
            lab.seconds = again.open()
    print(f"the policy lab was open and ready after {lab.seconds:.1f} s")
    assert lab.seconds < 8
    assert lab.wrong() == []
    assert len(lab.pictures()) == 2 and all(len(source) > 10_000 for source in lab.pictures())
    assert re.search(r"^Of 1,000 customers, \d+ are still there after 60 months", lab.words())
    assert "Dunning" in lab.page.get_attribute(".cs-picture img", "alt")
    lab.shot("policy-lab-1280")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1920, 1080)])
def test_question_cards_picture_and_sentence_are_in_sight(lab, language, width, height):
    lab.page.set_viewport_size({"width": width, "height": height})
    if language == "zh":
        lab.press("中文")
        lab.page.wait_for_selector(".cs-page[lang=zh-CN] .cs-ready", state="attached")
    for part in (".cs-question", ".cs-cards", ".cs-picture img", ".cs-sentence"):
        box = lab.page.locator(part).first.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= height, part
        assert box["x"] >= 0 and box["x"] + box["width"] <= width, part
    assert lab.page.evaluate("document.documentElement.scrollWidth") <= width
    lab.shot(f"policy-lab-{language}-{width}")
    lab.page.set_viewport_size({"width": 1280, "height": 800})
    if language == "zh":
        lab.press("English")
        lab.page.wait_for_selector(".cs-page[lang=en] .cs-ready", state="attached")
        lab.press("Reset")  # in either language the button stands where it stood


def test_a_slider_changes_numbers_and_picture(lab):
    words, pictures = lab.words(), lab.pictures()
    lab.move("Strength of the policy", 10)
    lab.changed("words", words)
    lab.changed("pictures", pictures)
    lab.settled()
    assert (
        lab.page.locator(".cs-control", has_text="Strength").locator(".widget-readout").inner_text() == "2.0"
    )
    assert lab.wrong() == []


def test_run_shows_progress_and_stop_stops(lab):
    lab.move("Market openness", 3, "ArrowLeft")
    lab.settled()
    words = lab.words()
    lab.press("Run")
    lab.page.wait_for_function(
        "() => /more pairs of worlds/.test(document.querySelector('.cs-status').innerText)"
    )
    width = lab.page.evaluate("parseFloat(document.querySelector('.cs-left .progress-bar').style.width)")
    assert 0 <= width < 100
    run, stop = (lab.page.get_by_role("button", name=name, exact=True) for name in ("Run", "Stop"))
    assert run.is_disabled() and stop.is_enabled()
    begun = time.perf_counter()
    stop.click()
    lab.page.wait_for_selector(".cs-status .cs-stopped", state="attached")
    took = time.perf_counter() - begun
    print(f"Stop acted after {took:.2f} s")
    assert took < 2  # asked: 0.3 s, measured by benchmarks/pages.py; a machine at work is slower
    assert run.is_enabled() and stop.is_disabled()
    lab.press("Run")
    lab.changed("words", words)
    lab.settled(120)
    assert "40 pairs of worlds" in lab.page.inner_text(".cs-foot")
    assert lab.wrong() == []


def test_the_language_switch_keeps_what_was_set(lab):
    lab.move("Quality of every touchpoint", 4)
    lab.settled()
    lab.press("中文")
    lab.page.wait_for_selector(".cs-page[lang=zh-CN]")
    lab.settled()
    assert "每千名客户中" in lab.words()
    assert lab.page.inner_text("h2").startswith("哪种策略")
    readout = lab.page.locator(".cs-control", has_text="各接触点质量").locator(".widget-readout")
    assert readout.inner_text() == "2.0"
    assert lab.nameless() == []
    lab.press("English")
    lab.page.wait_for_selector(".cs-page[lang=en]")
    lab.settled()
    assert lab.words().startswith("Of 1,000 customers") and lab.wrong() == []


def test_every_control_has_a_name(lab):
    assert lab.nameless() == []
    slider = lab.page.get_by_role("slider", name="Market openness, share")
    assert slider.count() == 1 and slider.get_attribute("aria-valuenow") is not None
    assert lab.page.get_by_role("combobox", name="Measure").count() == 1


def test_the_keyboard_reaches_every_control_and_shows_where_it_is(lab):
    lab.page.evaluate("document.activeElement && document.activeElement.blur()")
    seen = []
    for _ in range(40):
        lab.page.keyboard.press("Tab")
        here = lab.page.evaluate("""() => {
            const e = document.activeElement, style = getComputedStyle(e);
            return [e.getAttribute('aria-label') || e.textContent.trim().slice(0, 20),
                    style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
                    !!e.closest('.cs-page')];
        }""")
        if here[2]:
            seen.append(here[:2])
    names = [name for name, _ in seen]
    for wanted in ("Run", "Reset", "中文", "Measure", "Market openness, share", "Why?"):
        assert wanted in names, (wanted, names)
    assert [name for name, outlined in seen if not outlined] == []


def test_why_tells_about_the_customer_clicked(lab):
    canvas = lab.page.locator("canvas").first
    box = canvas.bounding_box()
    lab.page.mouse.click(box["x"] + 150, box["y"] + 0.5 * box["height"] / 21)
    lab.press("Why?")
    lab.page.wait_for_selector(".cs-why .cs-steps")
    assert lab.page.inner_text(".cs-because").startswith("Customer 0 ")
    first = lab.page.inner_text(".cs-because")
    canvas.press("ArrowDown")
    lab.page.wait_for_function(
        "before => document.querySelector('.cs-because').innerText !== before", arg=first
    )
    assert lab.page.inner_text(".cs-because").startswith("Customer 1 ")
    lab.shot("policy-lab-why")
    lab.press("Close")
    lab.page.wait_for_selector(".cs-why", state="hidden")
    assert lab.wrong() == []


def test_the_toggle_shows_the_other_life(lab):
    lab.move("Strength of the policy", 20)
    lab.settled()
    picture = "() => document.querySelector('canvas').toDataURL()"
    before = lab.page.evaluate(picture)
    lab.press("without")
    lab.page.wait_for_function(f"before => ({picture})() !== before", arg=before)
    lab.press("with the policy")


def test_another_industry_makes_the_page_anew(lab):
    words = lab.words()
    lab.page.get_by_role("combobox", name="Industry").select_option(label="water utility")
    lab.changed("words", words)
    lab.settled()
    assert "CNY" in lab.words() and "Callers answered in time" in lab.words()
    lab.shot("policy-lab-water")
    lab.page.get_by_role("combobox", name="Industry").select_option(label="subscription")
    lab.page.wait_for_function("() => /EUR/.test(document.querySelector('.cs-sentence')?.innerText || '')")
    lab.settled()
    assert lab.wrong() == []


# --- in JupyterLab --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def jupyter(chromium, tmp_path_factory):
    folder = tmp_path_factory.mktemp("course")
    cells = ("import crmsim as cs\ncs.show('policy-lab')", "cs.show('policy-lab', seed=2)")
    (folder / "one.ipynb").write_text(browser.notebook(cells[0]))
    (folder / "twice.ipynb").write_text(browser.notebook(*cells))
    with browser.lab(folder) as (address, start):
        yield address, start, folder


@pytest.mark.slow
def test_jupyterlab_opens_on_the_start_of_the_course(chromium, jupyter):
    address, start, folder = jupyter
    with visit(chromium, address) as found:
        found.page.goto(start)
        found.page.wait_for_selector(".jp-Notebook", timeout=60_000)
        assert (folder / "notebooks" / "00_start_here.ipynb").exists()
        assert found.page.url.endswith("/lab/tree/notebooks/00_start_here.ipynb")
        time.sleep(3)  # a question about news would come now
        assert "news" not in found.page.inner_text("body").lower()
        assert found.page.locator(".jp-Dialog").count() == 0
        assert found.errors + found.outside == []
        found.shot("jupyterlab-start")


@pytest.fixture(scope="module")
def inside(chromium, jupyter):
    """JupyterLab, logged in, one notebook at a time."""
    address, start, _ = jupyter
    with visit(chromium, address) as found:
        found.page.goto(start)
        found.page.wait_for_selector(".jp-Notebook", timeout=60_000)
        yield found


def open_notebook(found, name):
    found.page.goto(f"{found.address}/lab/tree/{name}?reset")
    browser.run_all(found.page)


@pytest.mark.slow
def test_a_page_lives_in_a_notebook(inside):
    open_notebook(inside, "one.ipynb")
    inside.settled()
    words, pictures = inside.words(), inside.pictures()
    inside.move("Strength of the policy", 10)
    inside.changed("words", words)
    inside.changed("pictures", pictures)
    inside.settled()
    inside.press("Run")
    inside.page.wait_for_function("() => /more pairs/.test(document.querySelector('.cs-status').innerText)")
    inside.press("Stop")
    inside.page.wait_for_selector(".cs-status .cs-stopped", state="attached")
    inside.press("中文")
    inside.page.wait_for_selector(".cs-page[lang=zh-CN]")
    inside.settled()
    assert "每千名客户中" in inside.words()
    assert inside.nameless() == [] and inside.wrong() == []
    inside.shot("jupyterlab-policy-lab")


@pytest.mark.slow
def test_two_pages_in_a_notebook_and_a_restarted_kernel(inside):
    open_notebook(inside, "twice.ipynb")
    both = "() => document.querySelectorAll('.cs-page .cs-ready').length === 2"
    inside.page.wait_for_function(both, timeout=90_000)
    sentences = inside.page.eval_on_selector_all(".cs-sentence", "all => all.map(e => e.textContent)")
    assert len(set(sentences)) == 2
    inside.move("Strength of the policy", 5)  # of the first
    inside.changed("words", sentences[0])
    inside.page.wait_for_function(both)
    after = inside.page.eval_on_selector_all(".cs-sentence", "all => all.map(e => e.textContent)")
    assert after[1] == sentences[1]
    # a new kernel knows nothing of the old widgets; the cells run again
    inside.page.get_by_role("menuitem", name="Kernel", exact=True).click()
    inside.page.get_by_text("Restart Kernel and Run All Cells…", exact=True).click()
    inside.page.locator(".jp-Dialog").get_by_role("button", name="Confirm Kernel Restart").click()
    inside.page.wait_for_selector(".cs-page", state="detached", timeout=60_000)
    inside.page.wait_for_function(both, timeout=90_000)
    again = inside.page.eval_on_selector_all(".cs-sentence", "all => all.map(e => e.textContent)")
    assert again == sentences
    assert inside.wrong() == []


# --- every page -----------------------------------------------------------------------------------


def names_of_pages():
    with contextlib.suppress(ImportError):
        from crmsim.teaching.pages import PAGES

        return list(PAGES)
    return []


@pytest.fixture(scope="module")
def gallery(chromium, tmp_path_factory):
    with browser.pages(names_of_pages(), tmp_path_factory.mktemp("pages")) as address:
        yield address


CUT_OFF = """() => [...document.querySelectorAll('.cs-page .jupyter-button')]
    .filter(e => e.offsetParent && (e.scrollHeight > e.clientHeight + 2 || e.scrollWidth > e.clientWidth + 2))
    .map(e => e.textContent)"""

# more controls than lines: their panel is scrolled while the pictures stay in sight
LONG_PANELS = {"ahp", "equity", "market", "survey", "targeting"}


@pytest.mark.slow
@pytest.mark.parametrize("name", names_of_pages())
def test_every_page_shows_a_picture_and_a_sentence(chromium, gallery, name):
    with visit(chromium, gallery.format(name)) as found:
        found.open(120)
        time.sleep(0.5)
        found.shot(f"{name}-1280")
        assert found.wrong() == []
        assert len(found.words()) > 20
        parts = [".cs-cards", ".cs-sentence", ".cs-foot"] + [".cs-left"] * (name not in LONG_PANELS)
        for part in parts:
            for box in [each.bounding_box() for each in found.page.locator(part).all() if each.is_visible()]:
                assert box["y"] >= 0 and box["y"] + box["height"] <= 800, part
        # as wide as beside JupyterLab's list of files
        found.page.set_viewport_size({"width": 848, "height": 900})
        time.sleep(0.3)
        assert found.page.evaluate(CUT_OFF) == []
        assert found.page.evaluate("document.documentElement.scrollWidth") <= 848
        found.page.set_viewport_size({"width": 1280, "height": 800})
        drawn = found.page.evaluate("""() => [...document.querySelectorAll('.cs-page canvas, .cs-page img, '
            + '.cs-page svg')].filter(e => e.getBoundingClientRect().width > 150).length""")
        assert drawn >= 1
        assert found.nameless() == []
        assert found.page.evaluate("document.documentElement.scrollWidth") <= 1280
        for label in found.page.eval_on_selector_all(".cs-label", "all => all.map(e => e.textContent)"):
            assert label.strip()
        found.page.get_by_role("button", name="中文", exact=True).click()
        found.page.wait_for_selector(".cs-page[lang=zh-CN]")
        found.settled(120)
        time.sleep(0.5)
        assert re.search("[\u4e00-\u9fff]{4}", found.words())
        assert found.wrong() == []
        found.page.set_viewport_size({"width": 1920, "height": 1080})
        time.sleep(0.5)
        found.shot(f"{name}-zh-1920")


# --- the case of the water utility ----------------------------------------------------------------


@pytest.mark.slow
def test_the_acts_of_the_case_open_by_keyboard_and_fit_the_screen(chromium):
    names = ["city", "ahp", "survey", "path-diagram", "service-desk", "pdca", "loyalty-matrix", "market"]
    with browser.demo("water") as address, visit(chromium, address) as found:
        found.open()
        acts = found.page.locator(".cs-header .cs-water-acts button")
        assert acts.count() == len(names)
        for k in range(len(names)):
            acts.nth(k).focus()
            found.page.keyboard.press("Enter")
            found.page.wait_for_function(
                "k => document.querySelector('.cs-water-story').innerText.startsWith(`Act ${k}:`)", arg=k + 1
            )
            # the page before may still be in sight, and ready: wait for this one's
            found.page.wait_for_selector(f".cs-water-stage > .cs-{names[k]} .cs-ready", state="attached")
            time.sleep(0.5)
            assert found.wrong() == []
            assert found.nameless() == []
            for part in (".cs-water-story", ".cs-cards", ".cs-main", ".cs-sentence"):
                box = found.page.locator(part).first.bounding_box()
                top = box["y"] if part == ".cs-main" else box["y"] + box["height"]
                assert box["y"] >= 0 and top <= 800, (k + 1, part)
            found.shot(f"water-act-{k + 1}")
