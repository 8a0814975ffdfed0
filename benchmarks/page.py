"""Load time, longest frame and long tasks of the page about 400 bundles, in headless Chromium.

Run it from the repository: `.venv/bin/python -m benchmarks.page`. The page is opened as files. For each step: the time
until the page is loaded, the longest time between two frames, and the tasks of more than 50 ms, which people feel.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright
from tests.artifacts.documents.page.made import files_of, many, written

_WATCH = """
window.tasks = [];
window.pauses = [];
new PerformanceObserver((list) => tasks.push(...list.getEntries().map((one) => Math.round(one.duration))))
  .observe({type: "longtask", buffered: true});
let last = performance.now();
const tick = (now) => { pauses.push(now - last); last = now; requestAnimationFrame(tick); };
requestAnimationFrame(tick);
"""


def search(tab: Page) -> None:
    """Search for several things, sign by sign."""
    for text in ("numpy", "product-07", "package-3"):
        tab.locator("#search").press_sequentially(text, delay=80)
        tab.locator("#found").filter(has_text="of 400 bundles").wait_for()
        tab.locator("#search").fill("")


def main() -> None:
    """Print the numbers of all steps."""
    bundles = many(80)
    first, last = (f"{one.entry.version}/{one.entry.platform}" for one in (bundles[0], bundles[-1]))
    begun = time.monotonic()
    files_of(bundles)
    print(f"made in {time.monotonic() - begun:.1f} s")
    steps: dict[str, Callable[[Page], None]] = {
        "index.html": search,
        f"page/{first}.html": lambda tab: tab.locator("#layers td", has_text="more").first.wait_for(),
        "page/shared.html": lambda tab: tab.mouse.wheel(0, 20_000),
        f"page/difference.html#a={first}&b={last}": lambda tab: tab.locator("#packages").wait_for(),
    }
    with TemporaryDirectory() as folder, sync_playwright() as driver:
        root = written(Path(folder), bundles)
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for path, use in steps.items():
            tab = browser.new_page()
            tab.add_init_script(_WATCH)
            tab.goto(f"{root}/{path}")
            use(tab)
            tab.wait_for_timeout(300)
            loaded = "performance.getEntriesByType('navigation')[0].loadEventEnd"
            told = tab.evaluate(f"({{loaded: {loaded}, 'longest frame': Math.max(...pauses), 'long tasks': tasks}})")
            print(path, json.dumps({key: round(one) if isinstance(one, float) else one for key, one in told.items()}))
            tab.close()
        browser.close()


if __name__ == "__main__":
    main()
