"""Certificates for tests: an authority, and what it issues."""

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


class Issued:
    """A certificate and its key, as files with the paths `certificate` and `key`."""

    def __init__(
        self, folder: Path, name: str, made: x509.Certificate, key: ec.EllipticCurvePrivateKey
    ) -> None:
        self.certificate, self.key = str(folder / f"{name}.pem"), str(folder / f"{name}.key")
        Path(self.certificate).write_bytes(made.public_bytes(serialization.Encoding.PEM))
        self.write_key(key, serialization.NoEncryption())
        self.private = key

    def write_key(
        self, key: ec.EllipticCurvePrivateKey, protection: serialization.KeySerializationEncryption
    ) -> None:
        """Write a key to the file of the key."""
        written = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
        Path(self.key).write_bytes(written)

    def server(self, client_ca: str | None = None) -> ssl.SSLContext:
        """Return the context of a server; `client_ca`: its clients need a certificate of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Authority:
    """An authority. `ca`: the file with its certificate."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder, self.name = folder, x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        made = self._signed(self.name, self.key, NOW + DAY, x509.BasicConstraints(True, None))
        self.ca = Issued(folder, name, made, self.key).certificate

    def issue(self, name: str, host: str = "localhost", *, expired: bool = False) -> Issued:
        """Return a certificate for a host and for 127.0.0.1. `name`: of its files."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        names = x509.SubjectAlternativeName([x509.DNSName(host), address])
        end = NOW - DAY / 2 if expired else NOW + DAY
        return Issued(self.folder, name, self._signed(subject, key, end, names), key)

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        end: datetime.datetime,
        extension: x509.ExtensionType,
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(NOW - DAY).not_valid_after(end)
        return builder.add_extension(extension, critical=False).sign(self.key, hashes.SHA256())
