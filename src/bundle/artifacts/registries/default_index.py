"""The index that pip and uv take by themselves, which is ours where the configuration names none."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from bundle.base.errors import ConfigError

_NAMED_INDEX = re.compile(r"[\w.-]+=(?=[a-z]+://)")


def default_index(environ: Mapping[str, str]) -> str:
    """Return the index that pip and uv would take by themselves.

    Args:
        environ: environment variables.

    Returns:
        The first of `UV_DEFAULT_INDEX`, `UV_INDEX_URL`, `PIP_INDEX_URL`, uv's and pip's own configuration files, and
        what pip has built in.

    Raises:
        ConfigError: one of those files cannot be read.
    """
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if url := environ.get(variable, "").strip():
            return _NAMED_INDEX.sub("", url, count=1)
    if found := _from_uv(environ) or _from_pip():
        return found
    from pip._internal.models.index import PyPI

    return str(PyPI.simple_url)


def _from_uv(environ: Mapping[str, str]) -> str | None:
    home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".config")
    named = environ.get("UV_CONFIG_FILE")
    for path in [Path(named)] if named else [Path(home, "uv", "uv.toml"), Path("/etc/uv/uv.toml")]:
        try:
            settings = tomllib.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"uv's configuration {path} is no TOML: {error}") from error
        indexes = settings.get("index", [])
        chosen = next((one.get("url") for one in indexes if isinstance(one, dict) and one.get("default")), None)
        if url := chosen or settings.get("index-url"):
            return str(url)
    return None


def _from_pip() -> str | None:
    from pip._internal.configuration import Configuration
    from pip._internal.exceptions import ConfigurationError

    try:
        configuration = Configuration(isolated=False)
        configuration.load()
        return str(configuration.get_value("global.index-url"))
    except ConfigurationError as error:
        if "No such key" in str(error):
            return None
        raise ConfigError(f"pip's configuration cannot be read: {error}") from error
