"""Certificates of an authority of their own, as the machines of a cluster have them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bundle.run.cluster.library import Tls


@dataclass(frozen=True)
class Authority:
    """An authority, whose files are in a folder."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls, folder: Path) -> Authority:
        """Make an authority."""
        folder.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("authority")
        certificate = _builder(name, name, key).add_extension(x509.BasicConstraints(True, 0), critical=True)
        made = cls(folder, key, certificate.sign(key, hashes.SHA256()))
        (folder / "ca.pem").write_bytes(made.certificate.public_bytes(serialization.Encoding.PEM))
        return made

    def issue(self, name: str, *, days: int = 1) -> Tls:
        """Return the files of a machine on loopback.

        Args:
            days: until its certificate has expired.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = _builder(_name(name), self.certificate.subject, key, days=days)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        cert, own = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        cert.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8
        own.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        return Tls(ca_file=self.folder / "ca.pem", cert=cert, key=own)


def options_of(tls: Tls) -> list[str]:
    """Return the options that name the files."""
    return ["--tls-ca-file", str(tls.ca_file), "--tls-cert", str(tls.cert), "--tls-key", str(tls.key)]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int = 1
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
    )
