"""The findings about the libraries that native files need."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Iterator

from packaging.utils import canonicalize_name

from bundle.make.verify.audit.added_folders import parents
from bundle.make.verify.audit.library_lookup import Link, Place, Tree, loaders_name, run_folder
from bundle.make.verify.audit.path_files import read_start
from bundle.make.verify.checks.findings import Finding, Severity
from bundle.make.verify.checks.rules import RULES
from bundle.make.verify.checks.subject import Subject
from bundle.model.windows_libraries import WINDOWS_EXPECTED

_SHOWN = 5

_REDISTRIBUTABLE = "Microsoft's Visual C++ redistributable"

_OPENS = re.compile(r"\b(CDLL|WinDLL|LoadLibrary\w*|dlopen)\b")


def judge_libraries(subject: Subject, tree: Tree, links: list[Link]) -> Iterator[Finding]:
    """Yield the findings about libraries that are missing, or for which something has to be installed or loaded.

    Files of one package with one cause are one finding.
    """
    owners = subject.contents.owners
    lacking = {link.file for link in links if link.answer.place in ("foreign", "nowhere") and not link.need.weak}
    shared: defaultdict[tuple[Place, str], list[Link]] = defaultdict(list)
    unreached: defaultdict[tuple[str, str, Severity], list[Link]] = defaultdict(list)
    for link in links:
        name, weak = link.need.name, link.need.weak
        wanted = needed(tree, link)
        place, found = link.answer
        if place in ("expected", "driver"):
            redistributable = WINDOWS_EXPECTED.fullmatch(name.lower())
            shared[place, _REDISTRIBUTABLE if redistributable else name].append(link)
        elif place == "elsewhere":
            severity: Severity = "warning" if wanted and not weak else "note"
            unreached[owners.get(link.file, ""), posixpath.dirname(found), severity].append(link)
        elif place == "foreign" and not weak:
            message = f"needs {name}, which is not part of macOS."
            severity = "error" if wanted else "warning"
            yield RULES["library-foreign"].finding(link.file, message, details=through(link), severity=severity)
        elif place == "unsure":
            message = f"needs {name}, which is not known as a part of macOS."
            severity = "note" if weak else "warning"
            yield RULES["library-missing"].finding(link.file, message, details=through(link), severity=severity)
        elif place in ("foreign", "nowhere"):
            severity = "note" if weak else "error" if wanted else "warning"
            message = f"needs {name}, which is neither in the bundle nor part of the system."
            details = (*through(link), *_left_out(subject, tree, link))
            if severity == "error" and (before := _opened_before(subject, tree, link, lacking)):
                severity = "warning"
                details = (
                    *details,
                    f"Its package opens libraries by itself, and brings {before}, which lacks nothing.",
                )
            yield RULES["library-missing"].finding(link.file, message, details=details, severity=severity)
    for (_, folder, severity), users in unreached.items():
        yield _unreached(folder, severity, users)
    for (place, name), users in sorted(shared.items()):
        yield _shared(place, name, users)


def judge_versions(tree: Tree, links: list[Link]) -> Iterator[Finding]:
    """Compare the symbol versions that files need of libraries in the bundle with those that these have."""
    for link in links:
        if link.answer.place != "inside" or not link.need.versions:
            continue
        provider = tree.natives[link.answer.file]
        # A library without any versions is taken as it is, with a complaint on the target's terminal.
        missing = [version for version in link.need.versions if provider.defines and version not in provider.defines]
        if missing:
            message = f"needs {', '.join(missing)} of {link.answer.file}, which does not have it."
            yield RULES["version-missing"].finding(link.file, message)


def needed(tree: Tree, link: Link) -> bool:
    """Return whether a module or a program, and not only a plug-in, leads to a need."""
    return link.root in tree.modules or tree.natives[link.root].kind == "executable"


def through(link: Link) -> tuple[str, ...]:
    """Return the line about the file for which another one is loaded."""
    return (f"It is loaded for {link.root}.",) if link.root != link.file else ()


def _left_out(subject: Subject, tree: Tree, link: Link) -> Iterator[str]:
    """Yield a line for each package that was left out and into whose folder the run paths of a file lead.

    A folder such as `nvidia/cuda_runtime` belongs to packages such as `nvidia-cuda-runtime-cu12`.
    """
    site = f"{subject.platform.site_packages(subject.contents.python)}/"
    folders = (run_folder(entry, file) for file in {link.file, link.root} for entry in tree.natives[file].run_paths)
    inside = (folder.removeprefix(site).split("/") for folder in folders if folder and folder.startswith(site))
    tops = {canonicalize_name("-".join(parts[:2])) for parts in inside if len(parts) > 1}
    for name, reason in sorted(subject.skipped.items()):
        if any(f"{name}-".startswith(f"{top}-") for top in tops):
            yield f"{name}, in whose folder the file looks for libraries, was left out: {reason.rstrip('.')}."


def _opened_before(subject: Subject, tree: Tree, link: Link, lacking: Collection[str]) -> str | None:
    """Return another library of the same name and package that lacks nothing, where the package opens libraries itself.

    All loaders take the one of that name that is loaded already.
    """
    if not any(
        _OPENS.search(read_start(subject, source))
        for folder in parents(posixpath.dirname(link.root))
        if (source := f"{folder}/__init__.py") in subject.scanned
    ):
        return None
    owners = subject.contents.owners
    name, owner = loaders_name(link.file, tree.natives[link.file]), owners.get(link.file)
    others = (path for path, native in sorted(tree.natives.items()) if loaders_name(path, native) == name)
    return next((path for path in others if path not in lacking and owners.get(path) == owner), None)


def _unreached(folder: str, severity: Severity, users: list[Link]) -> Finding:
    first, *others = users
    message = f"needs {first.need.name}, which is in the bundle as {first.answer.file}, where the loader does not look"
    more = [f"{link.file} needs {link.need.name}." for link in others[:_SHOWN]]
    if others:
        message += f", as is the case for {len(others)} more needs of libraries in {folder or 'its folder'}"
    details = (*through(first), *more)
    return RULES["library-unreached"].finding(first.file, f"{message}.", details=details, severity=severity)


def _shared(place: Place, name: str, users: list[Link]) -> Finding:
    """Return one finding for a library of the system that many files need."""
    files = list(dict.fromkeys(link.file for link in users))
    others = len(files) - 1
    more = f", as {others} more {'file does' if others == 1 else 'files do'}" if others else ""
    if place == "driver":
        message = f"needs {name}, which comes with a driver{more}."
        return RULES["library-of-driver"].finding(files[0], message, details=files[:_SHOWN])
    redistributable = name == _REDISTRIBUTABLE
    if redistributable:
        names = ", ".join(sorted({link.need.name.lower() for link in users}))
        message = f"needs {names} of {_REDISTRIBUTABLE}{more}."
    else:
        message = f"needs {name} of the system{more}."
    severe = redistributable and not all(link.need.weak for link in users)
    return RULES["library-expected"].finding(
        files[0], message, details=files[:_SHOWN], severity="warning" if severe else None
    )
