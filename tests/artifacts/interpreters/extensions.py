"""A project with native modules, which tests build with pip and a portable interpreter."""

from __future__ import annotations

from pathlib import Path

_PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "spam"
version = "1"
"""

_MODULE = """
#include <Python.h>
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "{name}", NULL, -1, NULL}};
{linkage} PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&module); }}
"""


def native_project(folder: Path) -> Path:
    """Write a project with `spam`, a module in C, and `eggs`, one in C++; return its folder, which has a space."""
    project = folder / "spam project"
    project.mkdir()
    (project / "pyproject.toml").write_text(_PROJECT)
    (project / "setup.py").write_text(
        "from setuptools import Extension, setup\n"
        "setup(ext_modules=[Extension('spam', ['spam.c']), Extension('eggs', ['eggs.cpp'], language='c++')])\n"
    )
    for name, suffix, linkage in (("spam", "c", ""), ("eggs", "cpp", 'extern "C"')):
        (project / f"{name}.{suffix}").write_text(_MODULE.format(name=name, linkage=linkage))
    return project
