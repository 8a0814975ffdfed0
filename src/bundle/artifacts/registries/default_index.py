"""The index that pip and uv use by default, for configurations that name none."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from configparser import Error, RawConfigParser
from pathlib import Path

from bundle.base.errors import ConfigError
from bundle.base.http.urls import is_readable, redact
from bundle.base.processes.run import check, run

_NAMED_INDEX = re.compile(r"[\w.-]+=(?=[a-z]+://)")


class _PipConfiguration(RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr.lower().replace("_", "-").removeprefix("--")


def default_index(environ: Mapping[str, str]) -> str:
    """Return the URL of the index that pip and uv use by default.

    Returns:
        The first of `UV_DEFAULT_INDEX`, `UV_INDEX_URL`, `PIP_INDEX_URL`, uv's and pip's own configuration files, and
        the index that is built into uv.

    Raises:
        ConfigError: one of those files cannot be read, or what it names is no URL.
    """
    url = _default_index(environ)
    if not is_readable(url):
        raise ConfigError(
            f"The index that pip and uv use by default, {redact(url)}, is not a URL.",
            remedy="Correct it in PIP_INDEX_URL, UV_DEFAULT_INDEX or a configuration file, or set registries.default.",
        )
    return url


def _default_index(environ: Mapping[str, str]) -> str:
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if url := environ.get(variable, "").strip():
            return _NAMED_INDEX.sub("", url, count=1)
    return _from_uv(environ) or _from_pip(environ) or built_in_index(environ)


def _from_uv(environ: Mapping[str, str]) -> str | None:
    home = environ.get("XDG_CONFIG_HOME") or str(_home(environ) / ".config")
    named = environ.get("UV_CONFIG_FILE")
    for path in [Path(named)] if named else [Path(home, "uv", "uv.toml"), Path("/etc/uv/uv.toml")]:
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"uv's configuration {path} is not TOML: {error}") from error
        indexes = settings.get("index", [])
        chosen = next((one.get("url") for one in indexes if isinstance(one, dict) and one.get("default")), None)
        if url := chosen or settings.get("index-url"):
            return str(url)
    return None


def _from_pip(environ: Mapping[str, str]) -> str | None:
    found = None
    for path in _pip_files(environ):
        parser = _PipConfiguration()
        try:
            parser.read(path, encoding="utf-8")
        except (Error, UnicodeDecodeError) as error:
            raise ConfigError(f"pip's configuration {path} cannot be read: {error}") from error
        found = parser.get("global", "index-url", fallback=found)
    return found


def _pip_files(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield pip's configuration files, the strongest last (https://pip.pypa.io/en/stable/topics/configuration/)."""
    from platformdirs import site_config_dir, user_config_dir

    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    windows = os.name == "nt"
    file = "pip.ini" if windows else "pip.conf"
    for folder in site_config_dir("pip", appauthor=False, multipath=True).split(os.pathsep):
        yield Path(folder, file)
    if not windows:
        yield Path("/etc", file)
    if not (named and Path(named).exists()):
        yield _home(environ) / ("pip" if windows else ".pip") / file
        folders = (Path(user_config_dir("pip", appauthor=False, roaming=True)), _home(environ) / ".config" / "pip")
        yield next((folder for folder in folders if folder.is_dir()), folders[0]) / file
    yield Path(sys.prefix, file)
    if named:
        yield Path(named)


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME", "~")).expanduser()


def built_in_index(environ: Mapping[str, str]) -> str:
    """Return the URL of the index that is built into uv."""
    from uv import find_uv_bin

    command = [find_uv_bin(), "pip", "compile", "-", "--emit-index-url", "--no-header", "--quiet"]
    command += ["--no-config", "--offline", "--python", sys.executable]
    env = {name: value for name, value in environ.items() if not name.startswith("UV_")}
    done = run(command, env=env, stdin=b"", timeout=60)
    check(done, "Asking uv for its index")
    return done.output.split()[-1]
