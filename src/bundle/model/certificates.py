"""Where the certificates lie that OpenSSL trusts, system by system: data, no code."""

from __future__ import annotations

SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/cacert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
)
"""Files with all certificates that a system trusts, in the order in which they are tried: Debian's, Fedora's (two
places), SUSE's, that of Alpine and macOS, OpenELEC's, and the one of FreeBSD's ports."""

SYSTEM_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""The variables by which a user tells OpenSSL where to look."""

CERTIFI = "certifi/cacert.pem"
"""The certificates of the package certifi, relative to site-packages."""

LAUNCHER_PART = "certificates.sh"
"""The shell script beside the standard library that the headers of console scripts read."""
