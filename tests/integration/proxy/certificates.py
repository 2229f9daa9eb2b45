"""Certificates for a test, and a client that looks at them."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .raw_http import Client


def make_certificate(name: str, *names: str) -> tuple[bytes, bytes]:
    """(certificate, key), both PEM, signed by itself; `names`: hosts and addresses instead of localhost."""
    hosts = [x509.IPAddress(ip_address(text)) if text[0].isdigit() else x509.DNSName(text) for text in names or ("localhost",)]
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM), private


def write_certificate(folder: Path, name: str, *names: str) -> tuple[str, str]:
    """Paths of NAME.pem and NAME.key."""
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    for path, content in zip(paths, make_certificate(name, *names), strict=True):
        path.write_bytes(content)
    return str(paths[0]), str(paths[1])


def careless() -> ssl.SSLContext:
    """For a client that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def tls_client(port: int, context: ssl.SSLContext | None = None, host: str | None = None) -> Client:
    """`host`: the name to ask for."""
    return Client(*await asyncio.open_connection("127.0.0.1", port, ssl=context or careless(), server_hostname=host or "127.0.0.1"))


def name_shown(client: Client) -> str:
    """The common name in the certificate that this client was shown."""
    shown = client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    (common,) = x509.load_der_x509_certificate(shown).subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(common.value)


async def tls_name(port: int, host: str | None = None) -> str:
    """Ask for something by TLS; whose certificate was shown."""
    client = await tls_client(port, host=host)
    assert (await client.ask(b"GET /hub/home HTTP/1.1\r\nHost: h\r\n\r\n")).status == 200
    client.abort()
    return name_shown(client)
