"""Scripts that find their interpreter beside them, in any folder."""

from __future__ import annotations

import io
import re
import tokenize
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from installer.scripts import Script

from bundle.base.errors import IntegrityError
from bundle.model.certificates import LAUNCHER_PART
from bundle.model.platforms import Platform, short_version

# One text that is a shell program and a Python string at once: `''':'` is the command `:` to the one and the start of
# a string to the other. Hence no backslash and no three quotes inside. The usual case starts no further process;
# `readlink` is asked only behind a symlink, and found without PATH. A dot guards the newlines that a path may end with,
# and a path that begins with a dash gets `./` in front, so that it is not taken for an option.
_HEADER = """\
''':'
__folder=
case $0 in [!-]*/*) [ -h "$0" ] || { __script=$0; __folder=${0%/*}; } ;; esac
if [ -z "$__folder" ]; then
case $0 in
/*) __script=$0 ;;
*/*) __script=./$0 ;;
*) if [ -e "./$0" ]; then __script=./$0; else __script=$(command -v "$0"); fi ;;
esac
__real=$__script
while [ -h "$__real" ]; do
__link=$(command -p readlink "$__real" || readlink "$__real"; echo .)
__link=${__link%??}
case $__link in /*) __real=$__link ;; *) __real=${__real%/*}/$__link ;; esac
done
__folder=$(CDPATH=; cd -P "${__real%/*}/" && pwd -P; echo .)
__folder=${__folder%??}
fi
__part=$__folder/../lib/PYTHON/CERTIFICATES
[ -f "$__part" ] && . "$__part"
exec "$__folder/PYTHON"ARGUMENTS "$__script" "$@"
exit 127
'''"""

# The module `__main__` becomes the one that Python would have made of the script beside the launcher: processes that
# `multiprocessing` starts find the script by it, which they would not inside of the launcher.
_RUN_SCRIPT = """\
def __code():
    import sys
    from importlib.machinery import SourceFileLoader
    from os.path import dirname, join
    folder = dirname(dirname(__file__))
    path = join(folder, NAME)
    loader = SourceFileLoader("__main__", path)
    sys.argv[0] = path
    sys.path[:1] = [] if getattr(sys.flags, "safe_path", sys.flags.isolated) else [folder]
    names = globals()
    names.update(__file__=path, __loader__=loader, __package__=None, __spec__=None)
    del names["__code"]
    return loader.source_to_code(loader.get_data(path), path)
exec(__code())
"""

_RUN_PACKED = """\
import runpy, sys
from os.path import dirname, join
sys.argv[0] = join(dirname(dirname(__file__)), NAME)
runpy.run_path(sys.argv[0], run_name="__main__")
"""

# Python 2 is left alone: giving its scripts to Python 3 would only change the error.
_PYTHON_SHEBANG = re.compile(
    rb"""\#![ \t]*(?:"[^"\n]*[/\\]|[^\s"]*[/\\])?(?:env[ \t]+(?:-S[ \t]*)?)?
         (?P<name>pythonw?)(?!2)[0-9.]*t?(?:\.exe)?"?(?P<arguments>(?:[ \t][^\r\n]*)?)(?:\r?\n|\Z)""",
    re.VERBOSE,
)
# Written by pip, distlib and python-build-standalone where a plain `#!` line is not enough.
_SHELL_SHEBANG = re.compile(rb"""#!/bin/sh\n'''exec' [^\n]*python[^\n]* "\$0" "\$@"\n' '''\n""")
_FLAGS = re.compile(rb"(?:[ \t]+-[bBdEiIOPqsSuv]+)*[ \t]*")
_NO_USER_SITE = "-s"
_COOKIE = re.compile(rb"#[^\n]*?coding[:=][ \t]*[-\w.]")
_FRONT = re.compile(r"[ \t\f]*(#.*)?", re.DOTALL)
_PLAIN_STRING = re.compile(r"[rRuU]?['\"]")
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True, kw_only=True)
class ScriptFile:
    """One file for the bundle's scripts folder."""

    name: str
    content: bytes


