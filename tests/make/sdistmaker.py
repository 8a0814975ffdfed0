"""Small sources for tests, written on the fly: ordinary ones, and ones that fail in the ways that sources fail."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from textwrap import dedent

WRITER = dedent(
    '''
    """A build backend of one file that needs nothing: the wheel's files come from the function `files`."""
    import base64, hashlib, json, os, sys, time, zipfile


    def write_wheel(folder, files, name="demo", version="1.0", tag="py3-none-any"):
        info = f"{name}-{version}.dist-info"
        files = dict(files)
        files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n"
        files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\\nGenerator: demo\\nRoot-Is-Purelib: true\\nTag: {tag}\\n"
        record = ""
        target = f"{name}-{version}-{tag}.whl"
        with zipfile.ZipFile(os.path.join(folder, target), "w") as archive:
            for path, content in files.items():
                archive.writestr(zipfile.ZipInfo(path, time.localtime()[:6]), content)
                digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
                record += f"{path},sha256={digest},{len(content.encode())}\\n"
            archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\\n")
        return target

    '''
)
"""The start of an in-tree build backend; a test adds its hooks."""

IN_TREE = dedent(
    """
    [build-system]
    requires = []
    build-backend = "backend"
    backend-path = ["in_tree"]
    """
)

SETUPTOOLS = dedent(
    """
    [build-system]
    requires = ["setuptools>=61"]
    build-backend = "setuptools.build_meta"
    """
)


def make_sdist(folder: Path, files: Mapping[str, str], *, name: str = "demo", version: str = "1.0") -> Path:
    """Write an sdist with the given files below its top folder."""
    top = f"{name}-{version}"
    sdist = folder / f"{top}.tar.gz"
    with tarfile.open(sdist, "w:gz") as tar:
        for path, text in {"PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", **files}.items():
            member = tarfile.TarInfo(f"{top}/{path}")
            member.size = len(text.encode())
            tar.addfile(member, BytesIO(text.encode()))
    return sdist


def in_tree(folder: Path, hooks: str, **more: str) -> Path:
    """Write an sdist whose build backend comes with it, made of `WRITER` and the given hooks."""
    return make_sdist(
        folder,
        {"pyproject.toml": IN_TREE, "in_tree/backend.py": WRITER + dedent(hooks), "demo.py": "ANSWER = 42\n", **more},
    )


def pure_setuptools(folder: Path) -> Path:
    """Write an ordinary sdist for setuptools, with a console script and a script file."""
    return make_sdist(
        folder,
        {
            "pyproject.toml": SETUPTOOLS,
            "setup.py": dedent(
                """
                from setuptools import setup
                setup(
                    name="demo", version="1.0", packages=["demo"], scripts=["tools/hello"],
                    install_requires=["idna>=3"], setup_requires=["wheel>=0.40"],
                    entry_points={"console_scripts": ["demo = demo:main"]},
                )
                """
            ),
            "demo/__init__.py": "def main():\n    print('hello')\n",
            "tools/hello": "#!/usr/bin/env python3\nprint('hello')\n",
        },
    )


def c_extension(folder: Path) -> Path:
    """Write an sdist whose C module holds, unless a build prevents it, the folder it was compiled in."""
    return make_sdist(
        folder,
        {
            "pyproject.toml": SETUPTOOLS,
            "setup.py": dedent(
                """
                import os
                from setuptools import Extension, setup
                setup(name="demo", version="1.0", ext_modules=[Extension("demo", [os.path.abspath("demo.c")])])
                """
            ),
            "demo.c": dedent(
                """
                #include <Python.h>
                static PyObject *where(PyObject *self, PyObject *none) { return PyUnicode_FromString(__FILE__); }
                static PyMethodDef methods[] = {{"where", where, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
                static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "demo", "", -1, methods};
                PyMODINIT_FUNC PyInit_demo(void) { return PyModule_Create(&module); }
                """
            ),
        },
    )
