"""
Google's token and BigQuery services on loopback, behind a proxy and an authority of their own: the real client signs in with a
key, and what it sends is kept. Every query has the one row.
"""

from __future__ import annotations

import datetime as dt
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

TOKEN: Final = "token-not-in-any-message"
VALUE: Final = "value-not-in-any-message"
_HOSTS: Final = ("oauth2.googleapis.com", "bigquery.googleapis.com")


@dataclass(slots=True)
class GoogleCloud:
    """*fault* is None, or the path that fails from now on, the status, and the body's text. *jobs* are the queries sent."""

    key_file: Path
    environ: dict[str, str] = field(default_factory=dict)
    fault: tuple[str, int, str] | None = None
    jobs: list[Mapping[str, Any]] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)

    @property
    def secrets(self) -> list[bytes]:
        """The token, and the lines of the key as they are in its file."""
        key = json.loads(self.key_file.read_text())["private_key"]
        return [TOKEN.encode(), *(line.encode() for line in key.splitlines() if not line.startswith("-"))]


@contextmanager
def serving_google_cloud(folder: Path) -> Iterator[GoogleCloud]:
    """Serve while the block runs; the key and the certificate are written to *folder*."""
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = folder / "certificate.pem"
    certificate.write_bytes(pem + _certificate(key).public_bytes(serialization.Encoding.PEM))
    cloud = GoogleCloud(folder / "key.json")
    account = {
        "type": "service_account",
        "project_id": "shop",
        "private_key_id": "1",
        "private_key": pem.decode(),
        "client_email": "reader@shop.iam.gserviceaccount.com",
        "token_uri": f"https://{_HOSTS[0]}/token",
    }
    cloud.key_file.write_text(json.dumps(account))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Handler(_Handler):
        served = cloud
        tls = context

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    cloud.environ |= {
        "GOOGLE_APPLICATION_CREDENTIALS": str(cloud.key_file),
        "HTTPS_PROXY": f"http://127.0.0.1:{server.server_port}",
        "REQUESTS_CA_BUNDLE": str(certificate),
    }
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield cloud
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in _HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


class _Handler(BaseHTTPRequestHandler):
    served: GoogleCloud
    tls: ssl.SSLContext
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.connection = self.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # the server knows the one without TLS only

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/token":
            self._answer({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})
            return
        self.served.authorizations.add(self.headers.get("Authorization", ""))
        job = json.loads(body)
        self.served.jobs.append(job)
        table = {"projectId": "shop", "datasetId": "_found", "tableId": "found"}
        query = {**job["configuration"]["query"], "destinationTable": table}
        self._answer(
            {
                "jobReference": job["jobReference"],
                "configuration": {"query": query, "jobType": "QUERY"},
                "status": {"state": "DONE"},
                "statistics": {"query": {"statementType": "SELECT"}},
            }
        )

    def do_GET(self) -> None:
        """Answer for the rows of the latest query."""
        job = self.served.jobs[-1]
        has_row = not job["configuration"]["query"]["query"].endswith("LIMIT 0")
        self._answer(
            {
                "jobComplete": True,
                "jobReference": job["jobReference"],
                "schema": {"fields": [{"name": name, "type": "STRING"} for name in ("id", "tier")]},
                "totalRows": str(int(has_row)),
                "rows": [{"f": [{"v": "u01"}, {"v": "gold"}]}] if has_row else [],
            }
        )

    def _answer(self, answer: Mapping[str, Any]) -> None:
        status, text = 200, json.dumps(answer)
        fault = self.served.fault
        if fault is not None and self.path.startswith(fault[0]):
            _, status, text = fault
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())
