"""The interface of the service: jobs are uploaded, started, followed, stopped and removed."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO, Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException as StarletteHTTPException

import bundle
from bundle.base.errors import BundleError, ConfigError
from bundle.run.jobs.log import read_log
from bundle.run.jobs.outcome import State
from bundle.run.jobs.service.follow import events
from bundle.run.jobs.service.guard import Access, Guard
from bundle.run.jobs.service.metrics import metrics_of
from bundle.run.jobs.service.page import Runtimes, add_pages
from bundle.run.jobs.service.runner import Runner
from bundle.run.jobs.service.store import Row
from bundle.run.jobs.service.uploads import MOST_CONFIG, MOST_FILES, Upload, accept

_ID = re.compile(r"[0-9a-f]{16,40}")


def service(runner: Runner, access: Access, runtimes: Runtimes) -> FastAPI:
    """Return the service as an ASGI application.

    Args:
        runtimes: returns what is installed, for the page and `/api/runtimes`.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(runner.open)
        yield
        await run_in_threadpool(runner.close)

    app = FastAPI(
        title="bundle jobs",
        version=bundle.__version__,
        description="Runs Python scripts as jobs.",
        lifespan=lifespan,
        docs_url=None,  # The page would load scripts from elsewhere.
        redoc_url=None,
    )
    app.add_middleware(Guard, access=access)
    _add_errors(app)
    _add_jobs(app, runner)
    _add_logs(app, runner)
    _add_state(app, runner, runtimes)
    add_pages(app, runner, access, runtimes, _received)
    return app


