"""Compilers in the build records of an interpreter: the programs and flags that only its maker's machine has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from bundle.artifacts.interpreters.portable.content_rules import (
    FOREIGN_FLAGS,
    FOREIGN_FLAGS_WITH_FOLDER,
    PROGRAMS,
    SYSTEM_FOLDERS,
    USUAL_PROGRAMS,
)

_PATH = re.compile(r"-[^/]*?(/.*)")
"""A flag that holds an absolute path."""

_SEPARATE = re.compile(r"-(I|L|F|B|target|isystem|isysroot|iquote|idirafter|iframework|include|imacros|-sysroot)")
"""Flags whose value may be the next word."""

_OBJECT = re.compile(r"/.*\.(a|dylib|l?o|so)")


def with_usual_program(name: str, value: str) -> str:
    """Return the command line in a build's variable, with the program that every machine has in place of its maker's.

    Args:
        name: the variable's.
    """
    usual = PROGRAMS.get(name)
    program, flags = _parts(value)
    if usual is None or not program or (len(program) == 1 and program[0] in USUAL_PROGRAMS):
        return value
    preprocess = ["-E"] if name.endswith("CPP") and "-E" not in flags else []
    return " ".join((usual, *preprocess, *flags))


def absolute_programs(variables: Mapping[str, object]) -> dict[str, str]:
    """Return the programs that the variables name by absolute paths, and the usual one in place of each."""
    found = {}
    for name, usual in PROGRAMS.items():
        program, _ = _parts(str(variables.get(name, "")))
        found.update({word: usual for word in program[-1:] if word.startswith("/")})
    return found


def without_foreign_flags(value: str, own: Iterable[str]) -> str:
    """Take out the flags that point into folders of the maker's machine, or that only its compiler knows.

    The interpreter's own headers and libraries are found by paths, not by flags, and a flag cannot hold a path with a
    blank in it: it would break every build in such a folder.

    Args:
        own: the folders that the interpreter recorded.
    """
    if not re.search(r"(^|\s)-", value):
        return value
    return " ".join(_kept(value.split(), tuple(f"{place}/" for place in own)))


def _parts(value: str) -> tuple[list[str], list[str]]:
    """Return the words of a command line up to its first flag, and the others."""
    words = value.split()
    end = next((number for number, word in enumerate(words) if word.startswith("-")), len(words))
    return words[:end], words[end:]


def _kept(words: list[str], own: tuple[str, ...]) -> Iterator[str]:
    waiting = iter(enumerate(words))
    for number, word in waiting:
        following = words[number + 1] if number + 1 < len(words) else ""
        if _SEPARATE.fullmatch(word) and following and not following.startswith("-"):
            next(waiting)
            if not _is_foreign(f"{word}={following}", following, own):
                yield from (word, following)
        elif word.startswith("-Wl,"):
            if options := list(_kept_of_linker(word.split(",")[1:], own)):
                yield ",".join(("-Wl", *options))
        elif word.startswith("-D"):
            yield word
        elif word.startswith("-"):
            path = _PATH.fullmatch(word)
            if not _is_foreign(word, path[1] if path else "", own):
                yield word
        elif number == 0 or not _OBJECT.fullmatch(word) or not _leads_away(word, own):
            yield word


def _kept_of_linker(options: list[str], own: tuple[str, ...]) -> Iterator[str]:
    """Yield the options of one `-Wl`, in which an option and its value may be two parts."""
    for number, option in enumerate(options):
        following = options[number + 1] if number + 1 < len(options) else ""
        path = _PATH.fullmatch(option) or re.fullmatch(r"()?(/.*)", option)
        if following.startswith("/") and option.startswith("-") and _leads_away(following, own):
            continue
        if path is None or not _leads_away(path[path.lastindex or 1], own):
            yield option


def _is_foreign(flag: str, path: str, own: tuple[str, ...]) -> bool:
    if any(fnmatchcase(flag, glob) for glob in (*FOREIGN_FLAGS, *FOREIGN_FLAGS_WITH_FOLDER)):
        return True
    return path.startswith("/") and _leads_away(path, own)


def _leads_away(path: str, own: tuple[str, ...]) -> bool:
    place = f"{path}/"
    return place.startswith(own) or not place.startswith(SYSTEM_FOLDERS)
