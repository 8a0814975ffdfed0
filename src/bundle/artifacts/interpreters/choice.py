"""The choice of a bundle's interpreter: exact version before order of sources, a substitute only where permitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from packaging.version import Version

from bundle.artifacts.interpreters.source import Offer, Refusal, Request, Source, Tools
from bundle.base.errors import BundleError, ConfigError, NetworkError
from bundle.model.platforms import short_version

Outcome = Literal["chosen", "offered", "refused", "missing", "unreachable"]
"""offered: available, but another one is better. missing: its server answered that it has no such file. unreachable: no
answer, and the source may have it."""

Known = Callable[[Offer], str | None]
"""Returns the Python version of the finished interpreter that the store already has for an offer."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """The outcome of one offer or refusal of a source; `bundle interpreters` has them all."""

    source: str
    python: str | None
    """The version offered."""
    outcome: Outcome
    answer: str
    """In words."""

    @property
    def brief(self) -> str:
        """The answer in few words."""
        if self.outcome == "unreachable":
            return f"{self.source} {'may not be asked (--offline)' if '--offline' in self.answer else 'did not answer'}"
        if self.outcome == "missing":
            return f"{self.source} has no such file"
        return f"{self.source}: {self.answer}"

    @property
    def chosen(self) -> bool:
        """Whether this is the one."""
        return self.outcome == "chosen"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The interpreter that won, and the way there."""

    requested: str
    offer: Offer
    source: Source
    """The source of the offer."""
    why: str
    """In words, why this one wins."""
    tried: tuple[Attempt, ...]

    @property
    def substituted(self) -> bool:
        """Whether it is another patch release than the one asked for."""
        return self.offer.python != self.requested

    @property
    def warning(self) -> str | None:
        """The warning about a substitute, if there is one."""
        if not self.substituted:
            return None
        reasons = [attempt.brief for attempt in self.tried if not attempt.chosen and attempt.outcome != "offered"]
        return (
            f"Python {self.offer.python} from {self.offer.source} takes the place of {self.requested}, which is not "
            f'available (interpreter.substitute is "patch"): {"; ".join(reasons) or "no source offers it"}'
        )

    def as_json(self) -> dict[str, Any]:
        """Return the JSON value that the manifest and the catalogue hold."""
        return {
            "requested": self.requested,
            "actual": self.offer.python,
            "source": self.offer.source,
            "substituted": self.substituted,
        }


class _TriedError(BundleError):
    """Add the attempts to an error."""

    def __init__(
        self, what: str, *, cause: str | None, remedy: str | None, details: Iterable[str], tried: Sequence[Attempt]
    ) -> None:
        super().__init__(what, cause=cause, remedy=remedy, details=details)
        self.tried = tuple(tried)


class NoInterpreterError(_TriedError, ConfigError):
    """All sources answered, and none has it."""


class UnreachableInterpreterError(_TriedError, NetworkError):
    """A source that might have it did not answer."""


def choose(
    request: Request,
    sources: Sequence[Source],
    tools: Tools,
    *,
    known: Known = lambda offer: None,  # noqa: ARG005 - the signature of those that know
    fetch: bool = True,
) -> Choice:
    """Choose the interpreter, and fetch its files.

    An offer that the store already holds needs no network, and wins its place even where its source is unreachable.

    Args:
        sources: in the order tried.
        known: returns whether the store has an offer's interpreter.
        fetch: whether to fetch the files; otherwise sources only check whether they could.

    Raises:
        UnreachableInterpreterError: nothing fits, and a source that might have it did not answer.
        NoInterpreterError: nothing fits, and all sources answered.
        IntegrityError: a source gave other bytes than promised.
    """
    return _Run(request=request, sources=sources, tools=tools, known=known, fetch=fetch).choose()


