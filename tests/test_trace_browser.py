"""The page of `poolkit trace --format html`, stepped through by key in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import Poolkit
from test_view import nasty
from tools import missing
from tracing import leaking, sound

from poolkit import view
from poolkit.timeline import Picture, alone, beside

if TYPE_CHECKING:
    from playwright import sync_api

ROOT = Path(__file__).resolve().parents[1]
LEAK = ROOT / "solutions" / "exercise-3" / "wrong" / "never_returns.py"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class Page:
    """A browser's page, what it complained of and what it asked for."""

    def __init__(self, page: sync_api.Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    @property
    def said(self) -> str:
        """What is read out."""
        return str(self.page.locator("#now").inner_text())

    @property
    def current(self) -> list[str]:
        """The numbers of the steps that are current: in the table, then in the picture."""
        table = self.page.locator("tbody[aria-current=step]").evaluate_all("all => all.map(e => e.dataset.step)")
        bands = self.page.locator(".timeline .step.now").evaluate_all("all => all.map(e => e.dataset.step)")
        return [*table, *bands]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sync_api.BrowserContext]:
    """A browser with a profile of its own."""
    if find_spec("playwright") is None:
        missing("playwright", "it is among the dev dependencies")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        if CHROMIUM is None and not Path(playwright.chromium.executable_path).exists():
            missing("chromium", "`apt-get install chromium` or `playwright install chromium` brings it")
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=CHROMIUM, headless=True, args=list(_ARGUMENTS)
        )
        yield context
        context.close()


@pytest.fixture
def page(browser: sync_api.BrowserContext) -> Iterator[Page]:
    """A page, in light, 1400 by 900; at the end it must not have complained, nor asked for anything but its file."""
    page = browser.new_page()
    page.set_viewport_size({"width": 1400, "height": 900})
    page.emulate_media(color_scheme="light")
    found = Page(page)
    yield found
    page.close()
    assert found.complaints == []
    assert [url for url in found.asked if not url.startswith("file:")] == []


def show(page: Page, folder: Path, picture: Picture, name: str = "html") -> Page:
    """Open a picture as a file."""
    path = folder / f"trace.{name}"
    path.write_text(view.render(name, picture), encoding="utf-8")
    page.page.goto(path.as_uri())
    return page


@pytest.fixture
def shown(page: Page, tmp_path: Path) -> Page:
    """The page of a run that leaks."""
    return show(page, tmp_path, alone(leaking()))


def test_the_page_of_a_leak_is_stepped_through_by_key(page: Page, poolkit: Poolkit, tmp_path: Path) -> None:
    """As the command writes it: it begins at the deciding moment, and the keys lead through all of the run."""
    ran = poolkit("trace", "3", "--path", str(LEAK), "--format", "html", "--output", "trace.html")
    assert (ran.returncode, ran.stderr) == (0, "")
    page.page.goto((tmp_path / "trace.html").as_uri())
    assert page.current == ["5", "5"]
    assert "(borrowed at never_returns.py:33)" in page.page.locator(".moment").inner_text()
    page.press("Home")
    for number in range(1, 10):
        assert page.current == [str(number), str(number)]
        assert page.said.startswith(f"Step {number} of 9. ")
        page.press("ArrowRight")
    assert page.current == ["9", "9"]


def test_arrow_keys_step_forward_and_back(shown: Page) -> None:
    """Each step is read out, and marked in the picture and the table."""
    assert shown.current == ["5", "5"]
    assert shown.said.endswith("This is the deciding moment.")
    shown.press("ArrowRight")
    assert shown.current == ["6", "6"]
    shown.press("ArrowLeft", "ArrowLeft")
    assert shown.current == ["4", "4"]
    assert shown.said == "Step 4 of 9. Request 1 queries. Pool 1 of 2 free; used 1; rows."


def test_home_and_end_go_to_the_ends_and_no_further(shown: Page) -> None:
    """The buttons that lead nowhere are off there."""
    shown.press("Home", "ArrowLeft")
    assert shown.current == ["1", "1"]
    assert shown.page.locator("#back").is_disabled()
    shown.press("End", "ArrowRight")
    assert shown.current == ["9", "9"]
    assert shown.page.locator("#forward").is_disabled()


