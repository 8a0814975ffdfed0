from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from bundle.artifacts.interpreters.choice import Choice, choose
from bundle.artifacts.interpreters.portable.facts import About
from bundle.artifacts.interpreters.source import Offer, Refusal, Request, Source, Tools
from bundle.artifacts.store.file_cache import FileCache
from bundle.base.errors import BundleError, ConfigError, IntegrityError, NetworkError
from bundle.base.http.client import Downloader, NotFoundError
from bundle.base.report import Reporter
from bundle.model.config.config import Interpreter, Substitute
from bundle.model.platforms import PLATFORMS

LINUX = PLATFORMS["linux-x64"]


@dataclass
class Offers:
    """A source in memory."""

    name: str
    versions: Sequence[str] = ()
    refusal: str | None = None
    failure: BundleError | None = None
    missing: Sequence[str] = ()
    really: str | None = None
    asked: list[str] = field(default_factory=list)

    def offers(self, request: Request) -> list[Offer | Refusal]:
        answers: list[Offer | Refusal] = [
            Offer(source=self.name, python=version, detail="a shelf", key={"at": f"{self.name} {version}"})
            for version in self.versions
        ]
        return answers if self.refusal is None else [*answers, Refusal(source=self.name, reason=self.refusal)]

    def fetch(self, offer: Offer, request: Request, tools: Tools) -> Offer:
        self.look(offer, request, tools)
        return replace(offer, python=self.really or offer.python)

    def look(self, offer: Offer, request: Request, tools: Tools) -> None:
        self.asked.append(offer.python)
        if offer.python in self.missing:
            raise NotFoundError(f"{offer.python} is not there")
        if self.failure is not None:
            raise self.failure

    def make(self, offer: Offer, request: Request, tree: Path, tools: Tools) -> About:
        raise NotImplementedError


def _choose(
    sources: Sequence[Source],
    *,
    substitute: Substitute = "never",
    known: dict[str, str] | None = None,
    python: str = "3.12.10",
) -> Choice:
    request = Request(
        python=python, platform=LINUX, config=Interpreter(substitute=substitute), machine=LINUX, environ={}
    )
    tools = Tools(
        downloader=cast("Downloader", None), files=cast("FileCache", None), reporter=Reporter(), work=Path("unused")
    )
    return choose(request, sources, tools, known=lambda offer: (known or {}).get(offer.key["at"]))


def test_the_exact_version_wins_over_the_order_of_sources() -> None:
    choice = _choose([Offers("first", ["3.12.11"]), Offers("second", ["3.12.10"])], substitute="patch")
    assert (choice.offer.source, choice.offer.python, choice.substituted) == ("second", "3.12.10", False)
    assert choice.warning is None


def test_of_two_sources_with_the_exact_version_the_first_wins_and_the_other_is_not_asked() -> None:
    second = Offers("second", ["3.12.10"])
    choice = _choose([Offers("first", ["3.12.10"]), second])
    assert choice.offer.source == "first"
    assert second.asked == []
    assert [(attempt.source, attempt.outcome) for attempt in choice.tried] == [
        ("first", "chosen"),
        ("second", "offered"),
    ]


def test_where_the_first_does_not_answer_the_next_exact_one_is_taken() -> None:
    choice = _choose(
        [Offers("first", ["3.12.10"], failure=NetworkError("nobody there")), Offers("second", ["3.12.10"])]
    )
    assert choice.offer.source == "second"
    assert not choice.substituted
    assert [attempt.outcome for attempt in choice.tried] == ["unreachable", "chosen"]


def test_the_newest_patch_release_is_the_substitute_and_the_warning_says_why() -> None:
    sources = [
        Offers("first", ["3.12.10", "3.12.9"], failure=NetworkError("nobody there")),
        Offers("second", ["3.12.1", "3.12.7", "3.13.0"]),
    ]
    choice = _choose(sources, substitute="patch")
    assert (choice.offer.source, choice.offer.python, choice.substituted) == ("second", "3.12.7", True)
    assert choice.warning is not None
    assert "3.12.10" in choice.warning
    assert "3.12.7" in choice.warning
    assert "did not answer" in choice.warning
    assert choice.as_json() == {"requested": "3.12.10", "actual": "3.12.7", "source": "second", "substituted": True}


