"""The page in a browser: Debian's Chromium, without a server, and without the network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Request, expect, sync_playwright
from playwright.sync_api import Page as Tab

from bundle.artifacts.described import Described
from bundle.artifacts.difference import Side, difference
from bundle.artifacts.documents.page.site import Place
from tests.artifacts.documents.page.made import PACKAGES, described, many, written
from tests.foreign.bundles import found
from tests.hostile.planted import PLANTED, planted

pytestmark = pytest.mark.real

OLD = described()
NEW = described("3.12.10-next", packages=PACKAGES[:-2], release="1.1")
OTHER = described("3.12.10-atls", "macosx-aarch64")

PUBLISHED = Place(address="s3://runtimes", published=True)


@dataclass
class Watched:
    """A tab, and what is wrong with what it shows."""

    tab: Tab
    root: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tab.on("console", self._said)
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("request", self._asked)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)

    def open(self, path: str) -> Tab:
        self.tab.goto("about:blank")
        self.tab.goto(f"{self.root}/{path}")
        return self.tab

    def require_sound(self) -> None:
        """No error on the console, no request to anything but the page's own files."""
        assert self.errors == []
        assert [one for one in self.requests if not one.startswith((self.root, "about:"))] == []

    def overflow(self) -> int:
        """How much wider the page is than what is shown of it."""
        wide: int = self.tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return wide


