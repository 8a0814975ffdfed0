"""Git repositories as sources: resolve a revision to a commit, and check a commit out."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, urlsplit, urlunsplit

from bundle.artifacts.store.scratch import touch
from bundle.base.errors import ConfigError, NetworkError, WorkError
from bundle.base.files import locked
from bundle.base.http.client import redact
from bundle.base.processes.run import Completed, run
from bundle.base.report import Reporter
from bundle.base.staging import staged_folder

_SCHEMES = frozenset({"git+https", "git+http", "git+ssh", "git+git", "git+file"})
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ABBREVIATED = re.compile(r"[0-9a-f]{7,63}")
_OWN_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_PREFIX")


@dataclass(frozen=True, kw_only=True)
class GitAddress:
    """The address of a repository, with a revision and a folder in it."""

    url: str
    """As git takes it; may hold credentials."""
    revision: str | None
    subdirectory: str | None

    @property
    def public(self) -> str:
        """The repository's address without credentials."""
        parts = urlsplit(self.url)
        if parts.scheme == "ssh":
            # The user of an ssh address is part of the address.
            return self.url
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def parse_git(url: str) -> GitAddress | None:
    """Return the parts of `git+https://host/path@revision#subdirectory=path`, None for any other address.

    Raises:
        ConfigError: it is git's, but in a way that is not allowed.
    """
    parts = urlsplit(url)
    if not parts.scheme.startswith("git+"):
        return None
    if parts.scheme not in _SCHEMES:
        raise ConfigError(
            f"{redact(url)}: {parts.scheme} is not a URL scheme for git requirements.",
            remedy=f"Use one of {', '.join(sorted(_SCHEMES))}.",
        )
    path, at, revision = parts.path.rpartition("@")
    if not at:
        path, revision = parts.path, ""
    subdirectory = parse_qs(parts.fragment).get("subdirectory", [""])[0].strip("/")
    if revision.startswith("-") or path.startswith("-") or ".." in Path(subdirectory).parts:
        raise ConfigError(f"{redact(url)} is not a safe URL of a git repository.")
    bare = parts._replace(scheme=parts.scheme.removeprefix("git+"), path=path, fragment="", query="")
    return GitAddress(url=urlunsplit(bare), revision=revision or None, subdirectory=subdirectory or None)


