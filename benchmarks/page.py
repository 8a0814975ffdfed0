"""Load time and longest frames of the page about 400 bundles, in headless Chromium.

Run it from the repository: `.venv/bin/python -m benchmarks.page [ROUNDS]`. The page is opened as files. For each step:
the time until the page is loaded, and the longest time between two frames while it is opened and while it is used,
the median of some rounds with the smallest and the largest. Above 50 ms people feel it; the last line says which do.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page, sync_playwright
from tests.artifacts.documents.page.made import files_of, many, written

MOST = 50
"""Milliseconds of a frame."""

_WATCH = """
window.pauses = [];
let last = performance.now();
const tick = (now) => { pauses.push(now - last); last = now; requestAnimationFrame(tick); };
requestAnimationFrame(tick);
"""

_LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def search(tab: Page) -> None:
    """Search for several things, sign by sign."""
    for text in ("numpy", "product-07", "package-3"):
        tab.keyboard.type(text, delay=80)
        for _ in text:
            tab.keyboard.press("Backspace")


def scroll(tab: Page) -> None:
    """Scroll down in steps of a screen, then to the end at once, and back."""
    for step in (*[700] * 20, 200_000, -200_000):
        tab.mouse.wheel(0, step)
        tab.wait_for_timeout(50)


def both(tab: Page) -> None:
    """Search, then scroll."""
    search(tab)
    scroll(tab)


def measured(browser: Browser, address: str, field: str, use: Callable[[Page], None]) -> dict[str, float]:
    """Return the milliseconds of one round.

    What the driver asks the page is asked before and after a step: its own scripts in the page take a frame's time.
    """
    tab = browser.new_page()
    tab.add_init_script(_WATCH)
    tab.goto(address)
    tab.wait_for_timeout(1000)
    opening = tab.evaluate(f"({{loaded: {_LOADED}, opened: Math.max(...pauses)}})")
    tab.evaluate(f"document.querySelector({field!r})?.focus({{preventScroll: true}})")
    tab.mouse.move(300, 300)
    tab.wait_for_timeout(200)
    tab.evaluate("pauses.length = 0")
    use(tab)
    tab.wait_for_timeout(300)
    using = tab.evaluate("({used: Math.max(...pauses)})")
    tab.close()
    return {**opening, **using}


def main() -> None:
    """Print the numbers of all steps, and fail if a frame takes too long."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    bundles = many(80)
    first, last = (f"{one.entry.version}/{one.entry.platform}" for one in (bundles[0], bundles[-1]))
    begun = time.monotonic()
    files_of(bundles)
    print(f"made in {time.monotonic() - begun:.1f} s")
    steps: dict[str, tuple[str, Callable[[Page], None]]] = {
        "index.html": ("#search", both),
        f"page/{first}.html": ("#search-packages", both),
        "page/shared.html": ("", scroll),
        f"page/difference.html#a={first}&b={last}": ("", scroll),
    }
    slow = []
    with TemporaryDirectory() as folder, sync_playwright() as driver:
        root = written(Path(folder), bundles)
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        # The first tab also pays for the start of the browser.
        measured(browser, f"{root}/index.html", "body", scroll)
        for path, (field, use) in steps.items():
            found = [measured(browser, f"{root}/{path}", field or "body", use) for _ in range(rounds)]
            texts = []
            for name in found[0]:
                times = [one[name] for one in found]
                texts.append(f"{name} {median(times):.0f} ms ({min(times):.0f}-{max(times):.0f})")
                if name != "loaded" and median(times) > MOST:
                    slow.append(f"{path} {name}")
            print(f"{path}: {', '.join(texts)}", flush=True)
        browser.close()
    print(f"slow: {', '.join(slow) or 'none'}")
    sys.exit(bool(slow))


if __name__ == "__main__":
    main()
