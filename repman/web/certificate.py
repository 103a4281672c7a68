"""The certificate of the HTTPS port: the configured one, or one of our own that is kept in the data directory."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import secrets
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from repman.config.settings import ServiceSettings
from repman.errors import ConfigError, StateError

PRIVATE = "api-tls.pem"
"""Key and certificate of our own, in the data directory, for their owner only."""
PUBLIC = "api-tls.crt"
"""The certificate alone, for clients that pin it."""

_YEARS = 10
_WILDCARDS = ("0.0.0.0", "::", "")


def tls_context(service: ServiceSettings) -> ssl.SSLContext:
    """What `api-port` is served with; makes a certificate at first use.

    Raises ConfigError when the configured certificate cannot be used, StateError when our own cannot be kept.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if service.ssl_cert is not None:
        try:
            context.load_cert_chain(service.ssl_cert, service.ssl_key, password="")
        except (OSError, ValueError) as error:
            sentence = (
                f"monitoring-ssl-cert {service.ssl_cert} with monitoring-ssl-key {service.ssl_key} cannot be used: "
                f"{error}; both must be readable PEM files that belong together, the key without a password"
            )
            raise ConfigError([sentence]) from error
        return context
    path = service.datadir / PRIVATE
    try:
        if not path.exists():
            _make(service.datadir, service.api_bind)
        context.load_cert_chain(path)
    except OSError as error:
        raise StateError(f"{path} cannot be used: {error}; remove it, and a new certificate is made") from error
    return context


def _make(directory: Path, bind: str) -> None:
    """Write both files; whoever comes first wins, and everybody uses the same."""
    directory.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(key, _names(bind))
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with _draft(directory, 0o600, private + public) as draft:
        try:
            os.link(draft, directory / PRIVATE)
        except FileExistsError:
            return
    with _draft(directory, 0o644, public) as draft:
        os.replace(draft, directory / PUBLIC)


def _signed(key: ec.EllipticCurvePrivateKey, names: list[x509.GeneralName]) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "repman")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )


def _names(bind: str) -> list[x509.GeneralName]:
    """Under what clients may know us: this host, the local ones, and where the port is bound to."""
    hosts = {"localhost", socket.gethostname(), socket.getfqdn()}
    addresses = {"127.0.0.1", "::1"}
    if bind not in _WILDCARDS:
        try:
            addresses.add(str(ipaddress.ip_address(bind)))
        except ValueError:
            hosts.add(bind)
    found: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(address)) for address in sorted(addresses)]
    return found + [x509.DNSName(host) for host in sorted(hosts) if host.isascii() and 0 < len(host) < 64]


@contextlib.contextmanager
def _draft(directory: Path, mode: int, document: bytes) -> Iterator[Path]:
    """A file of that mode, whole and on disk, which is gone afterwards unless it was moved."""
    path = directory / f".api-tls.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        yield path
    finally:
        path.unlink(missing_ok=True)
