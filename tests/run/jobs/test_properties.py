from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from bundle.run.jobs.properties import parse_properties, read_properties


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("python.enabled=true\npython.installPath=/opt/python3.13\n", None),
        ("python.enabled : true\r\npython.installPath  /opt/python3.13", None),
        ("# a comment\n! another\n\npython.enabled=true\npython.installPath=/opt/\\\n    python3.13", None),
        ("\ufeff python.enabled=true\npython.installPath=/opt/python3.13".lstrip("\ufeff"), None),
        ("key", {"key": ""}),
        ("a\\ b\\==\\u00e9\\t", {"a b=": "\u00e9\t"}),
        ("a=b \\", {"a": "b "}),
        ("a==b", {"a": "=b"}),
        ("", {}),
        ("=", {"": ""}),
    ],
)
def test_pairs_are_read_as_java_reads_them(text: str, values: dict[str, str] | None) -> None:
    expected = {"python.enabled": "true", "python.installPath": "/opt/python3.13"} if values is None else values
    assert parse_properties(text).values == expected


@pytest.mark.parametrize(
    ("text", "value", "warning"),
    [
        ("p=C:\\Python313", "C:Python313", "application.properties:1: p: \\P is an escape"),
        ("p=C:\\new", "C:\new", "\\n is an escape"),
        ("p=/opt/python  ", "/opt/python  ", "blanks at the end belong to the value"),
        ("p=${base}/python", "${base}/python", "not expanded"),
        ("p=1\np=2", "2", "application.properties:2: p occurs a second time"),
    ],
)
def test_what_surely_hurts_is_a_warning(text: str, value: str, warning: str) -> None:
    found = parse_properties(text)
    assert found.values == {"p": value}
    assert any(warning in one for one in found.warnings)


def test_doubled_backslashes_are_a_path_without_a_warning() -> None:
    found = parse_properties("p=C:\\\\Python313\\\\python.exe")
    assert found.values == {"p": "C:\\Python313\\python.exe"}
    assert found.warnings == ()


def test_a_malformed_escape_is_an_error_that_names_its_line() -> None:
    with pytest.raises(ConfigError, match=r"application\.properties:2"):
        parse_properties("a=1\np=C:\\users")


def test_a_file_of_the_former_encoding_is_read(tmp_path: Path) -> None:
    path = tmp_path / "application.properties"
    path.write_bytes("p=/opt/\u00e9".encode("latin-1"))
    assert read_properties(path).values == {"p": "/opt/\u00e9"}
    path.write_bytes(b"\xef\xbb\xbfp=1")
    assert read_properties(path).values == {"p": "1"}


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_properties(tmp_path / "application.properties")
