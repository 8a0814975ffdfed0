"""The page for people: jobs, upload, one job with its live log."""

import json
import time
from collections.abc import Awaitable, Callable, Iterable
from importlib import resources
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool

from bundle.base.errors import BundleError
from bundle.base.text import printable
from bundle.run.jobs.service.guard import COOKIE, Access
from bundle.run.jobs.service.runner import Runner
from bundle.run.jobs.service.store import Row

Runtimes = Callable[[], Iterable[dict[str, str]]]
"""Returns version, platform and path of each installed bundle."""

_STATIC = {"page.css": "text/css", "page.js": "text/javascript"}

_SHOWN = 200
"""Jobs of the page."""


Receive = Callable[[Request, Runner], Awaitable[Row]]
"""Makes a job of a form."""


class _Pages:
    """The pages, rendered."""

    def __init__(self, runner: Runner, access: Access, runtimes: Runtimes) -> None:
        self._templates = _templates()
        self._runner = runner
        self._access = access
        self._runtimes = runtimes

    def shown(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._templates.get_template(name).render(**values), status)

    def home(self, error: str = "") -> HTMLResponse:
        rows, runtimes = self._runner.store.jobs(limit=_SHOWN), list(self._runtimes())
        return self.shown("jobs.html", 422 if error else 200, rows=rows, runtimes=runtimes, error=error)

    def home_page(self) -> HTMLResponse:
        return self.home()

    def rows(self) -> HTMLResponse:
        return self.shown("rows.html", rows=self._runner.store.jobs(limit=_SHOWN))

    def job(self, id: str) -> HTMLResponse:  # noqa: A002 - the name in the path
        row = self._runner.store.get(id)
        return self.shown("gone.html", 404) if row is None else self.shown("job.html", row=row)

    def stop(self, id: str) -> Response:  # noqa: A002
        if self._runner.store.get(id) is None:
            return self.shown("gone.html", 404)
        self._runner.stop(id)
        return RedirectResponse(f"/jobs/{id}", 303)

    def log_in(self, token: object, *, secure: bool) -> Response:
        if not self._access.token or not isinstance(token, str) or not self._access.fits(token.strip()):
            return self.shown("login.html", 401, wrong=True)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, self._access.open_session(), httponly=True, samesite="strict", secure=secure)
        return answer


def add_pages(app: FastAPI, runner: Runner, access: Access, runtimes: Runtimes, receive: Receive) -> None:
    """Add the pages to the service."""
    pages = _Pages(runner, access, runtimes)
    hidden: dict[str, Any] = {"include_in_schema": False, "response_model": None}
    app.get("/", **hidden)(pages.home_page)
    app.get("/rows", **hidden)(pages.rows)
    app.get("/jobs/{id}", **hidden)(pages.job)
    app.post("/jobs/{id}/stop", **hidden)(pages.stop)
    app.get("/static/{name}", **hidden)(_static)

    @app.post("/jobs", **hidden)
    async def upload(request: Request) -> Response:
        try:
            row = await receive(request, runner)
        except BundleError as error:
            return await run_in_threadpool(pages.home, " ".join([error.what, *error.details]))
        except HTTPException as error:
            return await run_in_threadpool(pages.home, str(error.detail))
        return RedirectResponse(f"/jobs/{row.id}", 303)

    @app.get("/login", **hidden)
    def ask() -> HTMLResponse:
        return pages.shown("login.html", wrong=False)

    @app.post("/login", **hidden)
    async def log_in(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=5, max_part_size=10_000) as form:
            return pages.log_in(form.get("token"), secure=request.url.scheme == "https")


def _static(name: str) -> Response:
    if name not in _STATIC:
        raise HTTPException(404, "There is no such file.")
    content = resources.files("bundle.run.jobs.service").joinpath("pages", name).read_bytes()
    return Response(content, media_type=_STATIC[name])


def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("bundle.run.jobs.service", "pages"), autoescape=True, undefined=StrictUndefined
    )
    templates.filters.update(moment=_moment, duration=_duration, printable=printable, size=_size, pretty=_pretty)
    return templates


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _size(number: int) -> str:
    from rich.filesize import decimal

    return decimal(number)


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
