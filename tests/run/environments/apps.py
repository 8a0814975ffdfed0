"""Small application files with wheels of their own, which are installed without a network."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

from tests.artifacts.wheelmaker import make_wheel
from tests.make.sdistmaker import IN_TREE, WRITER

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
"""The Python that runs the tests, which every machine has."""

BUNDLE = (sys.executable, "-m", "bundle")


@dataclass(frozen=True)
class App:
    """An application file in a folder of its own, and a cache."""

    folder: Path
    cache: Path

    @property
    def file(self) -> Path:
        return self.folder / "app.yml"

    @property
    def envs(self) -> Path:
        return self.cache / "bundle" / "envs"

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("BUNDLE_", "UV_"))}
        uv = {"UV_CACHE_DIR": str(self.cache / "uv"), "UV_OFFLINE": "1"}
        return {**kept, "XDG_CACHE_HOME": str(self.cache), "BUNDLE_DATA_DIR": str(self.cache / "data"), **uv}

    def write(self, **commands: Mapping[str, Any]) -> None:
        """Write the file; JSON is YAML."""
        general = {"type": "python_env", "pylock": "pylock.toml", "python_version": PYTHON}
        content = {"commands": {name: {**general, **one} for name, one in commands.items()}}
        self.file.write_text(json.dumps(content))

    def lock(self, wheels: Iterable[Path], name: str = "pylock.toml") -> Path:
        """Write a lock of some wheels or source archives beside the file, with their hashes."""
        text = 'lock-version = "1.0"\ncreated-by = "tests"\n'
        for wheel in wheels:
            name_, version = wheel.name.split("-")[:2]
            sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
            place = f'{{ path = "{wheel.relative_to(self.folder).as_posix()}", hashes = {{ sha256 = "{sha256}" }} }}'
            kind = f"wheels = [{place}]" if wheel.suffix == ".whl" else f"sdist = {place}"
            text += f'[[packages]]\nname = "{name_}"\nversion = "{version.removesuffix(".tar.gz")}"\n{kind}\n'
        path = self.folder / name
        path.write_text(text)
        return path

    def wheel(self, name: str = "greeter", text: str = "hello", folder: str = "wheels") -> Path:
        """Write a wheel with a module of its name and a script, which print a text and their arguments."""
        code = (
            f"import sys\ndef main() -> None:\n    print({text!r}, *sys.argv[1:])\nif __name__ == '__main__': main()\n"
        )
        points = f"[console_scripts]\n{name} = {name}:main\n"
        return make_wheel(
            self.folder / folder,
            name,
            "1.0",
            files={f"{name}.py": code, f"{name}-1.0.dist-info/entry_points.txt": points},
        )

    def slow_source(self, seconds: float, mark: Path) -> Path:
        """Make a source folder whose build tells that it has begun and ended, and takes a while between."""
        folder = self.folder / "slow"
        (folder / "in_tree").mkdir(parents=True)
        (folder / "pyproject.toml").write_text(IN_TREE + '\n[project]\nname = "slow"\nversion = "1.0"\n')
        hook = f"""
        def build_wheel(folder, config_settings=None, metadata_directory=None):
            with open({str(mark)!r}, "a") as file:
                file.write("begun\\n")
            time.sleep({seconds})
            with open({str(mark)!r}, "a") as file:
                file.write("ended\\n")
            return write_wheel(folder, {{"slow.py": ""}}, name="slow")
        """
        (folder / "in_tree" / "backend.py").write_text(WRITER + dedent(hook))
        return folder

    def start(self, *words: str, **changes: str) -> subprocess.Popen[str]:
        """Start the command."""
        return subprocess.Popen(
            [*BUNDLE, *words],
            cwd=self.folder,
            env={**self.environ, **changes},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, **changes: str) -> tuple[int, str, str]:
        """Run the command; return its exit code, its output and its messages."""
        with self.start(*words, **changes) as process:
            output, messages = process.communicate(timeout=120)
        return process.returncode, output, messages

    def made(self) -> list[Path]:
        """Return the cached environments that are marked as ready."""
        return sorted(path.parent for path in self.envs.glob("*/.provisioned"))


def simple(tmp_path: Path) -> App:
    """Return an application with a command `greet`."""
    app = App(tmp_path / "app", tmp_path / "cache")
    app.folder.mkdir()
    app.lock([app.wheel()])
    app.write(greet={"command": "greeter"})
    return app
