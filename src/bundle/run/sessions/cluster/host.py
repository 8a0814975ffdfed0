"""A session on its worker, which takes tasks until the submitter closes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bundle.artifacts.work import WorkContext
from bundle.base.errors import BundleError
from bundle.run.install.records import Records
from bundle.run.install.start import native, runtime_of
from bundle.run.sessions.cluster.runtime import Runtime
from bundle.run.sessions.job import JobInput, load
from bundle.run.sessions.log import Line
from bundle.run.sessions.session import Session, Settings, with_python

_POLL = 0.5


@dataclass(frozen=True, kw_only=True)
class SessionHost:
    """One session on a worker; what the submitter sends is `run`, `cancel` and `close`."""

    inputs: JobInput
    secrets: tuple[str, ...] = ()
    runtime: Runtime | None = None
    user: str | None = None

    def __call__(self, context: WorkContext) -> None:
        """Run tasks until the submitter closes the session, or the work has to end."""
        context.tell({"begun": context.attempt})
        root = context.folder / "sessions"
        root.mkdir(mode=0o711)
        settings = Settings(root=root, environ=self._environ(context), secrets=self.secrets, user=self.user)
        said: Callable[[Line], object] = lambda line: context.tell({"line": asdict(line)})  # noqa: E731
        session = Session(load(self.inputs), settings, context.name, said)
        thread: threading.Thread | None = None
        context.tell({"ready": context.attempt})
        try:
            while not context.stopped.is_set():
                command = context.receive(_POLL)
                if command is None:
                    continue
                if command["do"] == "close":
                    break
                if command["do"] == "cancel":
                    session.cancel(command["limit"])
                else:
                    thread = threading.Thread(target=_one, args=(session, command, context), daemon=True)
                    thread.start()
            else:
                session.cancel(0.0)
        finally:
            if thread is not None:
                thread.join()
            failed = session.close()
            context.tell({"closed": [asdict(one) for one in failed], "left": list(session.left)})

    def _environ(self, context: WorkContext) -> dict[str, str]:
        environ = dict(context.machine.environ)
        if self.runtime is None:
            return with_python(environ)
        runtime = runtime_of(str(self.runtime.folder(context)), Records(context.machine.data))
        return native(runtime, context.machine.platform).environment_of_user(environ)


def _one(session: Session, command: Mapping[str, Any], context: WorkContext) -> None:
    try:
        told: dict[str, Any] = {"result": asdict(session.run(command["step"], command["task"], command["attempt"]))}
    except BundleError as error:
        told = {"error": error.as_json()}
    if context.stopped.is_set():
        return  # It did not end by itself, and runs again elsewhere.
    environment = session.failed_environment
    context.tell({**told, "usable": session.usable, "environment": list(environment) if environment else None})
