"""Images in registries, made and read by other clients: Debian's skopeo and umoci."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

from tests.foreign.bundles import found, program
from tests.foreign.systems import only_the_c_library, system
from tests.make.projects import this_machine


def pushed_base(reference: str, tmp_path: Path) -> str:
    """Push an image of a C library and nothing else, made by umoci; return its digest."""
    release = platform.freedesktop_os_release()
    suite = found(release.get("VERSION_CODENAME") if release["ID"] == "debian" else None, "this system is no Debian")
    root = only_the_c_library(system(suite, "libc6"), this_machine(), tmp_path / "root")
    layout = tmp_path / "base"
    umoci("init", "--layout", str(layout))
    umoci("new", "--image", f"{layout}:12")
    umoci("insert", "--rootless", "--image", f"{layout}:12", str(root), "/")
    umoci("config", "--image", f"{layout}:12", "--config.env", "LANG=C.UTF-8")
    skopeo("copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout}:12", f"docker://{reference}")
    return skopeo("inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{reference}").strip()


def skopeo(*words: str) -> str:
    command = [program("skopeo", "skopeo"), "--insecure-policy", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def umoci(*words: str) -> None:
    done = subprocess.run([program("umoci", "umoci"), *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
