"""Keys cross networks encrypted, or not at all: TLS with a private authority, directly and through a proxy."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from leanplum_sync.client.http import HttpTransport, Request
from leanplum_sync.errors import NotSentError

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a fresh key and a certificate for 127.0.0.1 that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


class Peer:
    """Serves one TLS request after another, behind a ``CONNECT`` if one comes first; *seen* is in order."""

    def __init__(self, listening: socket.socket, certificate: Path) -> None:
        self.port: int = listening.getsockname()[1]
        self.seen: list[str] = []
        self._listening = listening
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)

    def serve(self) -> None:
        while True:
            try:
                plain, _ = self._listening.accept()
            except OSError:
                return
            with plain:
                self._answer(plain)

    def _answer(self, plain: socket.socket) -> None:
        try:
            if plain.recv(1, socket.MSG_PEEK) == b"C":
                _read_until(plain, b"\r\n\r\n")
                self.seen.append("CONNECT")
                plain.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with self._context.wrap_socket(plain, server_side=True) as secure:
                self.seen.append("TLS")
                if _read_until(secure, b"}"):
                    self.seen.append("request")
                    secure.sendall(ANSWER)
        except OSError:
            self.seen.append("failed")


def _read_until(connection: socket.socket, end: bytes) -> bytes:
    """Read what may come in several pieces; less than that, if the other side stops."""
    seen = b""
    while not seen.endswith(end) and (piece := connection.recv(65536)):
        seen += piece
    return seen


@pytest.fixture
def peer(certificate: Path) -> Iterator[Peer]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = Peer(listening, certificate)
        thread = threading.Thread(target=peer.serve)
        thread.start()
        yield peer
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def send(url: str, peer: Peer) -> int:
    with HttpTransport(read_timeout_seconds=5) as transport:
        request = Request("POST", f"{url}/api", b'{"clientKey":"x"}')
        return transport.send(request, lambda: peer.seen.append("word")).status


def test_a_private_authority_is_trusted_when_the_environment_says_so(
    peer: Peer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert send(f"https://127.0.0.1:{peer.port}", peer) == 200
    assert peer.seen.index("word") < peer.seen.index("request")


def test_an_unknown_authority_is_sent_nothing(peer: Peer) -> None:
    with pytest.raises(NotSentError, match="TLS"):
        send(f"https://127.0.0.1:{peer.port}", peer)
    assert "word" not in peer.seen
    assert "request" not in peer.seen


def test_through_a_proxy_the_last_word_comes_after_the_tunnel_stands(
    peer: Peer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{peer.port}")
    monkeypatch.setenv("NO_PROXY", "")
    assert send("https://127.0.0.1:1", peer) == 200
    assert peer.seen[0] == "CONNECT"
    assert 1 <= peer.seen.index("word") < peer.seen.index("request")