def entry_script(
    name: str,
    module: str,
    attribute: str,
    *,
    platform: Platform,
    python: str,
    gui: bool = False,
    user_site: bool = False,
) -> ScriptFile:
    """Return the script of an entry point.

    Args:
        attribute: the callable in the module, such as `main` or `Application.start`.
        gui: whether it runs without a console (Windows).
        user_site: whether it imports packages of the user's own.

    Raises:
        IntegrityError: a name that is none: it could leave the scripts folder, or put code into the script.
    """
    check_script_name(name)
    if not (_DOTTED.fullmatch(module) and _DOTTED.fullmatch(attribute)):
        raise IntegrityError(f"The entry point {name!r} names {module}:{attribute}, which cannot be imported")
    lines = ["import sys", f"from {module} import {attribute.split('.')[0]}", 'if __name__ == "__main__":']
    if platform.is_windows:
        lines += ['    if sys.argv[0].endswith(".exe"):', "        sys.argv[0] = sys.argv[0][:-4]"]
    body = "\n".join((*lines, f"    sys.exit({attribute}())", "")).encode()
    flags = [] if user_site else [_NO_USER_SITE]
    if platform.is_windows:
        return ScriptFile(name=f"{name}.exe", content=windows_launcher(body, platform, gui=gui, flags=flags))
    return ScriptFile(name=name, content=_polyglot(body, python=python, flags=flags))


def shipped_script(
    name: str, content: bytes, *, platform: Platform, python: str, user_site: bool = False
) -> tuple[ScriptFile, ...]:
    """Return the files in the scripts folder for a script of a wheel (`NAME.data/scripts`).

    On Windows, where no `#!` line counts, a Python script gets a launcher that runs it with the flags of that line; the
    line itself becomes a comment.

    Args:
        content: the file's bytes; anything that is no Python script passes unchanged.
        user_site: whether it imports packages of the user's own.
    """
    check_script_name(name)
    if not platform.is_windows:
        relocated = relocate_script(content, python=python, user_site=user_site)
        return (ScriptFile(name=name, content=relocated or content),)
    found = _PYTHON_SHEBANG.match(content)
    if not found:
        return (ScriptFile(name=name, content=content),)
    rest = b"# " + found["name"] + content[found.start("arguments") :]
    packed = zipfile.is_zipfile(io.BytesIO(content))
    code = (_RUN_PACKED if packed else _RUN_SCRIPT).replace("NAME", ascii(name)).encode()
    flags = _flags(found["arguments"], user_site=user_site)
    launcher = windows_launcher(code, platform, gui=found["name"] == b"pythonw", flags=flags)
    return (
        ScriptFile(name=name, content=rest),
        ScriptFile(name=re.sub(r"\.pyw?$", "", name) + ".exe", content=launcher),
    )


def relocate_script(text: bytes, *, python: str, user_site: bool = False) -> bytes | None:
    """Give a POSIX script that starts some Python a header that starts the one beside it instead.

    The script's docstring, `from __future__` imports, encoding and leading comments keep their meaning; line numbers
    grow by the header's. Line ends become line feeds, which they are to Python anyway.

    Args:
        text: the script, with the `#!` line (or the shell header that pip writes) of another Python.
        user_site: whether it imports packages of the user's own.

    Returns:
        The new script, or None if `text` is no script for Python 3.
    """
    if text.startswith(b"#!") and b"\0" not in text:  # a zip file may follow the line
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if shell := _SHELL_SHEBANG.match(text):
        return _polyglot(text[shell.end() :], python=python, flags=_flags(b"", user_site=user_site))
    if not (found := _PYTHON_SHEBANG.match(text)):
        return None
    body = text[found.end() :]
    if _COOKIE.match(found[0]):
        encoding, _ = _encoding(text)
        body = f"# -*- coding: {encoding} -*-\n".encode() + body
    return _polyglot(body, python=python, flags=_flags(found["arguments"], user_site=user_site))


def windows_launcher(code: bytes, platform: Platform, *, gui: bool, flags: Sequence[str] = ()) -> bytes:
    """Return an `.exe` for the scripts folder that runs `code` with the Python in the folder above, and its flags.

    The executable is PyPA installer's, which reads the `#!` line and the zip file behind itself and understands
    `<launcher_dir>`.
    """
    executable = rf"<launcher_dir>\..\{'pythonw' if gui else 'python'}.exe"
    pattern = Script("launcher", "launcher", "launcher", "gui" if gui else "console")
    _, data = pattern.generate(r"<launcher_dir>\..\python.exe", platform.launcher)
    program, found, _ = data.partition(f"#!{executable}\n".encode())
    if not found:
        raise RuntimeError("the launcher template has no #! line of the expected form")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        member = zipfile.ZipInfo("__main__.py", (1980, 1, 1, 0, 0, 0))
        member.create_system = 0
        archive.writestr(member, code)
    return program + f"#!{' '.join((executable, *flags))}\n".encode() + stream.getvalue()


def check_script_name(name: str) -> None:
    """Refuse a script name that is not a plain file name.

    Raises:
        IntegrityError: with the name.
    """
    if not name or name in {".", ".."} or any(char in "/\\" or not char.isprintable() for char in name):
        raise IntegrityError(f"The script name {name!r} is not a plain file name")


