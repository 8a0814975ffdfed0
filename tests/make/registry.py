"""Registries on loopback, with small projects that a test makes up."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from tests.artifacts.wheelmaker import make_wheel
from tests.base.server import QuietHandler, part_of, running


class Registry:
    """A simple-API server over a folder with one folder for each project; remembers what it was asked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = ""
        self.requests: list[str] = []
        self.broken: set[str] = set()
        """Names whose page is answered with 500."""
        self.yanked: set[str] = set()
        """File names."""
        self.hashed = True
        """Whether pages tell hashes."""

    @property
    def asked(self) -> set[str]:
        """Names whose page somebody wanted."""
        return {path.split("/")[2] for path in self.requests if path.startswith("/simple/")}

    def wheel(
        self,
        name: str,
        version: str,
        requires: Iterable[str] = (),
        *,
        tag: str = "py3-none-any",
        extras: Iterable[str] = (),
        python: str = "",
    ) -> Path:
        """Publish a wheel."""
        headers = "".join(f"Requires-Dist: {one}\n" for one in requires)
        headers += "".join(f"Provides-Extra: {one}\n" for one in extras)
        headers += f"Requires-Python: {python}\n" if python else ""
        module = name.replace("-", "_")
        return make_wheel(
            self.root / canonicalize_name(name), name, version, tag=tag, metadata=headers, files={f"{module}.py": ""}
        )

    def sdist(self, name: str, version: str, files: dict[str, str] | None = None) -> Path:
        """Publish an sdist; without files one that says no more than its name."""
        folder = self.root / canonicalize_name(name)
        folder.mkdir(parents=True, exist_ok=True)
        top = f"{name}-{version}"
        path = folder / f"{top}.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            info = {"PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", **(files or {})}
            for inside, text in info.items():
                member = tarfile.TarInfo(f"{top}/{inside}")
                member.size = len(text.encode())
                tar.addfile(member, io.BytesIO(text.encode()))
        return path

    def static_sdist(self, name: str, version: str, requires: Iterable[str] = ()) -> Path:
        """Publish an sdist whose dependencies are known without running it."""
        headers = "".join(f"Requires-Dist: {one}\n" for one in requires)
        return self.sdist(
            name, version, {"PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n{headers}"}
        )

    def page(self, name: str) -> bytes | None:
        """Return a project's page."""
        folder = self.root / name
        if not folder.is_dir():
            return None
        lines = ["<!DOCTYPE html><html><body>"]
        for file in sorted(folder.iterdir()):
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            fragment = f"#sha256={digest}" if self.hashed else ""
            yanked = ' data-yanked="broken"' if file.name in self.yanked else ""
            lines.append(f'<a href="/files/{name}/{file.name}{fragment}"{yanked}>{file.name}</a>')
        return "\n".join([*lines, "</body></html>"]).encode()

    def answer(self, path: str) -> tuple[int, bytes]:
        """Return status and body for a request's path."""
        self.requests.append(path)
        parts = path.strip("/").split("/")
        if parts[0] == "simple":
            page = self.page(parts[1])
            if parts[1] in self.broken:
                return 500, b""
            return (404, b"") if page is None else (200, page)
        file = self.root.joinpath(*parts[1:])
        return (200, file.read_bytes()) if file.is_file() else (404, b"")


@contextmanager
def serving(registry: Registry) -> Iterator[Registry]:
    """Serve a registry while the block runs."""

    class Handler(QuietHandler):
        def answer(self) -> None:
            status, content = registry.answer(unquote(self.path))
            part = part_of(content, self.headers.get("Range", "")) if status == 200 else None
            if part is None:
                self.send_response(status)
            else:
                whole = len(content)
                start, content = part
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{start + len(content) - 1}/{whole}")
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    with running(Handler) as address:
        registry.url = f"{address}/simple"
        yield registry
