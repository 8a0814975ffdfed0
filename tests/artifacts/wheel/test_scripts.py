from __future__ import annotations

import ast
import io
import os
import shutil
import sys
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bundle.artifacts.interpreters.portable.certificates import launcher_part
from bundle.artifacts.wheel.scripts import (
    check_script_name,
    entry_script,
    relocate_script,
    shipped_script,
    windows_launcher,
)
from bundle.base.errors import IntegrityError
from bundle.base.processes.run import Completed, check, run
from bundle.model.certificates import LAUNCHER_PART, SYSTEM_FILES
from bundle.model.platforms import PLATFORMS
from tests.examples import examples

LINUX = PLATFORMS["linux-x64"]
WINDOWS = PLATFORMS["windows-x64"]
PYTHON = "3.12.10"

SHELLS = [name for name in ("sh", "dash", "bash", "busybox", "ksh93", "mksh", "zsh", "yash") if shutil.which(name)]


def relocated(text: str | bytes, *, python: str = PYTHON) -> bytes:
    content = relocate_script(text.encode() if isinstance(text, str) else text, python=python)
    assert content is not None
    return content


def parsed(text: bytes) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def executed(text: bytes) -> dict[str, object]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        namespace: dict[str, object] = {"__name__": "__main__"}
        exec(compile(text, "script", "exec", dont_inherit=True), namespace)
    return namespace


# What a script may begin with, as pieces that can be put together in any way.
fronts = st.lists(
    st.sampled_from(["", "# comment", '  # it\'s "quoted"', "\f# feed", "\t", "#!/second", "# ''' `x $y"])
)
literals = st.sampled_from(
    [
        '"one"',
        "'''three\nlines  'here'\n'''",
        'r"""raw \\d\n\n$0 `x`"""',
        "u'ünï'",
        '"a" \\\n  "b"',
        '("in"\n  # why not\n  "brackets")',
        "((\n'twice'))",
        '"back\\\nslash"',
        '""',
        'f"{1}"',
        "b'bytes'",
        "('tuple',)",
        "'method'.strip()",
        "'a' + 'b'",
    ]
)
futures = st.lists(
    st.sampled_from(["from __future__ import annotations", "from __future__ import (\n  division,\n  generators)"]),
    max_size=2,
)
bodies = st.sampled_from(
    ["", "x = 1", "import os; x = 2", "if True:\n    x = 3", "def f():\n    '''inner'''", "x: No = 4"]
)
ends = st.sampled_from(["\n", "\n\n# between\n", "  # behind\n", ";\n", "; "])


@st.composite
def scripts(draw: st.DrawFn) -> str:
    parts = [line + "\n" for line in draw(fronts)]
    for statement in [*draw(st.lists(literals, max_size=1)), *draw(futures)]:
        parts += [statement, draw(ends)]
    text = "".join(parts) + draw(bodies)
    return draw(st.sampled_from([text, text + "\n", text.replace("\n", "\r\n")]))


def assert_means_the_same(script: bytes) -> None:
    before = parsed(script)
    after = parsed(relocated(script))
    if before is None:
        return
    assert after is not None, relocated(script).decode(errors="replace")
    header = after.body.pop(0)
    assert isinstance(header, ast.Expr)
    assert isinstance(header.value, ast.Constant)
    text = header.value.value
    assert isinstance(text, str)
    restore = next(node for node in after.body if isinstance(node, ast.Assign))
    after.body.remove(restore)
    docstring = eval(compile(ast.Expression(restore.value), "restore", "eval"), {"__doc__": text})
    assert docstring == ast.get_docstring(before, clean=False)
    if docstring is not None:
        before.body.pop(0)
    assert ast.dump(after) == ast.dump(before)


@given(scripts())
@example("'''doc'''")
@example("'''doc'''; from __future__ import division; x = 1")
@example("\\\n'''doc'''\nx = 1")
@example('("a"\n\n"b")')
@example("")
@example("   \n#")
def test_a_script_means_the_same_with_the_header_as_without(script: str) -> None:
    assert_means_the_same(b"#!python\n" + script.encode())


