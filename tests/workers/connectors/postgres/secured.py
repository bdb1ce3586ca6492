"""A PostgreSQL 15 that lets in by TLS and SCRAM only, and a hot standby of it without TLS."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.ports import free_ports
from tests.support.postgres15 import Programs, place_of_postgres15

PASSWORD = "geheim: das Passwort"
_HBA = """\
local all all trust
local replication all trust
hostssl all all 127.0.0.1/32 scram-sha-256
"""
_STANDBY = ("max_standby_streaming_delay=0", "wal_retrieve_retry_interval=100ms", "hot_standby_feedback=off")


class Pair(NamedTuple):
    """Both in one folder, each with a database `postgres`; the certificate is of localhost by name only."""

    folder: Path
    port: int
    standby_port: int

    @property
    def primary(self) -> str:
        """By its socket, where everybody is trusted."""
        return f"postgresql://postgres@/postgres?host={self.folder}&port={self.port}"

    @property
    def standby(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.folder}&port={self.standby_port}"

    def by_network(self, mode: str, *, host: str = "localhost", ca: str = "ca", standby: bool = False) -> str:
        port = self.standby_port if standby else self.port
        root = f"&sslrootcert={self.folder}/{ca}.pem" if ca else ""
        return f"postgresql://reader@{host}:{port}/postgres?sslmode={mode}{root}"


@contextmanager
def start_pair() -> Iterator[Pair]:
    with place_of_postgres15() as programs:
        pair = Pair(programs.folder, *free_ports(2))
        data = programs.make("primary")
        (data / "pg_hba.conf").write_text(_HBA)
        _certify(programs)
        folder = programs.folder
        tls = (
            "ssl=on",
            f"ssl_cert_file={folder}/server.pem",
            f"ssl_key_file={folder}/server.key",
            "listen_addresses=127.0.0.1",
        )
        with programs.serving(data, *tls, port=pair.port):
            standby = folder / "standby"
            base = ("-h", folder, "-p", str(pair.port), "-U", "postgres", "--checkpoint=fast")
            programs.call("pg_basebackup", "-D", standby, "-R", "--no-sync", *base)
            open_to_network = ("ssl=off", "listen_addresses=127.0.0.1")
            with programs.serving(standby, *_STANDBY, *open_to_network, port=pair.standby_port):
                yield pair


def _certify(programs: Programs) -> None:
    """A CA of our own, a certificate of localhost by it, and a CA that has nothing to do with either."""
    ca_key, ca = _ca("etl tests")
    _, stranger = _ca("another")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _of("localhost", "etl tests", key)
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]
            ),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    for name, content in (
        ("ca.pem", ca.public_bytes(pem)),
        ("stranger.pem", stranger.public_bytes(pem)),
        ("server.pem", certificate.public_bytes(pem)),
        ("server.key", key.private_bytes(pem, form, serialization.NoEncryption())),
    ):
        path = programs.folder / name
        path.write_bytes(content)
        if name.startswith("server"):
            path.chmod(0o600)
            if "user" in programs.run:
                os.chown(path, programs.run["user"], programs.run["group"])


def _ca(name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    made = (
        _of(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, made


def _of(name: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
    )
