from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.artifacts.interpreters.portable.compilers import (
    absolute_programs,
    with_usual_program,
    without_foreign_flags,
)
from bundle.artifacts.interpreters.portable.content_rules import PROGRAMS
from bundle.artifacts.interpreters.portable.sysconfig_data import recorded, relocated

MAKER = "/home/runner/build"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("CC", f"{MAKER}/cc-x86_64", "cc"),
        ("CC", f"{MAKER}/cc-x86_64 -pthread", "cc -pthread"),
        ("CC", "clang-17 --target=x86_64-unknown-linux-gnu -pthread", "cc -pthread"),
        ("CC", "zig cc -target x86_64-linux-gnu.2.17", "cc"),
        ("CC", "/usr/bin/ccache /usr/bin/gcc -O2", "cc -O2"),
        ("CC", "aarch64-linux-gnu-gcc", "cc"),
        ("CXX", f"{MAKER}/c++-x86_64", "c++"),
        ("CXX", "x86_64-conda-linux-gnu-c++", "c++"),
        ("CPP", f"{MAKER}/cc-x86_64 -E", "cc -E"),
        ("CPP", "/lib/cpp", "cc -E"),
        ("AR", f"{MAKER}/zig-ar", "ar"),
        ("AR", "zig ar", "ar"),
        ("RANLIB", f"{MAKER}/bin/llvm-ranlib", "ranlib"),
        ("NM", "llvm-nm", "nm"),
        ("READELF", f"{MAKER}/readelf", "readelf"),
        ("LDSHARED", f"{MAKER}/cc-x86_64 -shared -L{MAKER}/deps/lib -Wl,-z,now", "cc -shared -Wl,-z,now"),
        ("BLDSHARED", f"{MAKER}/cc -shared --sysroot={MAKER}/sysroot", "cc -shared"),
        ("LDCXXSHARED", f"{MAKER}/c++-x86_64 -shared", "c++ -shared"),
        ("LINKCC", f"{MAKER}/cc-x86_64", "cc"),
        (
            "LDSHARED",
            "clang -bundle -undefined dynamic_lookup -arch arm64",
            "cc -bundle -undefined dynamic_lookup -arch arm64",
        ),
        ("CC", "gcc -pthread", "gcc -pthread"),
        ("CXX", "g++", "g++"),
        ("RANLIB", ":", ":"),
        ("CC", "", ""),
        ("OTHER", f"CC={MAKER}/cc-x86_64", "CC=cc"),
        ("OTHER", f"{MAKER}/cc-x86_64.old", f"{MAKER}/cc-x86_64.old"),
    ],
)
def test_the_maker_s_programs_become_those_that_every_machine_has(name: str, value: str, expected: str) -> None:
    places = recorded({"prefix": "/install", "CC": f"{MAKER}/cc-x86_64"})
    assert relocated(name, value, places) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"-O2 -I{MAKER}/include -I {MAKER}/include -isystem {MAKER}/x -iquote{MAKER}", "-O2"),
        (f"-isysroot {MAKER}/MacOSX.sdk -isysroot{MAKER} -mmacosx-version-min=11.0", "-mmacosx-version-min=11.0"),
        (f"--sysroot={MAKER} --sysroot /usr/aarch64-linux-gnu -O2", "-O2"),
        (f"-ffile-prefix-map={MAKER}=. -fprofile-use={MAKER}/x.profdata -B{MAKER}/bin -O3", "-O3"),
        (f"-Wl,-rpath,{MAKER}/lib -Wl,-rpath={MAKER}/lib -Wl,-z,relro,-rpath,{MAKER}", "-Wl,-z,relro"),
        (f"-Wl,--version-script={MAKER}/x.map,-z,now -lm", "-Wl,-z,now -lm"),
        (f"-ldl {MAKER}/deps/lib/libffi.a -lm", "-ldl -lm"),
        ("-fuse-ld=lld -flto=thin --rtlib=compiler-rt -shared", "-shared"),
        ("-target x86_64-linux-gnu.2.17 -O2 -g", "-O2"),
        ("-I/usr/include/x -L/usr/lib/ssl -I. -Iinclude", "-I/usr/include/x -L/usr/lib/ssl -I. -Iinclude"),
        ("-framework CoreFoundation -arch arm64", "-framework CoreFoundation -arch arm64"),
        ("-I/install/include -O2", "-O2"),
        (f"-DPLACE={MAKER}", f"-DPLACE={MAKER}"),
        ("no flags at all", "no flags at all"),
    ],
)
def test_flags_that_only_the_maker_s_machine_understands_are_dropped(value: str, expected: str) -> None:
    assert without_foreign_flags(value, ("/install",)) == expected


def test_programs_by_absolute_paths_are_known_wherever_they_are_named() -> None:
    variables = {"CC": "/m/cc-x86_64 -pthread", "AR": "/usr/bin/ccache /m/ar", "CXX": "g++", "LDSHARED": 3}
    assert absolute_programs(variables) == {"/m/cc-x86_64": "cc", "/m/ar": "ar"}


_words = st.text(alphabet=string.ascii_letters + string.digits + "/.=-+_ ", max_size=40)


@given(name=st.sampled_from(sorted(PROGRAMS)), value=_words)
def test_no_program_is_started_by_a_path(name: str, value: str) -> None:
    told = with_usual_program(name, value)
    program = told.partition(" ")[0]
    assert program.startswith("-") or "/" not in program
    assert with_usual_program(name, told) == told
