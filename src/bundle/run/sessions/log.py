"""The log of a session: lines without secrets."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bundle.run.jobs.masking import Masker

if TYPE_CHECKING:
    from bundle.run.sessions.job import Job

_BANNER, _CONTENTS, _OUTPUT, _HOST = 1, 4, 8, 128
"""What the library calls BANNER, FILE_CONTENTS, COMMAND_OUTPUT and HOST_INFO, among the kinds of lines."""


@dataclass(frozen=True)
class Line:
    """One line of a session's log."""

    session: str
    text: str
    at: float
    """Seconds since 1970."""
    output: bool
    """Whether an action wrote it, rather than the library."""


class Masking:
    """Masks the secrets of a session in its log.

    Args:
        names: of parameters of the job and of variables whose values are secret.
        environ: variables that actions inherit.
    """

    def __init__(
        self, job: Job, names: Iterable[str], environ: Mapping[str, str], output: Callable[[Line], object], session: str
    ) -> None:
        self._output = output
        self._session = session
        self._names = frozenset(names)
        self._guard = threading.Lock()
        self.redacted: Callable[[], Iterable[str]] = tuple
        """Returns the values that actions asked to hide; the library hides them as they are, this in other forms."""
        known = {**environ, **job.values}
        self._secrets = {known[name] for name in self._names if known.get(name)}
        self._masker = Masker(self._secrets)

    def take(self, record: logging.LogRecord) -> None:
        """Hand on a line of the library's log."""
        with self._guard:
            text = record.getMessage()
            if record.msg == "Setting: %s=%s" and isinstance(record.args, tuple) and len(record.args) == 2:
                name, value = map(str, record.args)
                if name in self._names:
                    self.hide(value)
            for secret in self.redacted():
                self.hide(secret)
            found = getattr(record, "openjd_log_content", None)
            kind = 0 if found is None else found.value
            if kind & (_CONTENTS | _HOST):
                return  # Scripts hold variables in clear.
            output = bool(kind & _OUTPUT) and not kind & _BANNER
            self._output(Line(self._session, self.text(text), record.created, output))

    def hide(self, secret: str) -> None:
        """Mask a further secret."""
        if secret and secret not in self._secrets:
            self._secrets.add(secret)
            self._masker = Masker(self._secrets)

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        return self._masker.text(text) if self._secrets else text

    def close(self) -> None:
        """Hand on nothing more."""
        self._output = lambda _: None