def _flags(arguments: bytes, *, user_site: bool) -> list[str]:
    """Return the flags of Python in a `#!` line, none if anything else stands among them; and the one for its paths."""
    flags = arguments.decode().split() if _FLAGS.fullmatch(arguments) else []
    return flags if user_site or re.search("[sI]", "".join(flags)) else [_NO_USER_SITE, *flags]


def _encoding(text: bytes) -> tuple[str, str | None]:
    """Return the name of the source encoding (PEP 263), and the text if it really reads so, both ways."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(text).readline)
        source = text.decode(encoding)
        same = source.encode(encoding) == text
    except (SyntaxError, LookupError, UnicodeError):
        return "utf-8", None
    return encoding, source if same and "\0" not in source and "\r" not in source else None


def _polyglot(body: bytes, *, python: str, flags: Sequence[str] = ()) -> bytes:
    """Put the header in front of a script without its `#!` line, behind its leading comments."""
    interpreter = f"python{short_version(python)}"
    header = _HEADER.replace("PYTHON", interpreter).replace("CERTIFICATES", LAUNCHER_PART)
    header = header.replace("ARGUMENTS", "".join(f" {flag}" for flag in flags))
    encoding, source = _encoding(b"#!\n" + body)
    if source is None:
        # Nothing that Python could read: only the line that may name the encoding stays in front.
        first, newline, rest = body.partition(b"\n")
        front = first + newline if first.lstrip(b" \t\f").startswith(b"#") else b""
        rest = rest if front else body
        return b"#!/bin/sh\n" + front + header.encode() + b"; __doc__ = None\n" + rest
    lines = source.removeprefix("#!\n").removesuffix("\n").split("\n")
    start = next((number for number, line in enumerate(lines) if not _FRONT.fullmatch(line)), len(lines))
    front_text = "".join(line.lstrip(" \t\f") + "\n" for line in lines[:start])
    return ("#!/bin/sh\n" + front_text + _join(header, "\n".join((*lines[start:], "")))).encode(encoding)


def _join(header: str, body: str) -> str:
    """Put header and code together such that docstring and `__future__` imports keep their meaning."""
    head = _read_head(body)
    rest = body[head.docstring_end : head.end]
    if head.docstring is None:
        forget = "; __doc__ = None"
        return f"{header}\n{rest}{forget}{body[head.end :]}" if rest else f"{header}{forget}\n{body}"
    # Python -OO has no docstrings.
    restore = f"; __doc__ = __doc__ and __doc__[{len(header) - 6}:]"
    padding = " \\\n" * (body.count("\n", 0, head.docstring_end) - head.docstring.count("\n"))
    return f"{header} \\\n{head.docstring}{padding}{rest}{restore}{body[head.end :]}"


@dataclass(kw_only=True)
class _Head:
    docstring: str | None = None
    """Source of the docstring, without parentheses and comments around its parts."""
    docstring_end: int = 0
    end: int = 0
    """Where the docstring or the last `__future__` import ends."""


def _read_head(body: str) -> _Head:
    """Find docstring and `__future__` imports.

    By tokens and not by `ast`: the rest of the script may be newer than the Python that runs here, and the same
    script must give the same bytes on every host.
    """
    head = _Head()
    starts = [0]
    for line in body.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    try:
        for number, statement in enumerate(_statements(body)):
            row, column = statement[-1].end
            if number == 0 and _is_docstring(statement):
                head.docstring = " ".join(token.string for token in statement if token.type == tokenize.STRING)
                head.docstring_end = head.end = starts[row - 1] + column
            elif [token.string for token in statement[:3]] == ["from", "__future__", "import"]:
                head.end = starts[row - 1] + column
            else:
                break
    except (tokenize.TokenError, SyntaxError):
        # Not Python 3: the part before stays valid, and Python will report the rest.
        return head
    return head


def _statements(source: str) -> Iterator[list[tokenize.TokenInfo]]:
    statement: list[tokenize.TokenInfo] = []
    depth = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in {tokenize.COMMENT, tokenize.NL}:
            continue
        if token.type in {tokenize.NEWLINE, tokenize.ENDMARKER} or (token.string == ";" and not depth):
            if not statement:
                return
            yield statement
            statement = []
            continue
        if token.type == tokenize.OP:
            depth += (token.string in "([{") - (token.string in ")]}")
        statement.append(token)


def _is_docstring(statement: list[tokenize.TokenInfo]) -> bool:
    if any(token.type not in {tokenize.STRING, tokenize.OP} for token in statement):
        return False
    shape = "".join("s" if _PLAIN_STRING.match(token.string) else token.string[0] for token in statement)
    return re.fullmatch(r"\(*s+\)*", shape) is not None
