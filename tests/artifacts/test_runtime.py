from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bundle.artifacts.runtime import NATIVE, Native, Runtime
from bundle.base.processes.run import Completed
from bundle.model.platforms import PLATFORMS
from tests.make.verify.emulators.fakes import ONCE

LINUX = Runtime(root=Path("/b"), python="3.12.10", platform=PLATFORMS["linux-x64"])
WINDOWS = Runtime(root=Path("/b"), python="3.12.10", platform=PLATFORMS["windows-x64"])


class Elsewhere(Native):
    """A runner whose programs write paths otherwise."""

    def command(self, program: Path, arguments: Sequence[str]) -> list[str]:
        return ["emulator", str(program), *arguments]

    def translate(self, path: Path) -> str:
        return f"Z:{path}"


def test_no_setting_of_the_user_reaches_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "/nowhere")
    assert LINUX.environment(Path("/home")) == {
        "PATH": os.defpath,
        "HOME": "/home",
        "TMPDIR": "/home",
        "LANG": "C.UTF-8",
    }


def test_the_bundles_own_variables_name_the_place_where_it_stands() -> None:
    runtime = replace(LINUX, own_variables={"TOOL_HOME": "{bundle}/share:{bundle}"})
    assert runtime.environment(Path("/home"))["TOOL_HOME"] == "/b/share:/b"
    moved = replace(runtime, runner=Elsewhere())
    assert moved.environment(Path("/home"))["TOOL_HOME"] == "Z:/b/share:Z:/b"


def test_certificates_of_the_machine_are_named_where_openssl_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = replace(LINUX, root=tmp_path, certificates=str(tmp_path / "ssl"))
    monkeypatch.setattr("bundle.artifacts.runtime.SYSTEM_FILES", ("/nowhere/ca.crt", str(tmp_path / "ca.crt")))

    def named() -> str | None:
        return runtime.environment(Path("/home")).get("SSL_CERT_FILE")

    assert named() is None
    packaged = tmp_path / "lib/python3.12/site-packages/certifi/cacert.pem"
    packaged.parent.mkdir(parents=True)
    packaged.touch()
    assert named() == str(packaged)
    (tmp_path / "ca.crt").touch()
    assert named() == str(tmp_path / "ca.crt")
    (tmp_path / "ssl/certs").mkdir(parents=True)
    assert named() == str(tmp_path / "ca.crt")
    (tmp_path / "ssl/certs/0123abcd.0").touch()
    assert named() is None


def test_windows_gets_the_variables_without_which_nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTEMROOT", "C:/Windows")
    variables = WINDOWS.environment(Path("/home"))
    assert variables["SYSTEMROOT"] == "C:/Windows"
    assert {variables[name] for name in ("HOME", "USERPROFILE", "TEMP", "TMP")} == {"/home"}


def test_the_runner_translates_paths_and_adds_its_variables() -> None:
    runtime = replace(WINDOWS, runner=Elsewhere(environment={"PREFIX": "/p"}))
    assert runtime.command([runtime.executable, "-c", Path("/x")]) == ["emulator", "/b/python.exe", "-c", "Z:/x"]
    variables = runtime.environment(Path("/home"))
    assert (variables["TEMP"], variables["PREFIX"]) == ("Z:/home", "/p")
    assert "SYSTEMROOT" not in variables


def test_compiled_modules_go_elsewhere_unless_the_bundle_brings_them(tmp_path: Path) -> None:
    runtime = replace(LINUX, root=tmp_path)
    assert runtime.flags(Path("/c")) == ("-I", "-X", "pycache_prefix=/c")
    (tmp_path / "lib/python3.12/__pycache__").mkdir(parents=True)
    assert runtime.flags(Path("/c")) == ("-I", "-B")


def test_the_machine_itself_adds_nothing() -> None:
    assert NATIVE.command(Path("/b/python"), ["-c", "1"]) == ["/b/python", "-c", "1"]
    assert NATIVE.translate(Path("/b/c")) == "/b/c"
    failed = Completed(arguments=("x",), code=-4, output="", errors="qemu: uncaught", seconds=1.0, timed_out=False)
    assert NATIVE.inconclusive(failed, ONCE) is None