class Repositories:
    """Bare clones of git repositories, kept in a cache.

    Args:
        folder: the cache; one bare repository for each address.
        environ: the environment that git runs in: agents, proxies, credential helpers.
    """

    def __init__(self, folder: Path, *, environ: Mapping[str, str], reporter: Reporter, offline: bool = False) -> None:
        self._folder = folder
        self._environ = environ
        self._reporter = reporter
        self._offline = offline

    def commit_of(self, address: GitAddress) -> str:
        """Return the commit that an address's revision names now.

        Raises:
            ConfigError: the repository has no such branch, tag or commit.
            NetworkError: the repository cannot be reached.
        """
        revision = address.revision or "HEAD"
        if _COMMIT.fullmatch(revision):
            return revision
        self._need_network(address)
        answer = self._git(["ls-remote", "--", address.url, revision, f"{revision}^{{}}"], address, network=True)
        found = {name: commit for commit, _, name in (line.partition("\t") for line in answer.output.splitlines())}
        # Like git's own commands; a tag of its own (`^{}`: the commit that it names) comes before a branch.
        for name in (revision, f"refs/tags/{revision}^{{}}", f"refs/tags/{revision}", f"refs/heads/{revision}"):
            if name in found:
                return found[name]
        if _ABBREVIATED.fullmatch(revision):
            with self._repository(address) as bare:
                self._git(["fetch", "--quiet", "--", address.url, "+refs/*:refs/*"], address, bare, network=True)
                full = self._git(
                    ["rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"], address, bare, must_work=False
                )
                if full.code == 0:
                    return full.output.strip()
        raise ConfigError(
            f"{address.public} has no branch, tag or commit {revision!r}.",
            cause="It was deleted or renamed, or the name has a typing error.",
            remedy="Correct the revision after the @ of the requirement.",
        )

    def fetch(self, address: GitAddress, commit: str) -> None:
        """Bring a commit into the cache, with its tags and history: many a package takes its version from them.

        Raises:
            NetworkError: it is not in the cache, and the repository cannot be reached.
            ConfigError: the repository no longer has the commit.
        """
        with self._repository(address) as bare:
            self._fetch(bare, commit, address)

    def checkout(self, address: GitAddress, commit: str, target: Path) -> None:
        """Fill a folder with a commit, its `.git` and submodules included; fetch it first if need be.

        Raises:
            NetworkError: it is not in the cache, and the repository cannot be reached.
            ConfigError: the repository no longer has the commit.
        """
        with self._repository(address) as bare:
            self._fetch(bare, commit, address)
            with staged_folder(target) as staging:
                shutil.copytree(bare, staging / ".git", symlinks=True, dirs_exist_ok=True)
                settings = ("core.bare=false", "core.autocrlf=false", f"remote.origin.url={address.public}")
                for key, _, value in (setting.partition("=") for setting in settings):
                    self._git(["config", key, value], address, cwd=staging)
                self._git(["checkout", "--quiet", "--force", "--detach", commit], address, cwd=staging)
                if (staging / ".gitmodules").is_file():
                    self._need_network(address)
                    command = ["submodule", "--quiet", "update", "--init", "--recursive"]
                    self._git(command, address, cwd=staging, network=True)

    def _fetch(self, bare: Path, commit: str, address: GitAddress) -> None:
        if self._has(bare, commit, address):
            return
        self._need_network(address)
        tags = "+refs/tags/*:refs/tags/*"
        command = ["fetch", "--quiet", "--", address.url]
        with self._reporter.task(f"fetching {address.public}"):
            first = self._git([*command, commit, tags], address, bare, must_work=False)
            if first.code:
                # Some servers give no commit by its name alone.
                self._git([*command, "+refs/heads/*:refs/heads/*", tags], address, bare, network=True)
        # It records the address, credentials included.
        (bare / "FETCH_HEAD").unlink(missing_ok=True)
        if not self._has(bare, commit, address):
            raise ConfigError(
                f"{address.public} no longer has the commit {commit}.",
                cause="The branch was rewritten, and the server removed unreferenced commits.",
                remedy="Lock again with --upgrade, or name a revision that exists.",
            )
        # A name of its own keeps git from dropping the commit.
        self._git(["update-ref", f"refs/bundle/{commit}", commit], address, bare)

    def _has(self, bare: Path, commit: str, address: GitAddress) -> bool:
        return self._git(["cat-file", "-e", f"{commit}^{{commit}}"], address, bare, must_work=False).code == 0

    @contextmanager
    def _repository(self, address: GitAddress) -> Iterator[Path]:
        """Give the cache's bare repository of an address, made if it is missing, to this process alone."""
        bare = self._folder / sha256(address.public.encode()).hexdigest()[:32]
        what = f"the repository {address.public}"
        with locked(bare.with_name(f"{bare.name}.lock"), reporter=self._reporter, what=what):
            if not (bare / "HEAD").is_file():
                with staged_folder(bare) as staging:
                    self._git(["init", "--quiet", "--bare", "--template=", str(staging)], address)
            touch(bare / "HEAD")  # `bundle cache prune` goes by it.
            yield bare

    def _need_network(self, address: GitAddress) -> None:
        if self._offline and urlsplit(address.url).scheme != "file":
            raise NetworkError(
                f"{address.public} is not in the cache, and --offline forbids downloading it.",
                remedy="Run `bundle fetch` once without --offline.",
            )

    def _git(
        self,
        command: Sequence[str],
        address: GitAddress,
        bare: Path | None = None,
        *,
        cwd: Path | None = None,
        must_work: bool = True,
        network: bool = False,
    ) -> Completed:
        where = [f"--git-dir={bare}"] if bare else []
        done = run(["git", *where, *command], env=self._variables(), cwd=cwd)
        if done.code == 0 or not must_work:
            return done
        said = [line.replace(address.url, address.public) for line in done.errors.splitlines() if line.strip()]
        kind = NetworkError if network else WorkError
        raise kind(
            f"git {command[0]} failed for {address.public}.",
            cause="The repository does not exist, cannot be reached, or needs credentials that git does not have."
            if network
            else None,
            details=said[-8:],
        )

    def _variables(self) -> dict[str, str]:
        variables = {name: value for name, value in self._environ.items() if name not in _OWN_VARIABLES}
        variables |= {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        variables.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
        variables.setdefault("PATH", os.defpath)
        return variables


def subfolder(checkout: Path, address: GitAddress, commit: str) -> Path:
    """Return the folder of a checked-out commit that an address means.

    Raises:
        ConfigError: there is no such subdirectory.
    """
    folder = checkout / address.subdirectory if address.subdirectory else checkout
    if not folder.resolve().is_relative_to(checkout.resolve()) or not folder.is_dir():
        raise ConfigError(f"{address.public} has no folder {address.subdirectory} at {commit}.")
    return folder
