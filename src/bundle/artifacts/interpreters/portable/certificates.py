"""Where an interpreter's OpenSSL looks for certificates, and the shell script that names others where it has none."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from bundle.model.certificates import CERTIFI, SYSTEM_FILES, SYSTEM_VARIABLES
from bundle.model.platforms import Platform, short_version

_COMPILED_IN = re.compile(rb'OPENSSLDIR: "([^"\0]{1,400})"')
"""What `OpenSSL_version(OPENSSL_DIR)` answers."""

_HOLDERS = ("{stdlib}/lib-dynload/_ssl.*", "lib/libcrypto*", "bin/python3.*", "lib/libpython*", "DLLs/*", "*.dll")
"""Globs of the files that may hold OpenSSL, the likely ones first."""


def compiled_in(tree: Path, platform: Platform, python: str) -> str:
    """Return the folder that the interpreter's OpenSSL looks in, such as `/etc/ssl`; empty if no file says so.

    Source: the manual page OpenSSL_version(3).
    """
    for glob in _HOLDERS:
        for path in sorted(tree.glob(glob.replace("{stdlib}", platform.stdlib(python)))):
            if path.is_file() and not path.is_symlink() and (found := _COMPILED_IN.search(path.read_bytes())):
                return found[1].decode("utf-8", "backslashreplace")
    return ""


def launcher_part(compiled: str, python: str) -> bytes:
    """Return the shell script that the headers of console scripts read before they start the interpreter.

    It sets `SSL_CERT_FILE` to the first known file of the system, else to certifi's, if neither that variable nor
    `SSL_CERT_DIR` is set and the folder that is compiled in has no certificates.

    Args:
        compiled: the folder.
    """
    own = f'"$__folder"/../lib/python{short_version(python)}/site-packages/{CERTIFI}'
    file, folder = shlex.quote(f"{compiled}/cert.pem"), shlex.quote(f"{compiled}/certs")
    unset = " && ".join(f'[ -z "${{{name}-}}" ]' for name in SYSTEM_VARIABLES)
    return f"""\
# Read by the scripts in bin: names certificates where OpenSSL would look in a place that this machine does not have.
if {unset} && ! [ -e {file} ]; then
for __file in {folder}/*.0; do [ -e "$__file" ] && break; __file=; done
[ -n "$__file" ] || for __file in {" ".join(SYSTEM_FILES)} {own}; do
[ -r "$__file" ] && {{ export SSL_CERT_FILE="$__file"; break; }}
done
fi
""".encode()