def test_a_substitute_says_why_even_if_no_source_had_to_be_refused() -> None:
    choice = _choose([Offers("first", ["3.12.1", "3.12.7"])], substitute="patch")
    assert choice.warning is not None
    assert choice.warning.endswith(": no source offers it")


def test_a_host_that_does_not_answer_is_asked_once_only() -> None:
    first = Offers("first", ["3.12.10", "3.12.15", "3.12.14"], failure=NetworkError("nobody there"))
    _choose([first, Offers("second", ["3.12.1"])], substitute="patch")
    assert first.asked == ["3.12.10"]


def test_a_mirror_that_lacks_a_file_is_asked_for_the_others() -> None:
    first = Offers("first", ["3.12.10", "3.12.15", "3.12.9"], missing=["3.12.10", "3.12.15"])
    choice = _choose([first], substitute="patch")
    assert choice.offer.python == "3.12.9"
    assert [attempt.outcome for attempt in choice.tried] == ["missing", "missing", "chosen"]


def test_without_permission_there_is_no_substitute_and_the_error_names_the_ways_out() -> None:
    with pytest.raises(ConfigError) as caught:
        _choose([Offers("first", refusal="knows no 3.12.10"), Offers("second", ["3.12.1"])])
    assert caught.value.details == ("first: knows no 3.12.10", "second: has 3.12.1 (a shelf)")
    assert "interpreter.substitute" in str(caught.value.remedy)


def test_another_minor_version_is_never_a_substitute() -> None:
    with pytest.raises(ConfigError):
        _choose([Offers("first", ["3.13.0", "3.11.9"])], substitute="patch")


def test_not_reached_and_not_offered_end_differently() -> None:
    with pytest.raises(NetworkError, match="No interpreter source") as caught:
        _choose([Offers("first", ["3.12.10"], failure=NetworkError("nobody there"))], substitute="patch")
    assert caught.value.exit_code == 3
    assert "mirror" in str(caught.value.remedy)


def test_wrong_bytes_are_never_papered_over_by_another_source() -> None:
    with pytest.raises(IntegrityError):
        _choose([Offers("first", ["3.12.10"], failure=IntegrityError("a lie")), Offers("second", ["3.12.10"])])


def test_what_the_store_knows_needs_nobody_to_answer() -> None:
    first = Offers("first", ["3.12.10"], failure=NetworkError("nobody there"))
    choice = _choose([first, Offers("second", ["3.12.10"])], known={"first 3.12.10": "3.12.10"})
    assert choice.offer.source == "first"
    assert first.asked == []


def test_an_archive_that_turns_out_to_be_another_version_is_a_substitute_at_most() -> None:
    odd = Offers("odd", ["3.12.10"], really="3.12.4")
    assert _choose([odd, Offers("second", ["3.12.10"])]).offer.source == "second"
    choice = _choose([odd], substitute="patch")
    assert (choice.offer.python, choice.substituted) == ("3.12.4", True)
    with pytest.raises(ConfigError) as caught:
        _choose([odd])
    assert caught.value.details == ("odd: has 3.12.4 (a shelf)",)


def test_the_store_knows_the_real_version_of_such_an_archive() -> None:
    odd = Offers("odd", ["3.12.10"], really="3.12.4")
    choice = _choose([odd], substitute="patch", known={"odd 3.12.10": "3.12.4"})
    assert (choice.offer.python, choice.substituted, odd.asked) == ("3.12.4", True, [])


def test_a_series_is_its_newest_release_of_any_source() -> None:
    sources = [Offers("first", ["3.12.7", "3.13.1"]), Offers("second", ["3.12.11", "3.12.10"])]
    assert _choose(sources, python="3.12").offer.python == "3.12.11"
    gone = Offers("second", ["3.12.11"], failure=NetworkError("nobody there"))
    assert _choose([sources[0], gone], python="3.12").offer.python == "3.12.7"
    unnamed = Offers("archive", ["3.12"], really="3.12.4")
    assert _choose([unnamed], python="3.12").offer.python == "3.12.4"
    with pytest.raises(ConfigError, match=r"No interpreter source has Python 3\.14 for linux-x64"):
        _choose(sources, python="3.14")