@given(st.text())
@examples(300)
def test_any_text_that_python_can_read_means_the_same_with_the_header(script: str) -> None:
    assert_means_the_same(b"#!python\n" + script.encode(errors="replace"))


@given(st.binary())
def test_any_bytes_behind_a_python_shebang_get_the_header(body: bytes) -> None:
    content = relocated(b"#!python\n" + body)
    assert content.startswith(b"#!/bin/sh\n")
    assert b"/python3.12" in content
    assert relocated(b"#!python\n" + body) == content


@given(st.binary())
def test_what_is_no_python_script_is_left_alone(content: bytes) -> None:
    if not content.startswith(b"#!"):
        assert relocate_script(content, python=PYTHON) is None


def test_the_docstring_reaches_the_code_as_it_was_written() -> None:
    script = '#!python\n"""Usage: tool [--flag]\n\n  --flag  Wave it.\n"""\nseen = __doc__\n'
    assert executed(relocated(script))["seen"] == "Usage: tool [--flag]\n\n  --flag  Wave it.\n"


def test_without_a_docstring_the_header_is_none_either() -> None:
    assert executed(relocated("#!python\nseen = __doc__\n"))["seen"] is None
    assert executed(relocated("#!python\nfrom __future__ import annotations\nseen = __doc__\n"))["seen"] is None


def test_future_imports_behind_a_docstring_stay_in_force() -> None:
    script = "#!python\n'''doc'''\nfrom __future__ import annotations\ndef f(x: No): pass\nseen = f.__annotations__\n"
    assert executed(relocated(script))["seen"] == {"x": "No"}


def test_a_docstring_whose_script_is_newer_than_the_python_here_is_kept() -> None:
    content = relocated('#!python\n"""doc"""\nfrom __future__ import annotations\nthis is ? no python yet\n')
    assert b'"""doc"""\nfrom __future__ import annotations; __doc__ = ' in content


def test_line_numbers_grow_by_the_header_alone() -> None:
    script = "#!python\n# one\n('a'\n\n 'b')\n\nraise SystemExit\n"
    content = relocated(script)
    module = parsed(content)
    assert module is not None
    header = relocated("#!python\n").count(b"\n") - 1 - 1
    assert module.body[-1].lineno == 7 + header


@pytest.mark.parametrize(
    "shebang",
    [
        "#!python",
        "#!pythonw",
        "#! python3",
        "#!/usr/bin/env python3",
        "#!/usr/bin/env -S python3 -u",
        "#!/somewhere/bin/python3.12",
        '#!"/with a space/bin/python"',
        "#!python3.13t",
    ],
)
def test_every_spelling_of_a_python_3_shebang_is_replaced(shebang: str) -> None:
    content = relocated(f"{shebang}\nprint()\n")
    assert content.startswith(b"#!/bin/sh\n''':'\n")
    assert b"somewhere" not in content


@pytest.mark.parametrize(
    "text",
    [
        b"#!/bin/sh\nexec python3\n",
        b"#!/usr/bin/env bash\n",
        b"#!/usr/bin/python2.7\n",
        b"#!/usr/bin/env ipython\n",
        b"#!/opt/python/tool\n",
        b"\x7fELF\x02\x01",
        b"",
    ],
)
def test_scripts_for_others_are_left_alone(text: bytes) -> None:
    assert relocate_script(text, python=PYTHON) is None


def test_a_script_with_the_header_is_left_alone() -> None:
    assert relocate_script(relocated("#!python\n"), python=PYTHON) is None


@pytest.mark.parametrize(
    "header",
    [
        '#!/bin/sh\n\'\'\'exec\' "$(dirname -- "$(realpath -- "$0")")/python3.12" "$0" "$@"\n\' \'\'\'\n',
        "#!/bin/sh\n'''exec' '/a very/long/path to/bin/python3.12' \"$0\" \"$@\"\n' '''\n",
    ],
)
def test_the_shell_headers_of_other_tools_are_replaced(header: str) -> None:
    assert relocated(header + "print(1)\n") == relocated("#!python\nprint(1)\n")


