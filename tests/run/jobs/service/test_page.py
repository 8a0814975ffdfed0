"""The page in a browser: Debian's Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.foreign.bundles import found
from tests.run.jobs.service.served import Served

pytestmark = [pytest.mark.real, pytest.mark.skipif(os.name == "nt", reason="Chromium is that of Debian")]

SCRIPT = """
import json, time
for number in range(1000):
    print("line", number, "<script>document.title = 'escaped'</script>", flush=True)
    time.sleep(0.05)
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    service = Served(tmp_path)
    yield service
    service.end()


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        program = found(shutil.which("chromium"), "Debian's package chromium is not installed")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def opened(browser: Browser, url: str, errors: list[str]) -> Page:
    """Open a narrow window in the dark."""
    page = browser.new_page(viewport={"width": 360, "height": 800}, color_scheme="dark")
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    return page


def fits(page: Page) -> bool:
    """Return whether nothing is wider than the window, once its style sheet has come."""
    page.wait_for_load_state()
    narrow: bool = page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    return narrow


def test_a_job_is_uploaded_followed_searched_and_stopped(served: Served, browser: Browser, tmp_path: Path) -> None:
    errors: list[str] = []
    script = tmp_path / "app.py"
    script.write_text(SCRIPT)
    page = opened(browser, served.url, errors)
    page.get_by_label("Script (.py)").set_input_files(script)
    page.get_by_role("button", name="Upload and start").press("Enter")
    expect(page.get_by_role("heading", name="app.py")).to_be_visible()
    log = page.locator("#log")
    expect(log).to_contain_text("line 3 <script>")
    assert page.title() != "escaped"
    expect(page.locator("#state")).to_have_text("running")
    page.get_by_label("Search").fill("LINE 2 ")
    expect(page.locator("mark").first).to_have_text("line 2 ")
    expect(page.locator("#hits")).to_have_text("1 hit")
    page.get_by_label("Search").fill("")
    expect(page.locator("mark")).to_have_count(0)
    assert fits(page)
    page.get_by_role("button", name="Stop").press("Enter")
    expect(page.locator("#state")).to_have_text("cancelled", timeout=30_000)
    expect(page.get_by_text("It was stopped.")).to_be_visible()
    page.get_by_role("link", name="Jobs").click()
    expect(page.locator("#rows")).to_contain_text("cancelled")
    assert fits(page)
    assert errors == []


def test_a_result_and_hostile_names_are_shown_as_text(served: Served, browser: Browser) -> None:
    errors: list[str] = []
    code = (
        "import json\nevil = '<img src=x onerror=alert(1)>'\nopen(evil.replace('/', ''), 'w').close()\n"
        "json.dump({evil: [1, evil]}, open('result.json', 'w'))\nprint(evil)"
    )
    job = served.upload(code, config={"jobId": "<b>bold</b>"})["id"]
    served.wait(job)
    page = opened(browser, f"{served.url}/jobs/{job}", errors)
    expect(page.locator("#result")).to_contain_text("<img src=x")
    expect(page.get_by_role("heading").first).to_contain_text("<b>bold</b>")
    expect(page.locator("#log")).to_contain_text("onerror")
    assert page.locator("img").count() == 0
    assert errors == []


def test_what_is_wrong_with_an_upload_is_told(served: Served, browser: Browser, tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.write_text("print()")
    page = opened(browser, served.url, [])
    page.get_by_label("Script (.py)").set_input_files(script)
    page.get_by_label("Configuration").fill("{")
    page.get_by_role("button", name="Upload and start").click()
    expect(page.get_by_role("alert")).to_contain_text("not JSON")
