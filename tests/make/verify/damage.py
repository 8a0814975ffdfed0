"""Random changes to a built bundle, one at a time, each undone; for tests and for `benchmarks/damage.py`."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import posixpath
import shutil
import stat
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from bundle.base.folders import listing
from bundle.base.report import Reporter
from bundle.make.verify.audit.file_list import check_files
from bundle.make.verify.checks.byte_scan import Scanned, scan
from bundle.make.verify.checks.contents import read_contents
from bundle.make.verify.checks.policy import Known, Policy
from bundle.make.verify.checks.subject import Subject
from bundle.model.file_list import FILE_LIST
from bundle.model.manifest import MANIFEST, read_manifest

ADDED = ("sitecustomize.py", "usercustomize.py", "pyvenv.cfg", "python312._pth", "a.pth", "os.py", "x.so", "note.txt")

MODES = (0o644, 0o755, 0o600, 0o666, 0o777, 0o4755, 0o2755, 0o1755, 0o640, 0o700, 0o000, 0o444)


@dataclass
class Damage:
    """A bundle that is damaged and made whole again."""

    root: Path
    random: Random
    known: Known = field(default_factory=Known)
    _scanned: dict[str, tuple[tuple[int, ...], Scanned]] = field(default_factory=dict)

    @property
    def kinds(self) -> dict[str, Callable[[], None]]:
        """A function for each kind of change."""
        kinds = {
            "flip": self._flip,
            "truncate": self._truncate,
            "remove": self._remove,
            "add": self._add,
            "mode": self._mode,
            "link": self._link,
            "record": self._record,
            "compiled": self._compiled,
            "folder": self._folder,
        }
        return kinds | ({"manifest": self._manifest, "forge": self._forge} if self.known.by else {})

    @contextmanager
    def changed(self, kind: str) -> Iterator[str]:
        """Make one change, give its description, and undo it."""
        self._undo: list[Callable[[], None]] = []
        self._told = ""
        try:
            self.kinds[kind]()
            yield f"{kind}: {self._told}"
        finally:
            for undo in reversed(self._undo):
                undo()

    def found(self) -> list[str]:
        """Return the rules of what the check `files` finds now, besides notes."""
        manifest = read_manifest(self.root)
        contents = read_contents(self.root, python=manifest.python.actual, platform=manifest.target)
        policy = Policy(known=self.known)
        subject = Subject(contents=contents, manifest=manifest, policy=policy, jobs=1, reporter=Reporter())
        # Files whose change time is the same are not read again.
        subject.__dict__["scanned"] = self._scan(contents.files)
        return [finding.rule for finding in check_files(subject).findings if finding.severity != "note"]

    def _scan(self, files: Mapping[str, os.stat_result]) -> dict[str, Scanned]:
        regular = {path: status for path, status in files.items() if stat.S_ISREG(status.st_mode)}
        stamps = {path: (one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino) for path, one in regular.items()}
        unread = {path: regular[path].st_size for path in regular if self._scanned.get(path, ((),))[0] != stamps[path]}
        for path, scanned in scan(self.root, unread, (), jobs=1).items():
            self._scanned[path] = (stamps[path], scanned)
        return {path: self._scanned[path][1] for path in regular}

    def _files(self, least: int = 0) -> list[str]:
        return sorted(
            path
            for path, status in listing(self.root).items()
            if stat.S_ISREG(status.st_mode) and status.st_size >= least and path not in (MANIFEST, FILE_LIST)
        )

    def _folders(self) -> list[str]:
        return sorted(path for path, status in listing(self.root).items() if stat.S_ISDIR(status.st_mode))

    def _one(self, paths: list[str]) -> Path:
        self._told = path = self.random.choice(paths)
        return self.root / path

    def _keep(self, path: Path) -> None:
        """Undo whatever happens to a file or link."""
        status = path.lstat()
        target = path.readlink() if path.is_symlink() else None
        content = b"" if target else path.read_bytes()

        def undo() -> None:
            path.unlink(missing_ok=True)
            if target:
                path.symlink_to(target)
                return
            path.write_bytes(content)
            path.chmod(stat.S_IMODE(status.st_mode))
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

        self._undo.append(undo)

    def _write(self, path: Path, content: bytes) -> None:
        """Change a file, and hide it: same mode, same time."""
        status = path.stat()
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _flipped(self, content: bytes) -> bytes:
        place = self.random.randrange(len(content))
        return content[:place] + bytes([content[place] ^ 1 << self.random.randrange(8)]) + content[place + 1 :]

    def _flip(self) -> None:
        path = self._one(self._files(1))
        self._keep(path)
        self._write(path, self._flipped(path.read_bytes()))

    def _truncate(self) -> None:
        path = self._one(self._files(1))
        self._keep(path)
        content = path.read_bytes()
        self._write(path, content[: self.random.randrange(len(content))])

    def _remove(self) -> None:
        links = [path for path, status in listing(self.root).items() if stat.S_ISLNK(status.st_mode)]
        path = self._one(self._files() + sorted(links))
        self._keep(path)
        path.unlink()

    def _add(self) -> None:
        path = self._one(["", *self._folders()]) / self.random.choice(ADDED)
        while os.path.lexists(path):
            path = path.with_name(f"more-{path.name}")
        self._told = str(path.relative_to(self.root))
        self._undo.append(path.unlink)
        path.write_bytes(self.random.randbytes(self.random.randrange(50)))

    def _mode(self) -> None:
        path = self._one(self._files() + self._folders())
        before = stat.S_IMODE(path.stat().st_mode)
        mode = self.random.choice([mode for mode in MODES if mode != before])
        if path.is_dir():
            mode |= 0o700  # It must be searched.
        if mode == before:
            mode = 0o777
        self._told += f" {before:04o} -> {mode:04o}"
        self._undo.append(lambda: path.chmod(before))
        path.chmod(mode)

    def _link(self) -> None:
        links = sorted(path for path, status in listing(self.root).items() if stat.S_ISLNK(status.st_mode))
        if links and self.random.random() < 0.7:
            path = self._one(links)
            self._keep(path)
            target = path.readlink()
            path.unlink()
            if self.random.random() < 0.5 and (path.parent / target).is_file():
                shutil.copy2(path.parent / target, path)
            else:
                path.symlink_to(f"./{target}")
            return
        path = self._one(self._files())
        self._keep(path)
        twin = path.with_name(f"{path.name}.twin")
        path.rename(twin)
        self._undo.append(lambda: twin.unlink(missing_ok=True))
        path.symlink_to(twin.name)

    def _record(self) -> None:
        """Change a file of a package, and its row in RECORD with it."""
        records = [path for path in self._files() if path.endswith(".dist-info/RECORD")]
        if not records:
            self._flip()
            return
        record = self._one(records)
        rows = record.read_text(encoding="utf-8").splitlines()
        number = self.random.choice([number for number, row in enumerate(rows) if ",sha256=" in row])
        name = rows[number].split(",sha256=")[0].strip('"')
        path = Path(posixpath.normpath(posixpath.join(record.parent.parent.as_posix(), name)))
        self._keep(path)
        content = (self._flipped(path.read_bytes()) if path.stat().st_size else b"") + b"#"
        self._write(path, content)
        self._keep(record)
        digest = urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        rows[number] = f"{name},sha256={digest},{len(content)}"
        self._write(record, ("\n".join(rows) + "\n").encode())

    def _compiled(self) -> None:
        """Change a compiled module that was built; else plant one that Python runs without a look at its source."""
        if built := [path for path in self._files(17) if path.endswith(".pyc")]:
            path = self._one(built)
            self._keep(path)
            self._write(path, self._flipped(path.read_bytes()))
            return
        source = self._one([path for path in self._files() if path.endswith(".py")] or self._files())
        minor = "".join(read_manifest(self.root).python.actual.split(".")[:2])
        path = source.parent / "__pycache__" / f"{source.stem}.cpython-{minor}.pyc"
        if not path.parent.exists():
            self._undo.append(path.parent.rmdir)
        self._undo.append(path.unlink)
        path.parent.mkdir(exist_ok=True)
        flags = self.random.choice((1, 3))
        path.write_bytes(importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + bytes(8) + b"c")

    def _folder(self) -> None:
        path = self._one(self._folders()) / "new"
        self._undo.append(path.rmdir)
        path.mkdir()

    def _manifest(self) -> None:
        path = self._one([MANIFEST])
        self._keep(path)
        value = json.loads(path.read_bytes())
        key, new = self.random.choice(
            (
                ("accepted", [{"rule": "record-differs", "files": "*", "reason": "forged"}]),
                ("conflicts", [{"path": "bin/python", "kept": "a", "lost": "b"}]),
                ("copied", ["lib/copied"]),
                ("floor", {"glibc": "2.1"}),
                ("lock", "0" * 64),
                ("bundle", "99"),
                ("packages", []),
            )
        )
        self._told += f" {key}"
        self._write(path, json.dumps(value | {key: new}).encode())

    def _forge(self) -> None:
        """Change a file, its row in the list, and the list's hash in the manifest."""
        path = self._one(self._files(1))
        manifest, files = self.root / MANIFEST, self.root / FILE_LIST
        for one in (path, manifest, files):
            self._keep(one)
        before = hashlib.sha256(path.read_bytes()).hexdigest()
        self._write(path, self._flipped(path.read_bytes()))
        text = files.read_text(encoding="utf-8").replace(before, hashlib.sha256(path.read_bytes()).hexdigest())
        self._write(files, text.encode())
        value = json.loads(manifest.read_bytes())
        value["files"] = hashlib.sha256(files.read_bytes()).hexdigest()
        self._write(manifest, json.dumps(value).encode())