@dataclass(kw_only=True)
class _Run:
    request: Request
    sources: Sequence[Source]
    tools: Tools
    known: Known
    fetch: bool
    tried: list[Attempt] = field(default_factory=list)
    asked: list[Offer] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    """The sources whose host did not answer; asking it again would only take time."""

    def choose(self) -> Choice:
        offers = list(self._ask())
        others: list[tuple[Source, Offer]] = []
        for source, offer in offers:
            if offer.python != self.request.python:
                others.append((source, offer))
            elif confirmed := self._confirm(source, offer):
                if confirmed.python == self.request.python:
                    return self._won(source, confirmed, offers)
                others.append((source, confirmed))
        permitted = self.request.config.substitute == "patch" or self.request.is_series
        near = [pair for pair in others if short_version(pair[1].python) == short_version(self.request.python)]
        # Sorting is stable, so that of two equal versions the earlier source's comes first.
        near.sort(key=lambda pair: Version(pair[1].python), reverse=True)
        for source, offer in near if permitted else ():
            if confirmed := self._confirm(source, offer):
                if short_version(confirmed.python) == short_version(self.request.python):
                    return self._won(source, confirmed, near)
                others.append((source, confirmed))
        raise self._failure(others, permitted=permitted)

    def _ask(self) -> Iterator[tuple[Source, Offer]]:
        for source in self.sources:
            for answer in source.offers(self.request):
                if isinstance(answer, Refusal):
                    outcome: Outcome = "unreachable" if answer.unreachable else "refused"
                    self._note(source.name, None, outcome, answer.reason)
                else:
                    yield source, answer

    def _confirm(self, source: Source, offer: Offer) -> Offer | None:
        """Return the offer with its real version if its source has it; otherwise note the reason, and return None."""
        self.asked.append(offer)
        if version := self.known(offer):
            return replace(offer, python=version)
        if source.name in self.silent:
            return None
        try:
            if self.fetch:
                return source.fetch(offer, self.request, self.tools)
            source.look(offer, self.request, self.tools)
        except NetworkError as error:
            from bundle.base.http.client import NotFoundError

            if isinstance(error, NotFoundError):
                self._note(source.name, offer.python, "missing", _flat(error))
            else:
                self.silent.add(source.name)
                self._note(source.name, offer.python, "unreachable", _flat(error))
            return None
        return offer

    def _won(self, source: Source, offer: Offer, offers: Sequence[tuple[Source, Offer]]) -> Choice:
        exact = offer.python == self.request.python
        why = (
            "it has the exact version" if exact else "no source has the exact version; it has the newest patch release"
        )
        if exact and any(attempt.outcome in ("unreachable", "missing") for attempt in self.tried):
            why += ", which no earlier source has"
        self._note(offer.source, offer.python, "chosen", offer.detail)
        for other, answer in offers:
            unused = answer not in self.asked and other.name not in self.silent
            # One line says that a source has more; fifteen patch releases would say it no better.
            if unused and not any(one.source == other.name and one.outcome == "offered" for one in self.tried):
                self._note(other.name, answer.python, "offered", answer.detail)
        return Choice(requested=self.request.python, offer=offer, source=source, why=why, tried=self._in_order())

    def _in_order(self) -> tuple[Attempt, ...]:
        order = [source.name for source in self.sources]
        return tuple(sorted(self.tried, key=lambda attempt: order.index(attempt.source)))

    def _note(self, source: str, python: str | None, outcome: Outcome, answer: str) -> None:
        self.tried.append(Attempt(source=source, python=python, outcome=outcome, answer=answer))
        self.tools.reporter.detail(f"interpreter source {source}: {answer}")

    def _failure(self, others: Sequence[tuple[Source, Offer]], *, permitted: bool) -> BundleError:
        asked = f"Python {self.request.python} for {self.request.platform.key}"
        details = [f"{attempt.source}: {attempt.answer}" for attempt in self._in_order()]
        newest = {source.name: offer for source, offer in sorted(others, key=lambda pair: Version(pair[1].python))}
        details += [
            f"{name}: has {offer.python} ({offer.detail})" for name, offer in newest.items() if name not in self.silent
        ]
        near = [offer for offer in newest.values() if short_version(offer.python) == short_version(self.request.python)]
        ways = []
        if self.silent:
            ways.append(
                "make the release host reachable, or name a mirror (interpreter.mirror or BUNDLE_PYTHON_MIRROR, "
                "file:// too)"
            )
        if near and not permitted:
            ways.append('permit another patch release (interpreter.substitute: "patch")')
        ways.append(
            "name your own archive (interpreter.archives and source `archive`, or --interpreter "
            f"{self.request.platform.key}=FILE)"
        )
        ways.append(f"install CPython {self.request.python} on a machine of that platform for source `host`")
        error = UnreachableInterpreterError if self.silent else NoInterpreterError
        return error(
            f"No interpreter source has {asked}.",
            cause="A source did not answer." if self.silent else "No configured source has this version.",
            remedy="One of: " + "; ".join(ways) + ".",
            details=details,
            tried=self._in_order(),
        )


def _flat(error: BundleError) -> str:
    return error.what if error.cause is None else f"{error.what} {error.cause}"
