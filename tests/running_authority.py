"""A real RFC 3161 authority: OpenSSL's ``ts`` with a CA of its own behind a tiny HTTP server."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import which

CONFIGURATION = """
[req]
distinguished_name = name
prompt = no
[name]
CN = {name} root
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[stamping]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[issuing]
database = index
new_certs_dir = .
rand_serial = yes
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = subject
[subject]
commonName = supplied
[authority]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
default_policy = 1.3.6.1.4.1.32473.1
digests = sha256
signer_digest = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""


def openssl_stamps() -> bool:
    """Whether there is an OpenSSL here that can answer time-stamp requests."""
    command = which("openssl")
    if command is None:
        return False
    return (
        subprocess.run([command, "ts", "-help"], capture_output=True, check=False).returncode == 0
    )


@dataclass
class RunningAuthority:
    """An authority in a directory of its own; ``answer`` replaces what it says, where set."""

    directory: Path
    name: str
    requests: list[bytes] = field(default_factory=list)
    status: int = HTTPStatus.OK
    media_type: str = "application/timestamp-reply"
    answer: bytes | None = None
    _server: ThreadingHTTPServer | None = None

    @property
    def ca(self) -> Path:
        """The certificate of its CA."""
        return self.directory / "ca.pem"

    @property
    def own(self) -> Path:
        """Its own certificate."""
        return self.directory / "tsa.pem"

    @property
    def url(self) -> str:
        """Where it answers."""
        if self._server is None:
            raise AssertionError("the authority does not run")
        return f"http://127.0.0.1:{self._server.server_port}/tsa"

    def openssl(self, *arguments: str) -> None:
        """Run OpenSSL in its directory."""
        subprocess.run(["openssl", *arguments], cwd=self.directory, capture_output=True, check=True)

    def query(self, text: bytes) -> bytes:
        """OpenSSL's own request over a text."""
        given = ["openssl", "ts", "-query", "-data", "/dev/stdin", "-sha256", "-cert"]
        return subprocess.run(given, input=text, capture_output=True, check=True).stdout

    def reply(self, query: bytes) -> bytes:
        """What OpenSSL answers to a request."""
        with tempfile.TemporaryDirectory(dir=self.directory) as scratch:
            asked, answered = Path(scratch) / "query", Path(scratch) / "reply"
            asked.write_bytes(query)
            self.openssl(
                *("ts", "-reply", "-config", "tsa.cnf", "-section", "authority"),
                *("-queryfile", str(asked), "-out", str(answered)),
            )
            return answered.read_bytes()

    def start(self) -> None:
        """Serve."""
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = self.rfile.read(int(self.headers["Content-Length"]))
                authority.requests.append(query)
                answer = authority.answer or authority.reply(query)
                self.send_response(authority.status)
                self.send_header("Content-Type", authority.media_type)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def new_authority(
    directory: Path, name: str, *, days: tuple[int, int] = (0, 3650)
) -> RunningAuthority:
    """Make a CA and an authority under it; ``days``: from when to when, from today."""
    directory.mkdir(parents=True)
    one = RunningAuthority(directory, name)
    (directory / "tsa.cnf").write_text(CONFIGURATION.format(name=name))
    (directory / "serial").write_text("01\n")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "tsa.cnf")
    one.openssl(
        *("req", "-x509", *key, "-extensions", "ca", "-days", "3650"),
        *("-keyout", "ca.key", "-out", "ca.pem"),
    )
    one.openssl("req", *key, "-subj", f"/CN={name}", "-keyout", "tsa.key", "-out", "tsa.csr")
    (directory / "index").touch()
    first, last = (datetime.now(UTC) + timedelta(days=day) for day in days)
    one.openssl(
        *("ca", "-batch", "-config", "tsa.cnf", "-name", "issuing", "-in", "tsa.csr"),
        *("-extensions", "stamping", "-notext", "-out", "tsa.pem"),
        *("-startdate", f"{first:%Y%m%d%H%M%SZ}", "-enddate", f"{last:%Y%m%d%H%M%SZ}"),
    )
    return one
