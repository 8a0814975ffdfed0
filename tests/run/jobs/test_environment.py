from __future__ import annotations

from typing import Any

import pytest

from bundle.run.jobs.environment import JobEnvironment, read_environment

TEXT = 'lock-version = "1.0"\ncreated-by = "tests"\n'


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, JobEnvironment()),
        ("bundle:3.12.10-atls", JobEnvironment(python="bundle:3.12.10-atls")),
        ("pylock.toml", JobEnvironment(pylock="pylock.toml")),
        ("locks/pylock.linux.toml", JobEnvironment(pylock="locks/pylock.linux.toml")),
        (TEXT, JobEnvironment(pylock=TEXT)),
        (["numpy>=2", " numpy>=2", "x"], JobEnvironment(requirements=("numpy>=2", "x"))),
        ({"python": "3.12", "requirements": ["x"]}, JobEnvironment(python="3.12", requirements=("x",))),
        ({"pylock": TEXT, "python": "bundle:1"}, JobEnvironment(python="bundle:1", pylock=TEXT)),
        ({"pylock": "pylock.toml", "requirements": None}, JobEnvironment(pylock="pylock.toml")),
    ],
)
def test_forms_of_an_environment(value: Any, wanted: JobEnvironment) -> None:
    found = read_environment(value)
    assert found == wanted
    assert found.installs == bool(wanted.pylock or wanted.requirements)
    assert found.inline == (wanted.pylock == TEXT)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "conda",
            "bundle:",
            "bundle: ",
            "requirements.txt",
            "../pylock.toml",
            "/x/pylock.toml",
            "a\\pylock.toml\0",
        ),
        *(1, True, [], {}, [1], ["-r other.txt"], ["--index-url x"], ["-e ."], ["./a"], ["x\n--index-url y"]),
        *({"pylock": "pylock.toml", "requirements": ["x"]}, {"python": "3.12"}, {"requirements": [], "more": 1}),
        *({"requirements": "x"}, {"pylock": ["pylock.toml"]}, {"python": 3.12, "requirements": ["x"]}),
        *(["x"] * 1001, ["x" * 3000], {"pylock": "C:/pylock.toml"}),
    ],
)
def test_other_forms_are_refused(value: Any) -> None:
    if value == ["x"] * 1001:
        value = [f"x{number}" for number in range(1001)]
    with pytest.raises(ValueError, match=r"must|no requirement"):
        read_environment(value)