def test_what_comes_after_the_step_is_veiled(shown: Page) -> None:
    """So that one sees how things stood at that moment."""
    assert shown.page.locator(".veil").count() == 0
    shown.press("ArrowLeft")
    band = shown.page.locator(".timeline .step.now")
    end = band.evaluate("e => e.x.baseVal.value + e.width.baseVal.value")
    assert shown.page.locator(".veil").evaluate("e => e.x.baseVal.value") == pytest.approx(end, abs=0.2)


def test_buttons_and_rows_step_too_and_the_focus_is_visible(shown: Page) -> None:
    """For those who use a pointer, and for those who go from one control to the next."""
    shown.page.locator("#forward").click()
    assert shown.current == ["6", "6"]
    shown.page.locator("tbody[data-step='2']").click()
    assert shown.current == ["2", "2"]
    shown.press("Tab")
    outline = "() => getComputedStyle(document.activeElement).outlineStyle"
    assert shown.page.evaluate(outline) == "solid"


def test_keys_with_a_modifier_are_the_browsers_own(shown: Page) -> None:
    """Alt and Left goes back in the history."""
    shown.press("Control+ArrowRight", "Shift+End")
    assert shown.current == ["5", "5"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 700])
def test_no_labels_overlap(shown: Page, scheme: str, width: int) -> None:
    """In no width and no scheme; the page itself never scrolls sideways, and text stands out from its ground."""
    shown.page.set_viewport_size({"width": width, "height": 1000})
    shown.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    boxes = shown.page.locator(".timeline text").evaluate_all(
        "all => all.map(e => [e.textContent, e.getBoundingClientRect()])"
        ".map(([text, box]) => [text, box.x, box.y, box.width, box.height])"
    )
    clashes = [
        (one[0], other[0]) for i, one in enumerate(boxes) for other in boxes[i + 1 :] if _overlap(one[1:], other[1:])
    ]
    assert len(boxes) > 30
    assert clashes == []
    assert shown.page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    ink, ground = (
        shown.page.locator(where).first.evaluate(f"e => getComputedStyle(e).{what}")
        for where, what in ((".timeline .number", "fill"), (".timeline", "backgroundColor"))
    )
    assert abs(_light(ink) - _light(ground)) > 150


def _overlap(one: list[float], other: list[float]) -> bool:
    # A pixel of each is air around the letters.
    return all(one[i] + 1 < other[i] + other[i + 2] - 1 and other[i] + 1 < one[i] + one[i + 2] - 1 for i in (0, 1))


def _light(colour: str) -> float:
    numbers = [float(part) for part in colour.strip("rgba()").split(",")[:3]]
    return sum(numbers) / 3


def test_two_runs_are_stepped_through_together(page: Page, tmp_path: Path) -> None:
    """Both pictures are at the same step."""
    show(page, tmp_path, beside(leaking(), sound()))
    assert page.current == ["5", "5", "5"]
    assert "yours: Request 1 ends. Pool 1 of 2 free" in page.said
    assert "reference: Request 1 ends. Pool 2 of 2 free" in page.said
    page.press("Home")
    assert page.current == ["1", "1", "1"]


def test_what_a_learner_writes_does_nothing_in_the_page(page: Page, tmp_path: Path) -> None:
    """Markup in a path or a statement is shown as text."""
    dialogs: list[str] = []
    page.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    show(page, tmp_path, alone(nasty()))
    page.press("ArrowRight")
    assert "<script>alert(1)</script>" in page.page.locator(".path").inner_text()
    assert dialogs == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_picture_of_its_own_is_drawn(page: Page, tmp_path: Path, scheme: str) -> None:
    """The SVG file opens in a browser, and follows its scheme."""
    page.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    show(page, tmp_path, alone(leaking()), "svg")
    ground = page.page.locator("svg").evaluate("e => getComputedStyle(e).backgroundColor")
    assert _light(ground) < 60 if scheme == "dark" else _light(ground) > 240
    assert page.page.locator(".bar").count() == 2