def row_of(runner: Runner, id: str) -> Row:  # noqa: A002 - the name in the path
    """Return a job.

    Raises:
        HTTPException: there is none.
    """
    row = runner.store.get(id) if _ID.fullmatch(id) else None
    if row is None:
        raise HTTPException(404, "There is no such job.")
    return row


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(BundleError)
    def refused(_: Request, error: BundleError) -> JSONResponse:
        status = 422 if isinstance(error, ConfigError) else 500
        return JSONResponse({"error": error.what, "details": error.details, "remedy": error.remedy}, status)

    @app.exception_handler(StarletteHTTPException)  # Of which that of FastAPI is one.
    def failed(_: Request, error: StarletteHTTPException) -> JSONResponse:
        too_large = error.status_code == 400 and "exceeded maximum size" in str(error.detail)
        return JSONResponse({"error": error.detail}, 413 if too_large else error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    def wrong(_: Request, error: RequestValidationError) -> JSONResponse:
        found = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        return JSONResponse({"error": "The request has wrong values.", "details": found}, 422)


def _add_jobs(app: FastAPI, runner: Runner) -> None:
    form = {
        "script": {"type": "string", "format": "binary", "description": "The .py file."},
        "config": {"type": "string", "description": "The configuration (JSON); secure values in clear are encrypted."},
        "env": {"type": "string", "format": "binary", "description": "The content of .env."},
        "files": {"type": "array", "items": {"type": "string", "format": "binary"}, "description": "Further files."},
        "env_file_as_macros": {"type": "boolean", "description": "Set the entries of .env as variables."},
        "start": {"type": "boolean", "default": True, "description": "Put the job into the queue at once."},
    }
    schema = {"type": "object", "required": ["script"], "properties": form}
    described = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}

    @app.post("/api/jobs", status_code=201, openapi_extra=described, summary="Upload a job")
    async def upload(request: Request) -> dict[str, Any]:
        return (await _received(request, runner)).as_json()

    @app.get("/api/jobs", summary="List jobs, the newest first")
    def jobs(
        state: State | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> list[dict[str, Any]]:
        return [row.as_json() for row in runner.store.jobs(state=state, limit=limit, offset=offset)]

    @app.get("/api/jobs/{id}", summary="Return a job with its outcome")
    def job(id: str) -> dict[str, Any]:  # noqa: A002
        return row_of(runner, id).as_json()

    @app.post("/api/jobs/{id}/start", status_code=202, summary="Start a job that waits")
    def start(id: str) -> dict[str, Any]:  # noqa: A002
        row = row_of(runner, id)
        if not runner.start(id):
            raise HTTPException(409, f"The job is {row.state}, and does not wait.")
        return row_of(runner, id).as_json()

    @app.post("/api/jobs/{id}/stop", status_code=202, summary="Stop a job with all its processes")
    def stop(id: str) -> dict[str, Any]:  # noqa: A002
        row_of(runner, id)
        if not runner.stop(id):
            raise HTTPException(409, "The job has ended.")
        return row_of(runner, id).as_json()

    @app.delete("/api/jobs/{id}", status_code=204, summary="Remove a job that waits or has ended")
    def remove(id: str) -> None:  # noqa: A002
        row = row_of(runner, id)
        if not runner.store.remove(id):
            raise HTTPException(409, f"The job is {row.state}; stop it first.")


def _add_logs(app: FastAPI, runner: Runner) -> None:
    @app.get("/api/jobs/{id}/log", response_class=PlainTextResponse, summary="Return the log as far as it is written")
    def log(id: str, offset: Annotated[int, Query(ge=0, le=2**53)] = 0) -> StreamingResponse:  # noqa: A002
        row_of(runner, id)
        # Its length is not told, because it may grow meanwhile. Not text/html: a log may hold anything.
        parts = (part for _, part in read_log(runner.store.log(id), offset))
        return StreamingResponse(parts, media_type="text/plain; charset=utf-8")

    @app.get("/api/jobs/{id}/events", summary="Follow the log and the state (server-sent events)")
    def follow(
        id: str,  # noqa: A002
        offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> StreamingResponse:
        row_of(runner, id)
        # A browser that lost the connection says which event it got last.
        place = int(last_event_id) if last_event_id and re.fullmatch(r"\d{1,15}", last_event_id) else offset
        return StreamingResponse(events(runner.store, id, place), media_type="text/event-stream")


def _add_state(app: FastAPI, runner: Runner, runtimes: Runtimes) -> None:
    @app.get("/api/runtimes", summary="List installed bundles")
    def installed() -> list[dict[str, str]]:
        return list(runtimes())

    @app.get("/health", summary="Say that the service works")
    def health() -> dict[str, str]:
        runner.store.counts()
        return {"status": "ok"}

    @app.get("/metrics", response_class=PlainTextResponse, summary="Metrics for Prometheus")
    def metrics() -> PlainTextResponse:
        return PlainTextResponse(metrics_of(runner), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _received(request: Request, runner: Runner) -> Row:
    """Return the job of a form."""
    async with request.form(max_files=MOST_FILES + 3, max_fields=20, max_part_size=MOST_CONFIG) as form:
        script, env = _file(form.get("script")), _file(form.get("env"))
        if script is None:
            raise HTTPException(422, "The form has no file named script.")
        upload = Upload(
            script=script,
            config=_text(form.get("config")),
            env=env[1] if env else None,
            files=[file for file in map(_file, form.getlist("files")) if file],
            env_file_as_macros=_is_true(form.get("env_file_as_macros")),
        )
        row = await run_in_threadpool(accept, upload, runner.store, runner.surroundings.keys)
        if _is_true(form.get("start") or "true"):
            runner.start(row.id)
    return runner.store.get(row.id) or row


def _file(value: object) -> tuple[str, IO[bytes]] | None:
    """Return name and content of a field that is a file; a browser sends one without a name where none is chosen."""
    return (value.filename, value.file) if isinstance(value, UploadFile) and value.filename else None


def _text(value: object) -> str:
    """Return the text of a field, which may be a file."""
    file = _file(value)
    if file is None:
        return value if isinstance(value, str) else ""
    content = file[1].read(MOST_CONFIG + 1)
    if len(content) > MOST_CONFIG:
        raise HTTPException(413, f"A configuration may have {MOST_CONFIG} bytes at most.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise HTTPException(422, "The configuration is not UTF-8.") from None


def _is_true(value: Any) -> bool:
    return isinstance(value, str) and value.lower() in ("true", "1", "on", "yes")