@pytest.mark.parametrize(
    ("line", "user_site", "flags"),
    [
        ("#!python -E -sB", False, b" -E -sB"),
        ("#!python -E `rm x`", False, b" -s"),
        ("#!python -E", False, b" -s -E"),
        ("#!python -I", False, b" -I"),
        ("#!python -E", True, b" -E"),
        ("#!python", True, b""),
    ],
)
def test_flags_of_the_interpreter_are_kept_and_packages_of_the_user_are_left_out(
    line: str, user_site: bool, flags: bytes
) -> None:
    script = relocate_script(f"{line}\n".encode(), python=PYTHON, user_site=user_site)
    assert script is not None
    assert b'exec "$__folder/python3.12"' + flags + b' "$__script" "$@"' in script


def test_an_encoding_named_in_the_first_or_second_line_holds() -> None:
    for script in ("#!python -*- coding: latin-1 -*-\nx = '\xe4'\n", "#!python\n# coding: latin-1\nx = '\xe4'\n"):
        assert executed(relocated(script.encode("latin-1")))["x"] == "\xe4"
    shift = "#!python\n# coding: shift_jis\n'''\u8868'''\nx = '\u8868'\n".encode("shift_jis")
    assert executed(relocated(shift))["__doc__"] == "\u8868"


def test_an_entry_point_calls_what_it_names() -> None:
    script = entry_script("tool", "os.path", "sep.upper", platform=LINUX, python=PYTHON)
    assert script.name == "tool"
    assert script.content.endswith(
        b"; __doc__ = None\nimport sys\nfrom os.path import sep\n"
        b'if __name__ == "__main__":\n    sys.exit(sep.upper())\n'
    )


@pytest.mark.parametrize(
    ("name", "module", "attribute"),
    [
        ("../tool", "m", "f"),
        ("a/b", "m", "f"),
        ("", "m", "f"),
        ("..", "m", "f"),
        ("a\nb", "m", "f"),
        ("a\\b", "m", "f"),
        ("tool", "os;evil", "f"),
        ("tool", "m", "f()"),
        ("tool", "m", ""),
    ],
)
def test_an_entry_point_cannot_leave_its_folder_or_smuggle_code(name: str, module: str, attribute: str) -> None:
    with pytest.raises(IntegrityError):
        entry_script(name, module, attribute, platform=LINUX, python=PYTHON)


@given(st.text())
def test_a_name_that_passes_is_one_path_component(name: str) -> None:
    try:
        check_script_name(name)
    except IntegrityError:
        return
    assert Path("bin", name).parent == Path("bin")
    assert "\\" not in name


@pytest.mark.parametrize(("gui", "python"), [(False, b"python.exe"), (True, b"pythonw.exe")])
def test_a_windows_launcher_starts_the_python_above_it(gui: bool, python: bytes) -> None:
    script = entry_script("tool", "m", "f.g", platform=WINDOWS, python=PYTHON, gui=gui)
    assert script.name == "tool.exe"
    assert script.content.startswith(b"MZ")
    assert b"#!<launcher_dir>\\..\\" + python + b" -s\nPK" in script.content
    with zipfile.ZipFile(io.BytesIO(script.content)) as archive:
        assert archive.testzip() is None
        code = archive.read("__main__.py")
    assert b"from m import f\n" in code
    compile(code, "code", "exec")


def test_a_windows_launcher_is_the_same_at_any_time() -> None:
    with zipfile.ZipFile(io.BytesIO(windows_launcher(b"pass\n", WINDOWS, gui=False))) as archive:
        assert [info.date_time for info in archive.infolist()] == [(1980, 1, 1, 0, 0, 0)]


