"""TLS of connections to databases: PEM texts as each driver takes them."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

from repman.streams.job import Tls, TlsMode


@contextlib.contextmanager
def _files(tls: Tls) -> Iterator[dict[str, str]]:
    """The PEM texts as files that only we can read, for as long as the block lasts; by name, those that are given."""
    with tempfile.TemporaryDirectory(prefix="repman-tls-") as directory:
        made = {}
        for name, text in (("ca", tls.authority), ("cert", tls.certificate), ("key", tls.key)):
            if text:
                path = Path(directory, name)
                path.touch(mode=0o600)
                path.write_text(text)
                made[name] = str(path)
        yield made


def context(tls: Tls) -> ssl.SSLContext | None:
    """What PyMySQL takes; None without TLS.  Raises ssl.SSLError when a certificate or key cannot be read."""
    if tls.mode is TlsMode.DISABLED:
        return None
    made = ssl.create_default_context(cadata=tls.authority or None)
    made.check_hostname = tls.mode is TlsMode.VERIFY_FULL
    if tls.mode is TlsMode.REQUIRE:
        made.verify_mode = ssl.CERT_NONE
    if tls.certificate:
        with _files(tls) as files:
            made.load_cert_chain(files["cert"], files.get("key"))
    return made


@contextlib.contextmanager
def libpq_parameters(tls: Tls) -> Iterator[dict[str, str]]:
    """What libpq takes; its files are there as long as the block lasts, which a connection is made in."""
    if tls.mode is TlsMode.DISABLED:
        yield {"sslmode": "disable"}
        return
    with _files(tls) as files:
        names = {"ca": "sslrootcert", "cert": "sslcert", "key": "sslkey"}
        yield {"sslmode": tls.mode.value, **{names[name]: path for name, path in files.items()}}
