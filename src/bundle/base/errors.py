"""Errors are part of the interface: what happened, the usual cause, what to do next, and an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from bundle.base.text import printable


class BundleError(Exception):
    """Something that the user can act on.

    Args:
        what: what happened, one sentence, naming the thing it happened to.
        cause: the usual cause, when it is not plain from `what`.
        remedy: what to do next; the class supplies a general one where it can.
        details: further lines, such as the tail of a log or every problem of a file.
    """

    exit_code: ClassVar[int] = 1
    default_remedy: ClassVar[str] = "Run again with --debug for the traceback."

    def __init__(
        self, what: str, *, cause: str | None = None, remedy: str | None = None, details: Iterable[str] = ()
    ) -> None:
        super().__init__(what)
        self.what = what
        self.cause = cause
        self.remedy = remedy if remedy is not None else self.default_remedy
        self.details = tuple(details)

    def as_text(self) -> str:
        """Return the error as the lines that people read on stderr."""
        lines = [f"error: {self.what}", *(f"  {line}" for line in self.details)]
        if self.cause:
            lines.append(f"  cause: {self.cause}")
        if self.remedy:
            lines.append(f"  to do: {self.remedy}")
        return printable("\n".join(lines))

    def as_json(self) -> dict[str, Any]:
        """Return the error as the JSON value that `--json` prints."""
        return {
            "error": type(self).__name__,
            "what": self.what,
            "cause": self.cause,
            "remedy": self.remedy,
            "details": list(self.details),
            "exitCode": self.exit_code,
        }


class WorkError(BundleError):
    """The work failed: a build, a job, a full disk."""

    default_remedy = "Find the failed step in the lines above, correct it and run the same command again."


class MissingPackageError(WorkError):
    """A package has no usable file under the policy, and `strictMissing` makes that an error."""

    default_remedy = (
        "Choose another version, allow the source build (packages.resolution.allowSourceList), or skip the package "
        "there (packages.skip) with a reason."
    )


class ConfigError(BundleError):
    """The configuration or the command line is wrong."""

    exit_code = 2
    default_remedy = "Correct the configuration; `bundle check` lists every problem at once."


class NetworkError(BundleError):
    """A registry, mirror or remote did not answer, or answered with an error."""

    exit_code = 3
    default_remedy = "Check the connection and the address, then run the same command again; it resumes."


class IntegrityError(BundleError):
    """Bytes are not what their hash promised, or an archive is unsafe."""

    exit_code = 4
    default_remedy = "Do not use the file. Find out who changed it; `bundle cache verify` checks the store."


def too_new(name: str, found: int, newest: int) -> IntegrityError:
    """Return the error for a file in a format that came after this program.

    Args:
        name: of the file.
        found: the number of its format.
        newest: the highest number that is understood.
    """
    return IntegrityError(
        f"{name} has format {found}, and this program is too old for it: it reads formats up to {newest}.",
        cause="A newer version of this program wrote it.",
        remedy="Install a newer version of this program.",
    )


class VerificationError(BundleError):
    """The bundle is not portable, or does not import."""

    exit_code = 5
    default_remedy = "Correct the package named above, or accept the finding with a reason (verify.accept)."


class InterruptedRunError(BundleError):
    """The user or the system asked the run to stop."""

    exit_code = 130
    default_remedy = "Nothing was lost. Run the same command again; it continues from here."


def error_of(document: Mapping[str, Any]) -> BundleError:
    """Return the error that another process told by its JSON value; one of an unknown kind is a failure of the work."""
    kind = globals().get(str(document["error"]))
    known = kind if isinstance(kind, type) and issubclass(kind, BundleError) else WorkError
    return known(document["what"], cause=document["cause"], remedy=document["remedy"], details=document["details"])


class Problems:
    """Collects several problems and raises them together.

    Use `with problems.collecting(): ...` around each part that may fail, then `raise_if_any`.
    """

    def __init__(self) -> None:
        self._errors: list[BundleError] = []

    def add(self, error: BundleError) -> None:
        """Remember a problem."""
        self._errors.append(error)

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Remember the `BundleError` that the block raises, and go on behind it."""
        try:
            yield
        except BundleError as error:
            self.add(error)

    @property
    def errors(self) -> tuple[BundleError, ...]:
        """What was collected so far, in order."""
        return tuple(self._errors)

    def raise_if_any(self, what: str) -> None:
        """Raise one error for all that was collected.

        Args:
            what: the headline when there are several.

        Raises:
            BundleError: the only problem as it is, or one error of the gravest kind that lists them all.
        """
        if not self._errors:
            return
        if len(self._errors) == 1:
            raise self._errors[0]
        gravest = max(self._errors, key=lambda error: error.exit_code)
        details: list[str] = []
        for error in self._errors:
            details.append(error.what + (f" ({error.cause})" if error.cause else ""))
            details.extend(f"  {line}" for line in error.details)
        remedies = list(dict.fromkeys(error.remedy for error in self._errors))
        # Errors of other modules may be made of more than this one knows.
        kind = next(base for base in type(gravest).__mro__ if issubclass(base, BundleError) and base in _KINDS)
        raise kind(what, remedy=" ".join(remedies), details=details)


_KINDS: tuple[type[BundleError], ...] = (
    WorkError,
    MissingPackageError,
    ConfigError,
    NetworkError,
    IntegrityError,
    VerificationError,
    InterruptedRunError,
    BundleError,
)
