"""Rules of a configuration file that the schema cannot express: requirements, versions, unique names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bundle.base.errors import ConfigError
from bundle.base.http.urls import is_readable, redact
from bundle.base.text import did_you_mean
from bundle.model.acceptance import package_and_versions
from bundle.model.config.json_source import KeyPath, Leaf, Node, Table, at
from bundle.model.config.merge import NAMED, NAMED_REMOVABLE, RULES
from bundle.model.config.patterns import BY_PLATFORM, platform_keys
from bundle.model.config.schema import located
from bundle.model.platforms import PLATFORMS
from bundle.model.variables import BUNDLE, OF_BUILDS, OF_PROGRAMS, PACKAGE_ROOT, VERSION_ROOT, obstacle

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def slips(node: Node) -> list[ConfigError]:
    """Return the errors in a file that no schema can find; values that break the schema are passed over."""
    rules = (
        _requirements,
        _overrides,
        _names_said_twice,
        _unknown_platforms,
        _scripts_for_windows,
        _addresses,
        _acceptances,
        _variables,
    )
    return [error for rule in rules for error in rule(node)]


def _matches(node: Node, pattern: KeyPath, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Node]]:
    """Yield every place that a path with `*` stands for."""
    if not pattern:
        yield path, node
        return
    step, rest = pattern[0], pattern[1:]
    steps: list[str | int] = [step]
    if step == "*":
        steps = list(node) if isinstance(node, Table) else list(range(len(node))) if isinstance(node, list) else []
    for one in steps:
        further = at(node, (one,))
        if further is not None:
            yield from _matches(further, rest, (*path, one))


def _texts(node: Node, *patterns: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for pattern in patterns:
        for path, leaf in _matches(node, pattern):
            if isinstance(leaf, Leaf) and isinstance(leaf.value, str):
                yield path, leaf.value


def _requirements(node: Node) -> Iterator[ConfigError]:
    for path, text in _texts(
        node,
        ("packages", "dependencies", "*"),
        ("packages", "platformSpecific", "*", "dependencies", "*"),
        ("packages", "sets", "*", "dependencies", "*"),
        ("packages", "buildWheel", "*", "*", "buildRequires", "*"),
        ("packages", "constraints", "*"),
    ):
        try:
            url = Requirement(text).url or ""
            if not is_readable(url):
                yield _no_url(node, path, text)
            elif url and "dependencies" not in path:
                what = f'"{redact(text)}" names an address, which only packages.dependencies may.'
                yield ConfigError(located(node, path, what), remedy="Name versions here.")
            elif url and not urlsplit(url).scheme and url.endswith((".whl", ".tar.gz", ".zip")):
                what = f'"{text}" names a file by its path; a path names a folder.'
                yield ConfigError(
                    located(node, path, what), remedy="Add a wheel to packages.wheels, or write file:///…"
                )
        except (InvalidRequirement, RecursionError) as error:
            shown, reason = redact(text), redact(str(error).splitlines()[0])
            hint = f' Write "NAME @ {shown}".' if _ADDRESS.match(text) else ""
            if text.startswith("-"):
                hint = " It is an option of pip; registries has the keys for indexes."
            yield ConfigError(
                located(node, path, f'"{shown}" is not a requirement: {reason}.{hint}'),
                remedy="Write a PEP 508 requirement, such as name==1.2.3 or name @ git+https://host/path@tag.",
            )


def _addresses(node: Node) -> Iterator[ConfigError]:
    for path, text in _texts(
        node,
        ("registries", "default"),
        ("registries", "additional", "*"),
        ("registries", "additional", "*", "url"),
        ("interpreter", "mirror"),
        ("interpreter", "archives", "*", "url"),
    ):
        if not is_readable(text):
            yield _no_url(node, path, text)


def _no_url(node: Node, path: KeyPath, text: str) -> ConfigError:
    what = f'the URL of "{redact(text)}" has no valid host or port.'
    return ConfigError(located(node, path, what), remedy="Correct them; an IPv6 address stands in brackets.")


def _overrides(node: Node) -> Iterator[ConfigError]:
    for path, text in _texts(
        node,
        ("packages", "overrides", "*"),
        ("packages", "platformSpecific", "*", "overrides", "*"),
        ("packages", "sets", "*", "overrides", "*"),
    ):
        try:
            Version(text)
        except InvalidVersion:
            yield ConfigError(
                located(node, path, f'"{text}" is not a version.'),
                remedy='Write the version alone, without "==", such as "1.2.3".',
            )


def _scripts_for_windows(node: Node) -> Iterator[ConfigError]:
    for path, text in _texts(node, ("build", "archives", "*", "*")):
        platform = PLATFORMS.get(str(path[2]))
        if text == "sh" and platform is not None and platform.is_windows:
            what = f'"sh" is a shell script, which {platform.key} has no shell for.'
            yield ConfigError(located(node, path, what), remedy='Write "zip" there.')


def _unknown_platforms(node: Node) -> Iterator[ConfigError]:
    places: list[KeyPath] = [("packages", rules, "*") for rules in BY_PLATFORM]
    for place in (*places, ("runtime", "environment")):
        for path, table in _matches(node, place):
            for pattern in table if isinstance(table, Table) else ():
                if not platform_keys(pattern):
                    yield _no_platform(node, (*path, pattern), pattern)


def _no_platform(node: Node, path: KeyPath, pattern: str) -> ConfigError:
    hint = did_you_mean(pattern, PLATFORMS)
    return ConfigError(
        located(node, path, f'unknown key "{pattern}"; it stands for no platform.{hint}'),
        remedy=f"The platforms are {', '.join(PLATFORMS)}; `macosx-*` and `!linux-x64` are patterns.",
    )


def _acceptances(node: Node) -> Iterator[ConfigError]:
    for path, pattern in _texts(node, ("verify", "accept", "*", "platforms", "*")):
        if not platform_keys(pattern):
            yield _no_platform(node, path, pattern)
    for path, entry in _matches(node, ("verify", "accept", "*")):
        if isinstance(entry, Table) and at(entry, ("files",)) is None and at(entry, ("package",)) is None:
            yield ConfigError(
                located(node, path, "it names neither files nor a package."),
                remedy='Add "files", a glob of paths or modules, or "package".',
            )
    for path, text in _texts(node, ("verify", "accept", "*", "package")):
        try:
            package_and_versions(text)
        except ValueError:
            yield ConfigError(
                located(node, path, f'"{text}" is not a package with versions.'),
                remedy='Write a name, a glob of names, or either with versions, such as "scipy>=1.17,<1.19".',
            )


def _variables(node: Node) -> Iterator[ConfigError]:
    of_builds: KeyPath = ("packages", "buildWheel", "*", "*", "environment")
    of_programs: KeyPath = ("runtime", "environment", "*")
    for pattern, placeholders, reserved in (
        (of_builds, (PACKAGE_ROOT, VERSION_ROOT), OF_BUILDS),
        (of_programs, (BUNDLE,), OF_PROGRAMS),
    ):
        for path, table in _matches(node, pattern):
            for name, leaf in table.items() if isinstance(table, Table) else ():
                value = str(leaf.value) if isinstance(leaf, Leaf) else ""
                if why := obstacle(name, value, placeholders=placeholders, reserved=reserved):
                    yield ConfigError(
                        located(node, (*path, name), f"{why}." if not why.endswith("?") else why),
                        remedy="docs/configuration.md lists the variables that may not be set, and the placeholders.",
                    )


def _names_said_twice(node: Node) -> Iterator[ConfigError]:
    for pattern, rule in RULES.items():
        if rule not in (NAMED, NAMED_REMOVABLE):
            continue
        for path, table in _matches(node, pattern):
            first: dict[str, str] = {}
            for name in table if isinstance(table, Table) else ():
                before = first.setdefault(canonicalize_name(name), name)
                if before != name:
                    yield ConfigError(
                        located(node, (*path, name), f'"{name}" and "{before}" are the same package.'),
                        remedy="Write its exceptions under one name.",
                    )
