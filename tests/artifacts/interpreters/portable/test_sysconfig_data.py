import runpy
import string
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bundle.artifacts.interpreters.portable import sysconfig_data
from bundle.artifacts.interpreters.portable.sysconfig_data import Value

HOME = "/home/joe/.pyenv/versions/3.12.1"
BUILD = "/tmp/build.17/Python-3.12.1"


def _tree(folder: Path, variables: dict[str, Value]) -> Path:
    library = folder / "lib" / "python3.12"
    library.mkdir(parents=True)
    (library / "_sysconfigdata__linux_x86_64-linux-gnu.py").write_text(f"build_time_vars = {variables!r}\n")
    return folder


def _rewritten(folder: Path, variables: dict[str, Value]) -> dict[str, Value]:
    tree = _tree(folder, {"prefix": HOME, "abs_builddir": BUILD, **variables})
    found = sysconfig_data.read(tree)
    assert found is not None
    sysconfig_data.rewrite(tree, sysconfig_data.recorded(found[1]))
    told = runpy.run_path(str(found[0]))["build_time_vars"]
    assert isinstance(told, dict)
    return told


def test_paths_are_those_of_the_place_where_the_interpreter_stands(tmp_path: Path) -> None:
    place = tmp_path / "a b ü"
    told = _rewritten(place, {"INCLUDEPY": f"{HOME}/include/python3.12", "LIBDIR": f"{HOME}/lib"})
    assert told["prefix"] == str(place)
    assert told["INCLUDEPY"] == f"{place}/include/python3.12"
    assert told["LIBDIR"] == f"{place}/lib"


def test_a_longer_name_that_begins_alike_is_another_place(tmp_path: Path) -> None:
    told = _rewritten(tmp_path, {"OTHER": f"{HOME}0/lib", "MINE": f"{HOME}:x"})
    assert told["OTHER"] == f"{HOME}0/lib"
    assert told["MINE"] == f"{tmp_path}:x"


def test_a_short_prefix_is_not_taken_for_the_end_of_another_path(tmp_path: Path) -> None:
    """python-build-standalone's interpreters remember to have been in /install."""
    told = _rewritten(
        tmp_path,
        {"prefix": "/install", "LIBDIR": "/install/lib", "OTHER": "/usr/bin/install -c", "FLAG": "-I/install/x y"},
    )
    assert told["LIBDIR"] == f"{tmp_path}/lib"
    assert told["OTHER"] == "/usr/bin/install -c"
    assert told["FLAG"] == "y"


def test_flags_that_point_into_the_old_place_are_gone_and_the_others_stay(tmp_path: Path) -> None:
    flags = f"gcc -shared -L{HOME}/lib -Wl,-rpath,{HOME}/lib -I{HOME}/include -L/usr/lib/ssl -I. -L{HOME}0 -O2"
    assert _rewritten(tmp_path, {"LDSHARED": flags})["LDSHARED"] == "gcc -shared -L/usr/lib/ssl -I. -O2"


def test_flags_that_point_into_folders_which_only_the_build_machine_has_are_gone(tmp_path: Path) -> None:
    sdk = "/Applications/Xcode.app/Contents/Developer/MacOSX14.2.sdk"
    flags = f"clang -arch arm64 -isysroot {sdk} -I/opt/ssl -F{sdk}/System -mmacosx-version-min=11.0 -I/usr/include/x"
    told = _rewritten(tmp_path, {"CC": flags})["CC"]
    assert told == "cc -arch arm64 -mmacosx-version-min=11.0 -I/usr/include/x"


def test_a_compiler_of_the_build_machine_becomes_the_usual_one(tmp_path: Path) -> None:
    told = _rewritten(tmp_path, {"CC": "/tools/llvm/bin/clang -pthread -fdebug-default-version=4", "AR": "llvm-ar"})
    assert told["CC"] == "cc -pthread"
    assert told["AR"] == "ar"


def test_the_configure_options_stay_without_their_paths(tmp_path: Path) -> None:
    told = _rewritten(tmp_path, {"CONFIG_ARGS": f"'--prefix={HOME}' '--enable-shared' 'LDFLAGS=-L{HOME}/lib'"})
    assert told["CONFIG_ARGS"] == "--enable-shared"


def test_what_speaks_of_the_system_stays_even_if_the_interpreter_stood_in_its_prefix(tmp_path: Path) -> None:
    tree = _tree(tmp_path, {"prefix": "/usr", "TZPATH": "/usr/share/zoneinfo", "LIBDIR": "/usr/lib"})
    found = sysconfig_data.read(tree)
    assert found is not None
    sysconfig_data.rewrite(tree, sysconfig_data.recorded(found[1]))
    told = runpy.run_path(str(found[0]))["build_time_vars"]
    assert told["TZPATH"] == "/usr/share/zoneinfo"
    assert told["LIBDIR"] == f"{tmp_path}/lib"


_words = st.text(alphabet=string.ascii_letters + string.digits + " ./:=-,'", max_size=30)


@given(before=_words, between=_words, after=_words)
def test_no_variable_keeps_a_path_of_the_build(before: str, between: str, after: str) -> None:
    places = sysconfig_data.recorded({"prefix": HOME, "abs_builddir": BUILD})
    value = f"{before} {HOME}/{between} {BUILD}/{after}"
    told = sysconfig_data.relocated("ANY", value, places)
    assert f"{HOME}/" not in str(told)
    assert f"{BUILD}/" not in str(told)


def test_pkgconfig_files_answer_relative_to_themselves(tmp_path: Path) -> None:
    file = tmp_path / "python-3.12.pc"
    file.write_text(
        f"# See: man pkg-config\nprefix={HOME}\nexec_prefix=${{prefix}}\nlibdir={HOME}/lib\n\nName: Python\n"
        f"Libs.private: -ldl -L{HOME}/lib -Wl,-rpath,{HOME}/lib\nLibs: -L${{libdir}} -lpython3.12\n"
    )
    (tmp_path / "python3.pc").symlink_to(file.name)
    sysconfig_data.rewrite_pkgconfig(tmp_path, sysconfig_data.recorded({"prefix": HOME}))
    assert file.read_text() == (
        "# See: man pkg-config\nprefix=${pcfiledir}/../..\nexec_prefix=${prefix}\nlibdir=${prefix}/lib\n\n"
        "Name: Python\nLibs.private: -ldl\nLibs: -L${libdir} -lpython3.12\n"
    )
    assert (tmp_path / "python3.pc").readlink() == Path(file.name)
