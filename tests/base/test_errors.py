from __future__ import annotations

import pytest

from bundle.base.errors import (
    BundleError,
    ConfigError,
    IntegrityError,
    InterruptedRunError,
    MissingPackageError,
    NetworkError,
    Problems,
    VerificationError,
    WorkError,
    error_of,
)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (WorkError, 1),
        (MissingPackageError, 1),
        (ConfigError, 2),
        (NetworkError, 3),
        (IntegrityError, 4),
        (VerificationError, 5),
        (InterruptedRunError, 130),
    ],
)
def test_every_kind_has_its_exit_code_and_says_what_to_do(kind: type[BundleError], code: int) -> None:
    error = kind("It failed.")
    assert error.exit_code == code
    assert error.remedy
    assert str(error) == "It failed."


def test_an_error_is_told_as_text_and_as_json() -> None:
    error = ConfigError("It failed.", cause="A mistake.", remedy="Mend it.", details=["one", "two"])
    assert error.as_text() == "error: It failed.\n  one\n  two\n  cause: A mistake.\n  to do: Mend it."
    assert error.as_json() == {
        "error": "ConfigError",
        "what": "It failed.",
        "cause": "A mistake.",
        "remedy": "Mend it.",
        "details": ["one", "two"],
        "exitCode": 2,
    }


def test_no_problems_are_no_error() -> None:
    problems = Problems()
    with problems.collecting():
        pass
    problems.raise_if_any("Several failed.")
    assert problems.errors == ()


def test_a_single_problem_stays_what_it_is() -> None:
    problems = Problems()
    error = NetworkError("It failed.")
    problems.add(error)
    with pytest.raises(NetworkError) as raised:
        problems.raise_if_any("Several failed.")
    assert raised.value is error


def test_several_problems_become_one_of_the_gravest_kind_that_lists_them_all() -> None:
    problems = Problems()
    for error in (
        ConfigError("The key is unknown.", cause="A typing mistake."),
        IntegrityError("The hash differs.", remedy="Look.", details=["so and so"]),
        IntegrityError("The other hash differs.", remedy="Look."),
    ):
        with problems.collecting():
            raise error
    with pytest.raises(IntegrityError) as raised:
        problems.raise_if_any("Several failed.")
    assert raised.value.what == "Several failed."
    assert raised.value.details == (
        "The key is unknown. (A typing mistake.)",
        "The hash differs.",
        "  so and so",
        "The other hash differs.",
    )
    assert raised.value.remedy == f"{ConfigError.default_remedy} Look."


def test_what_is_no_problem_of_the_user_is_not_collected() -> None:
    problems = Problems()
    with pytest.raises(ZeroDivisionError), problems.collecting():
        raise ZeroDivisionError
    assert problems.errors == ()


def test_an_error_of_another_process_is_the_same_here() -> None:
    told = ConfigError("The key is unknown.", cause="A typing mistake.", details=["so and so"]).as_json()
    found = error_of(told)
    assert isinstance(found, ConfigError)
    assert found.as_json() == told
    assert type(error_of({**told, "error": "Problems"})) is WorkError