def test_a_shipped_script_gets_a_launcher_on_windows_that_runs_it_with_its_flags() -> None:
    script, launcher = shipped_script("tool.py", b"#!python -Es\r\nprint(1)\r\n", platform=WINDOWS, python=PYTHON)
    assert (script.name, launcher.name) == ("tool.py", "tool.exe")
    assert script.content == b"# python -Es\r\nprint(1)\r\n"
    assert b"#!<launcher_dir>\\..\\python.exe -Es\nPK" in launcher.content
    with zipfile.ZipFile(io.BytesIO(launcher.content)) as archive:
        code = archive.read("__main__.py")
    assert b"join(folder, 'tool.py')" in code
    compile(code, "code", "exec")


@pytest.mark.parametrize(
    ("first", "comment"),
    [
        (b"#!/srv/builder/venv/bin/python3.12", b"# python"),
        (b"#! /usr/bin/env python3 -u", b"# python -u"),
        (b"#!python # -*- coding: latin-1 -*-", b"# python # -*- coding: latin-1 -*-"),
        (b'#!"C:\\a b\\pythonw.exe" -s', b"# pythonw -s"),
    ],
)
def test_the_first_line_of_a_shipped_script_is_a_comment_on_windows(first: bytes, comment: bytes) -> None:
    script, launcher = shipped_script("tool", first + b"\npass\n", platform=WINDOWS, python=PYTHON)
    assert script.content == comment + b"\npass\n"
    assert launcher.name == "tool.exe"


def test_what_starts_no_python_stays_itself_on_windows() -> None:
    assert shipped_script("tool.bat", b"echo", platform=WINDOWS, python=PYTHON)[0].content == b"echo"


# From here on the scripts really run.

SHOW = """#!python
'''The doc.'''
from __future__ import annotations
import os, sys
def f(x: Unknown): pass
print(ascii([__doc__, f.__annotations__, os.environ["BESIDE"], sys.argv]))
print(ascii(sorted(name for name in os.environ if name.startswith("__"))))
"""


@pytest.fixture(name="binaries")
def a_scripts_folder(tmp_path: Path) -> Path:
    return scripts_folder(tmp_path / "b")


def scripts_folder(root: Path) -> Path:
    folder = root / "bin"
    folder.mkdir(parents=True)
    write(folder / "python3.12", f'#!/bin/sh\nBESIDE=$0 exec {sys.executable} "$@"\n'.encode())
    write(folder / "show", relocated(SHOW))
    return folder


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o755)


def shown(completed: Completed) -> tuple[str, list[str]]:
    """Return the interpreter that was started, and the arguments that the script saw."""
    check(completed, "The script")
    values, leaked = (ast.literal_eval(line) for line in completed.output.splitlines())
    assert values[:2] == ["The doc.", {"x": "Unknown"}]
    assert leaked == []
    assert completed.errors == ""
    return values[2], values[3]


@pytest.mark.real
@pytest.mark.parametrize(
    "name", ["b", "a b ü", "it's", 'say "hi"', "$HOME", "`x`", "-n", "(", "!", "a\nb", "ends\n", "*", "\\"]
)
def test_a_script_runs_from_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    folder = scripts_folder(tmp_path / name)
    beside, arguments = shown(run([folder / "show", "", "a b", "*"]))
    assert beside == str(folder / "python3.12")
    assert arguments == [str(folder / "show"), "", "a b", "*"]
    beside, _ = shown(run([f"./{name}/bin/show"], cwd=tmp_path))
    assert (tmp_path / beside).samefile(folder / "python3.12")