class Silent(SimpleHTTPRequestHandler):
    """Serves the files of a folder."""

    def log_message(self, *arguments: object) -> None:
        """Tell nothing."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = found(shutil.which("chromium"), "Debian's package chromium is not installed")
    with sync_playwright() as driver:
        # Containers run as root, for which Chromium's own sandbox does not start.
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("page") / "a site", [OLD, NEW, OTHER])


def watched(chromium: Browser, root: str, **options: Any) -> Watched:
    return Watched(chromium.new_context(**options).new_page(), root)


@pytest.fixture
def page(chromium: Browser, root: str) -> Iterator[Watched]:
    page = watched(chromium, root)
    yield page
    page.require_sound()
    page.tab.context.close()


def test_every_link_leads_somewhere(page: Watched) -> None:
    left, seen = ["index.html"], set()
    while left:
        path = left.pop()
        seen.add(path)
        tab = page.open(path)
        assert tab.title() != ""
        for address in tab.eval_on_selector_all("a", "all => all.map((one) => one.href.baseVal ?? one.href)"):
            if address.startswith("#"):
                assert tab.locator(f"[id='{address[1:]}']").count() == 1
                continue
            target, _, place = address.removeprefix(f"{page.root}/").partition("#")
            assert not target.startswith("file:")
            if target == path and place and "=" not in place:
                assert tab.locator(f"[id='{place}']").count() == 1
            elif target not in seen and target not in left:
                left.append(target)
    assert len(seen) == 6


def test_bundles_are_found_by_version_and_by_package(page: Watched) -> None:
    tab = page.open("index.html")
    search, told = tab.locator("#search"), tab.locator("#found")
    # What is told is waited for, so no count is that of the search before.
    for text, count in (("next", 1), ("packaging", 2), ("numpy 1.1", 1), ("no such thing", 0), ("macosx", 1), ("", 3)):
        search.fill(text)
        told.get_by_text(f"{count} of 3 bundles" if text else "", exact=True).wait_for(state="attached")
        shown = tab.locator("[data-bundle]:not(.none)").evaluate_all(
            "all => all.filter((one) => !one.closest('tr').hidden).length"
        )
        assert shown == count
    assert [one for one in page.requests if one.endswith("search.js")] != []


def test_the_map_is_walked_by_keyboard_and_leads_to_the_table(page: Watched) -> None:
    tab = page.open("page/3.12.10-atls/linux-x64.html")
    assert tab.locator("svg.map:visible").count() == 1
    tiles = tab.locator("svg.map.wide a")
    assert tiles.count() == len(OLD.entry.layers)
    boxes = tab.locator("svg.map.wide rect").evaluate_all("all => all.map((one) => one.getBoundingClientRect().width)")
    assert min(boxes) > 0
    tab.locator(".skip-map").focus()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')") == "openmm 1.0, 85.0 MB, 18.9 %"
    tab.keyboard.press("Enter")
    assert tab.evaluate("location.hash") == "#layer-0"
    row = tab.locator("tr:target")
    # Rows are drawn when they come into view.
    expect(row.locator("th")).to_have_text("openmm 1.0", use_inner_text=True)
    row.locator("td:last-child", has_text="").wait_for(state="attached")
    tab.get_by_role("link", name="Skip to the content").focus()


def test_the_table_of_layers_tells_which_other_bundles_have_them(page: Watched) -> None:
    tab = page.open("page/3.12.10-atls/linux-x64.html")
    interpreter = tab.locator("#layers tr", has_text="python 3.12.10").locator("td:last-child")
    interpreter.filter(has_text="3.12.10-next linux-x64").wait_for()
    assert interpreter.text_content() == "3.12.10-next linux-x64"


def test_packages_are_searched(page: Watched) -> None:
    tab = page.open("page/3.12.10-atls/linux-x64.html")
    tab.locator("#search-packages").fill("allowSourceList")
    tab.locator("#found-packages").filter(has_text="2 of 21 packages").wait_for()
    assert tab.locator("#packages tbody tr:visible th").all_text_contents() == ["pdbfixer 1.0", "freesasa 1.0"]


def test_lines_are_copied(page: Watched) -> None:
    page.tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab = page.open("page/3.12.10-atls/linux-x64.html")
    tab.get_by_role("button", name="Copy").first.click()
    tab.get_by_role("button", name="Copied").wait_for()
    assert tab.evaluate("navigator.clipboard.readText()").startswith("bundle publish 3.12.10-atls")


def test_lines_name_the_address_that_the_page_has(chromium: Browser, tmp_path: Path) -> None:
    written(tmp_path, [OLD], PUBLISHED)
    handler = partial(Silent, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        page = watched(chromium, f"http://127.0.0.1:{server.server_port}")
        tab = page.open("page/3.12.10-atls/linux-x64.html")
        tab.get_by_role("button", name="Copy").first.wait_for()
        assert tab.locator("pre code").first.inner_text() == f"bundle install 3.12.10-atls --from {page.root}"
        page.require_sound()
        page.tab.context.close()
        server.shutdown()


def name(bundle: Described) -> str:
    return f"{bundle.entry.version}/{bundle.entry.platform}"


@pytest.mark.parametrize("after", [NEW, OTHER, OLD], ids=name)
@pytest.mark.parametrize("before", [OLD, NEW], ids=name)
def test_differences_are_those_of_the_command(page: Watched, before: Described, after: Described) -> None:
    tab = page.open(f"page/difference.html#a={name(before)}&b={name(after)}")
    tab.locator("#told:not(:empty)").wait_for()
    script = "([a, b]) => Promise.all([bundlePage.bundle(a), bundlePage.bundle(b)]).then(([a, b]) => difference(a, b))"
    shown = tab.evaluate(script, [name(before), name(after)])
    value = difference(Side.of(before, ""), Side.of(after, "")).to_json()

    def titles(changes: Any) -> list[Any]:
        return [[one["name"], one["version"]] for one in changes]

    for kind in ("added", "removed"):
        assert titles(shown["packages"][kind]) == titles(value["packages"][kind])
        assert [one["digest"] for one in shown["layers"][kind]] == [one["digest"] for one in value["layers"][kind]]
        told = [[one["name"], one["components"]] for one in value["licences"][kind]]
        assert shown["licences"][kind] == told
    assert [one["after"]["name"] for one in shown["packages"]["changed"]] == [
        one["after"]["name"] for one in value["packages"]["changed"]
    ]
    assert [one["name"] for one in shown["leftOut"]["added"]] == [one["name"] for one in value["leftOut"]["added"]]
    assert shown["transfer"] == value["transfer"]
    if value["same"]:
        assert tab.locator("#told").inner_text() == "Nothing differs."
    else:
        assert f"moves {value['transfer']['layers']} layers" in tab.locator("#told").inner_text()
        heading = tab.locator("#packages h2").inner_text() if titles(value["packages"]["added"]) else ""
        assert heading == "" or f"{len(value['packages']['added'])} added" in heading


def test_two_bundles_are_chosen_and_exchanged(page: Watched) -> None:
    tab = page.open("page/difference.html")
    tab.get_by_text("Choose two bundles.").wait_for()
    tab.get_by_label("From").select_option(name(OLD))
    tab.get_by_label("To", exact=True).select_option(name(NEW))
    tab.locator("#packages h2", has_text="0 added, 2 removed, 19 changed").wait_for()
    tab.get_by_role("button", name="Exchange both").click()
    tab.locator("#packages h2", has_text="2 added, 0 removed, 19 changed").wait_for()
    assert tab.evaluate("location.hash") == f"#a={name(NEW)}&b={name(OLD)}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 400])
def test_it_fits_and_can_be_read_in_light_and_dark(chromium: Browser, root: str, scheme: Any, width: int) -> None:
    page = watched(chromium, root, color_scheme=scheme, viewport={"width": width, "height": 800})
    for path in ("index.html", "page/3.12.10-atls/linux-x64.html", "page/shared.html", "page/difference.html"):
        tab = page.open(path)
        assert page.overflow() == 0
        both = "['backgroundColor', 'color'].map((one) => getComputedStyle(document.body)[one])"
        paper, ink = tab.evaluate(f"{both}.map((one) => one.match(/[0-9]+/g).map(Number))")
        assert contrast(paper, ink) > 7
        assert (sum(paper) < 128 * 3) == (scheme == "dark")
        marks = tab.eval_on_selector_all(
            ".mark, .fine, nav a, dt, svg text",
            """all => all.map((one) => {
                const style = getComputedStyle(one);
                let behind = one;
                while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
                const rect = one.tagName === "text" && one.parentElement.querySelector("rect");
                return [rect ? getComputedStyle(rect).fill : getComputedStyle(behind).backgroundColor,
                        rect ? style.fill : style.color].map((text) => text.match(/[0-9]+/g).slice(0, 3).map(Number));
            })""",
        )
        assert [pair for pair in marks if contrast(*pair) < 4.5] == []
    page.require_sound()
    page.tab.context.close()


def contrast(one: list[int], other: list[int]) -> float:
    """The contrast ratio of two colours (WCAG 2.2, 1.4.3)."""

    def luminance(colour: list[int]) -> float:
        parts = [value / 255 for value in colour]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_it_is_read_without_scripts(chromium: Browser, root: str) -> None:
    page = watched(chromium, root, java_script_enabled=False)
    tab = page.open("index.html")
    assert not tab.locator("#search").is_visible()
    tab.get_by_role("link", name="3.12.10-atls for linux-x64").click()
    assert tab.locator("svg.map:visible").count() == 1
    assert "openmm 1.0" in (tab.locator("#packages").text_content() or "")
    tab.get_by_role("link", name="Difference").click()
    assert "bundle diff" in tab.locator("main").inner_text()
    page.require_sound()
    page.tab.context.close()


def test_four_hundred_bundles_take_little_work(chromium: Browser, tmp_path: Path) -> None:
    bundles = many(80)
    page = watched(chromium, written(tmp_path / "many", bundles))
    tab = page.open("index.html")
    measures = tab.context.new_cdp_session(tab)
    measures.send("Performance.enable")

    def layouts() -> int:
        told = {one["name"]: one["value"] for one in measures.send("Performance.getMetrics")["metrics"]}
        return int(told["LayoutCount"])

    assert tab.locator("[data-bundle]").count() == 400
    assert tab.evaluate("document.querySelectorAll('*').length") < 10_000
    assert files_read(page) == ["index.html", "page/page.css", "page/page.js"]
    before = layouts()
    for text in ("numpy", "product-07", "package-3"):
        tab.locator("#search").press_sequentially(text)
        tab.locator("#found").filter(has_text="of 400 bundles").wait_for()
        tab.locator("#search").fill("")
        tab.locator("#found:empty").wait_for(state="attached")
    # One for each sign that is typed, and a few for what the browser does itself.
    assert layouts() - before < 100
    assert files_read(page)[3:] == ["page/search.js"]

    page.requests.clear()
    first, last = name(bundles[0]), name(bundles[-1])
    tab = page.open(f"page/difference.html#a={first}&b={last}")
    tab.locator("#packages").wait_for()
    assert len(files_read(page)) == 6
    tab = page.open(f"page/{first}.html")
    tab.locator("#layers td:last-child", has_text="more").first.wait_for()
    assert tab.locator("svg.map.wide a").count() == 61
    tab = page.open("page/shared.html")
    assert tab.locator("#sharing tbody tr").count() == 400
    page.require_sound()
    page.tab.context.close()


def files_read(page: Watched) -> list[str]:
    """The files that a page has asked for, in order."""
    asked = [one.partition("#")[0].removeprefix(f"{page.root}/") for one in page.requests]
    return [one for one in asked if not one.startswith("about:")]


@pytest.mark.parametrize("text", PLANTED, ids=range(len(PLANTED)))
def test_what_is_planted_is_not_run(chromium: Browser, tmp_path: Path, text: str) -> None:
    bundles = [planted(text), planted(text, "windows-x64")]
    page = watched(chromium, written(tmp_path, bundles, Place(address=text, published=True)))
    first, second = (name(one) for one in bundles)
    for path in ("index.html", f"page/{first}.html", "page/shared.html", f"page/difference.html#a={first}&b={second}"):
        tab = page.open(path)
        if path == "index.html":
            tab.locator("#search").fill("3.12")
            tab.locator("#found").filter(has_text="2 of 2").wait_for()
        if "difference" in path:
            tab.locator("#told", has_text="moves").wait_for()
        assert tab.evaluate("typeof planted") == "undefined"
        assert tab.locator("img, iframe").count() == 0
        assert page.overflow() == 0
    page.require_sound()
    page.tab.context.close()
