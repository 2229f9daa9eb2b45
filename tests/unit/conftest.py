"""Certificates made on the spot."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from perijove.proxy.certfiles import CertificateFiles

MakePair = Callable[..., CertificateFiles]


@pytest.fixture
def make_pair(tmp_path: Path) -> MakePair:
    """Write NAME.pem and NAME.key, for these host names and addresses."""

    def make(name: str, *names: str, days: int = 90, password: str = "") -> CertificateFiles:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=100))
            .not_valid_after(now + timedelta(days=days))
        )
        if names:
            said = [x509.IPAddress(ip_address(text)) if text[-1].isdigit() or ":" in text else x509.DNSName(text) for text in names]
            builder = builder.add_extension(x509.SubjectAlternativeName(said), critical=False)
        files = CertificateFiles(cert=str(tmp_path / f"{name}.pem"), key=str(tmp_path / f"{name}.key"), password=password)
        Path(files.cert).write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        locked = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        Path(files.key).write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
        return files

    return make
