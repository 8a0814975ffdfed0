"""Application files, locks and caches that are damaged or forged, and machines that lack what an environment needs."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from bundle.base.errors import ConfigError
from tests.artifacts.wheelmaker import make_wheel
from tests.cli.conftest import Run, run
from tests.cli.results import result_of
from tests.hostile.mounts import mounts
from tests.run.environments.apps import BUNDLE, App, simple

__all__ = ["run"]

TEXTS = {
    "cut off": b"commands: {",
    "no UTF-8": b"commands: \xff",
    "nested": b"[" * 200_000,
    "zeros": bytes(1000),
    "a list": b"- a",
    "nothing": b"",
    "a bomb": b"a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 10)) for n in range(12)),
    "a tag": b"commands: !!python/object/apply:os.system ['touch pwned']",
    "a long number": b"commands: " + b"9" * 100_000,
    "two documents": b"commands: {}\n---\ncommands: {}\n",
    "unknown keys": b"comands: {}\nversion: 1\n",
}


@pytest.fixture
def app(tmp_path: Path) -> App:
    return simple(tmp_path)


@pytest.mark.parametrize("name", TEXTS)
def test_an_application_file_that_is_none_is_refused(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "app.yml").write_bytes(TEXTS[name])
    code, output, messages = run("env", "run", "app.yml", "greet")
    assert (code, output) == (2, "")
    assert "app.yml" in messages
    assert "Traceback" not in messages
    assert len(messages) < 4000
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("thing", ["nothing", "a folder", "a pipe", "a device", "a huge file"])
def test_a_file_that_is_none_is_refused(run: Run, tmp_path: Path, thing: str) -> None:
    path = tmp_path / "app.yml"
    match thing:
        case "a folder":
            path.mkdir()
        case "a pipe":
            os.mkfifo(path)
        case "a device":
            path.symlink_to("/dev/zero")
        case "a huge file":
            path.touch()
            os.truncate(path, 2**33)
    code, _, messages = run("env", "create", "app.yml")
    assert code == 2
    assert "app.yml" in messages


def test_a_cache_that_others_may_write_to_is_refused(run: Run, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUNDLE_CACHE_DIR", str(app.cache / "bundle"))
    app.envs.mkdir(parents=True)
    for folder in (app.envs, app.envs.parent):
        folder.chmod(0o777)
        code, _, messages = run("env", "create", str(app.file))
        assert code == 2
        assert "is writable by other users" in messages
        folder.chmod(0o755)


@pytest.mark.real
@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        ("lock-version = ", 2, "pylock.toml"),
        ("\0", 2, "pylock.toml"),
        ('lock-version = "9.0"\ncreated-by = "x"\npackages = []', 2, "pylock.toml"),
        (
            'lock-version = "1.0"\ncreated-by = "x"\nenvironments = ["sys_platform == \'win32\'"]\npackages = []',
            2,
            "lock",
        ),
        ('lock-version = "1.0"\ncreated-by = "x"\nrequires-python = ">=3.98"\npackages = []', 2, "3.98"),
    ],
)
def test_a_lock_that_cannot_be_used_is_refused(app: App, change: str, code: int, told: str) -> None:
    (app.folder / "pylock.toml").write_text(change)
    found, _, messages = app.run("env", "run", "app.yml", "greet")
    assert found == code, messages
    assert told in messages
    assert app.made() == []


@pytest.mark.real
def test_a_wheel_that_does_not_fit_or_has_changed_is_refused(app: App) -> None:
    app.wheel(text="other")
    code, _, messages = app.run("env", "run", "app.yml", "greet")
    assert code == 4, messages
    assert "Hash mismatch" in messages
    wheel = app.wheel()
    wheel.write_bytes(wheel.read_bytes() + b"x")
    code, _, messages = app.run("env", "run", "app.yml", "greet")
    assert code == 4, messages
    foreign = make_wheel(app.folder / "wheels", "foreign", tag="cp311-cp311-win_arm64")
    app.lock([foreign])
    code, _, messages = app.run("env", "run", "app.yml", "greet")
    assert code == 2, messages
    assert "win_arm64" in messages
    app.lock([app.wheel()])
    lock = app.folder / "pylock.toml"
    lock.write_text(
        "\n".join(
            line.partition(", hashes")[0] + " }]" if "hashes" in line else line
            for line in lock.read_text().splitlines()
        )
    )
    code, _, messages = app.run("env", "run", "app.yml", "greet")
    assert code in (2, 4), messages
    assert app.made() == []


@pytest.mark.real
def test_a_network_that_does_not_answer_is_told(app: App) -> None:
    sha256 = "0" * 64
    place = f'{{ url = "http://127.0.0.1:9/a-1.0-py3-none-any.whl", hashes = {{ sha256 = "{sha256}" }} }}'
    (app.folder / "pylock.toml").write_text(
        f'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "a"\nversion = "1.0"\nwheels = [{place}]\n'
    )
    code, _, messages = app.run("env", "create", "--offline", "app.yml")
    assert code == 3, messages
    assert "Network connectivity is disabled" in messages
    code, _, messages = app.run("env", "create", "app.yml", UV_OFFLINE="0", UV_HTTP_RETRIES="0")
    assert code == 3, messages


@pytest.mark.real
def test_what_is_in_the_place_of_an_environment_is_not_followed(app: App, tmp_path: Path) -> None:
    assert app.run("env", "run", "app.yml", "greet")[0] == 0
    (made,) = app.made()
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis").write_text("text")
    assert app.run("env", "remove", made.name)[0] == 0
    made.symlink_to(precious)
    assert app.run("env", "run", "app.yml", "greet")[:2] == (0, "hello\n")
    assert (precious / "thesis").read_text() == "text"
    assert not made.is_symlink()
    assert app.run("env", "remove", made.name)[0] == 0
    made.with_suffix(".lock").symlink_to(precious / "thesis")
    assert app.run("env", "run", "app.yml", "greet")[0] == 1
    assert (precious / "thesis").read_text() == "text"


@pytest.mark.real
@pytest.mark.parametrize("content", [b"", b"1\0" * 50, b"\xff" * 100, b"1\0003\0x\0y\0../../z\0" + b"0\0" * 8])
def test_a_damaged_record_of_a_start_is_passed_over(app: App, content: bytes) -> None:
    assert app.run("env", "run", "app.yml", "greet")[0] == 0
    (app.envs / "starts").mkdir(exist_ok=True)
    for path in (app.envs / "starts").iterdir():
        path.write_bytes(content)
    assert app.run("env", "run", "app.yml", "greet")[:2] == (0, "hello\n")
    assert app.run("env", "prune", "--older-than", "1d")[0] == 0


@pytest.mark.real
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_nothing_is_made(app: App, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(ConfigError, match="has no locks") as caught:
        result_of(None, "env", "create", str(app.file), environ=app.environ)
    assert "XDG_CACHE_HOME" in str(caught.value.remedy)
    assert app.made() == []


@pytest.mark.real
@pytest.mark.parametrize("words", [("remove",), ("prune", "--older-than", "0d")])
def test_without_locks_nothing_is_removed(app: App, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    assert app.run("env", "create", "app.yml")[0] == 0
    (made,) = app.made()
    monkeypatch.setattr(fcntl, "flock", refuse)
    names = [made.name] if words == ("remove",) else []
    with pytest.raises(ConfigError, match="has no locks"):
        result_of(None, "env", *words, *names, environ=app.environ)
    assert app.made() == [made]


@pytest.mark.real
def test_a_cache_that_is_only_readable_serves_what_is_ready(app: App) -> None:
    assert app.run("env", "run", "app.yml", "greet")[0] == 0
    app.write(greet={"command": "greeter"}, other={"command": "greeter", "pylock": "pylock.other.toml"})
    app.lock([app.wheel(), app.wheel("more")], "pylock.other.toml")
    with mounts() as inside:
        inside.read_only(app.cache)
        for name, code, told in (("greet", 0, ""), ("greet", 0, ""), ("other", 1, "read-only")):
            done = subprocess.run(
                [*inside.prefix, *BUNDLE, "env", "run", str(app.file), name],
                cwd=app.folder,
                env=app.environ,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == code, done.stderr
            assert done.stdout == ("hello\n" if code == 0 else "")
            assert told in done.stderr.lower()


@pytest.mark.real
def test_a_full_disk_leaves_nothing_in_the_way(app: App) -> None:
    big = make_wheel(app.folder / "wheels", "big", files={"big.bin": os.urandom(4_000_000)})
    app.lock([app.wheel(), big])
    with mounts() as inside:
        inside.small(app.envs, 500_000)
        words = [*inside.prefix, *BUNDLE, "env", "run", str(app.file), "greet"]
        for code, output in ((1, ""), (1, ""), (0, "hello\n")):
            if code == 0:
                inside.grow(app.envs)
            done = subprocess.run(words, cwd=app.folder, env=app.environ, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout) == (code, output), done.stderr
            assert code == 0 or "space" in done.stderr.lower()