@pytest.mark.real
@pytest.mark.parametrize("name", ["b", "a b ü", "it's", "ends\n", "-n", "*"])
def test_a_script_runs_through_symlinks(tmp_path: Path, name: str) -> None:
    folder = scripts_folder(tmp_path / name)
    elsewhere = tmp_path / "else where" / "deep"
    elsewhere.mkdir(parents=True)
    (elsewhere / "absolute").symlink_to(folder / "show")
    (elsewhere / "relative").symlink_to(f"../../{name}/bin/show")
    (elsewhere / "chain").symlink_to("relative")
    (elsewhere / "ends\n").symlink_to("absolute")
    (tmp_path / "long").symlink_to("else where/deep/chain")
    (tmp_path / "link").symlink_to(elsewhere)
    for link in (*(elsewhere / name for name in ("absolute", "relative", "chain", "ends\n")), tmp_path / "long"):
        beside, arguments = shown(run([link, "x"]))
        assert beside == str(folder / "python3.12")
        assert arguments == [str(link), "x"]
    beside, _ = shown(run(["./chain"], cwd=elsewhere))
    assert beside == str(folder / "python3.12")
    beside, _ = shown(run([tmp_path / "link" / "relative"]))
    assert beside == str(folder / "python3.12")


@pytest.mark.real
def test_a_script_is_found_by_path_lookup(binaries: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    (links / "linked").symlink_to(binaries / "show")
    for path, command, beside in (
        (f"{binaries}:/usr/bin:/bin", "show", str(binaries / "python3.12")),
        (f"{links}:/usr/bin:/bin", "linked", str(binaries / "python3.12")),
        ("bin:/usr/bin:/bin", "show", "bin/python3.12"),
        (":/usr/bin:/bin", "bin/show", "bin/python3.12"),
    ):
        env = {"PATH": path, "CDPATH": "/"}
        assert shown(run(["/bin/sh", "-c", command], env=env, cwd=binaries.parent))[0] == beside


@pytest.mark.real
@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_runs_with_every_shell(binaries: Path, tmp_path: Path, shell: str) -> None:
    found = shutil.which(shell)
    assert found is not None
    command = [found, "sh"] if shell == "busybox" else [found]
    (tmp_path / "link").symlink_to("b/bin/show")
    (binaries / "--odd").symlink_to("show")
    whole = str(binaries / "python3.12")
    assert shown(run([*command, binaries / "show"]))[0] == whole
    assert shown(run([*command, tmp_path / "link"]))[0] == whole
    beside, arguments = shown(run([*command, "show", "1"], cwd=binaries))
    assert (beside, arguments) == (whole, ["./show", "1"])
    assert shown(run([*command, "--", "--odd"], cwd=binaries)) == (whole, ["./--odd"])
    assert (binaries / shown(run([*command, "../bin/show"], cwd=binaries))[0]).samefile(whole)


@pytest.mark.real
@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_runs_through_a_symlink_where_path_leads_to_no_program(
    binaries: Path, tmp_path: Path, shell: str
) -> None:
    found = shutil.which(shell)
    assert found is not None
    command = [found, "sh"] if shell == "busybox" else [found]
    (tmp_path / "link").symlink_to("b/bin/show")
    for path in ("/nowhere", ""):
        completed = run([*command, tmp_path / "link"], env={"PATH": path})
        assert shown(completed)[0] == str(binaries / "python3.12")


@pytest.mark.real
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("link", [False, True])
def test_a_script_is_told_where_this_machine_has_certificates(
    binaries: Path, tmp_path: Path, shell: str, link: bool
) -> None:
    found = shutil.which(shell)
    assert found is not None
    command = [found, "sh"] if shell == "busybox" else [found]
    certifi = binaries.parent / "lib/python3.12/site-packages/certifi/cacert.pem"
    certifi.parent.mkdir(parents=True)
    certifi.touch()
    (binaries / "told").write_bytes(relocated("#!python\nimport os; print(os.environ.get('SSL_CERT_FILE'))\n"))
    (tmp_path / "link").symlink_to("b/bin/told")
    started: list[str | Path] = [*command, tmp_path / "link" if link else binaries / "told"]

    def told(compiled: Path, **env: str) -> str:
        (binaries.parent / "lib/python3.12" / LAUNCHER_PART).write_bytes(launcher_part(str(compiled), PYTHON))
        completed = run(started, env={"PATH": "/usr/bin:/bin", **env})
        assert completed.errors == ""
        return check(completed, "The script").output.strip()

    usual = next((file for file in SYSTEM_FILES if Path(file).exists()), None)
    place = tmp_path / "it's ä place"
    chosen = told(place)
    assert chosen == usual or (usual is None and Path(chosen).samefile(certifi))
    assert told(place, SSL_CERT_FILE="/mine") == "/mine"
    assert told(place, SSL_CERT_DIR="/mine") == "None"
    (place / "certs").mkdir(parents=True)
    assert told(place) == chosen
    (place / "certs" / "0123abcd.0").touch()
    assert told(place) == "None"
    (place / "certs" / "0123abcd.0").unlink()
    (place / "cert.pem").touch()
    assert told(place) == "None"


@pytest.mark.real
def test_a_script_runs_from_a_folder_that_nobody_may_write(binaries: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("b/bin/show")
    binaries.chmod(0o555)
    try:
        assert shown(run([tmp_path / "link"]))[0] == str(binaries / "python3.12")
    finally:
        binaries.chmod(0o755)


@pytest.mark.real
def test_without_the_interpreter_the_script_fails_and_nothing_of_it_runs(binaries: Path, tmp_path: Path) -> None:
    (binaries / "python3.12").unlink()
    (tmp_path / "link").symlink_to("b/bin/show")
    for path in (binaries / "show", tmp_path / "link"):
        completed = run([path], env={"PATH": os.environ["PATH"], "BASHOPTS": "execfail"})
        assert completed.code == 127
        assert "python3.12" in completed.errors


@pytest.mark.real
def test_an_entry_point_script_runs(binaries: Path) -> None:
    script = entry_script("where", "os", "getcwd", platform=LINUX, python=PYTHON)
    write(binaries / "where", script.content)
    assert run([binaries / "where"], cwd=binaries).errors.strip() == str(binaries)


@pytest.mark.real
@pytest.mark.parametrize(
    "text",
    [
        b"#!python\r\n'''The doc.'''\r\nfrom __future__ import annotations\r\n",
        b"#!python\n# -*- coding: latin-1 -*-\n# it's \xe4 `comment` $(x) \\\n\t\n'''The doc.'''\n",
        b"#!python\n\f\n# 'open\n\n('The '\n# in between\n\t'doc.')\n",
        b"#!python -E\nfrom __future__ import annotations\n__doc__ = 'The doc.'\n",
    ],
)
def test_scripts_of_every_form_run(binaries: Path, text: bytes) -> None:
    write(binaries / "form", relocated(text + b"print(__doc__)\n"))
    for optimised in ("", "2"):
        completed = check(run([binaries / "form"], env={**os.environ, "PYTHONOPTIMIZE": optimised}), "The script")
        assert completed.errors == ""
        stripped = optimised and b"#!python -E" not in text
        assert completed.output == ("None\n" if stripped else "The doc.\n")


@pytest.mark.real
@given(name=st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40))
@examples(25)
def test_a_script_runs_from_any_folder_that_can_exist(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    if name in {".", ".."} or len(name.encode()) > 200:
        return
    root = tmp_path_factory.mktemp("any")
    folder = scripts_folder(root / name)
    (root / "link").symlink_to(f"{name}/bin/show")
    assert shown(run([folder / "show"]))[0] == str(folder / "python3.12")
    assert shown(run([root / "link"]))[0] == str(folder / "python3.12")


@pytest.mark.real
def test_a_program_packed_as_a_zip_file_still_runs(binaries: Path) -> None:
    packed = io.BytesIO(b"#!/usr/bin/env python3\n")
    packed.seek(0, io.SEEK_END)
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("__main__.py", "import os\r\nprint(os.environ['BESIDE'])\r\n")
    write(binaries / "packed", relocated(packed.getvalue()))
    assert check(run([binaries / "packed"]), "The program").output.strip() == str(binaries / "python3.12")
