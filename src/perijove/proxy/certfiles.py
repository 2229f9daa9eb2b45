"""A certificate and its key as files: what they are good for, and in plain words why not."""

import logging
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import types
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

_log = logging.getLogger("perijove.proxy.tls")
_KEY = re.compile(rb"-----BEGIN ((?:[A-Z]+ )*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)
_SOON_S: Final = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """Paths, both PEM."""

    cert: str
    """The certificate, and behind it those that lead to a known authority."""
    key: str = ""
    """Empty: the key is in `cert`, too."""
    password: str = field(default="", repr=False)
    """Of the key, if it has one."""


class UnusableFilesError(ValueError):
    """One sentence that names the file, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a certificate says of itself."""

    names: tuple[str, ...]
    """In lower case: host names, "*.example.org" for all one level below, and IP addresses."""
    until: float
    """Seconds since the epoch."""
    since: float

    def warn(self, path: str, now: float) -> None:
        """Log what visitors would complain about, soon or already."""
        if self.until <= now:
            _log.warning("the certificate in %s has expired: browsers will refuse it; renew it, it is read again by itself", path)
        elif self.until <= now + _SOON_S:
            _log.warning("the certificate in %s expires in %.0f hours: renew it, it is read again by itself", path, (self.until - now) / 3600)
        elif self.since > now + 60:
            _log.warning("the certificate in %s is not valid yet: look at this machine's clock, or at who made it", path)


def examine(files: CertificateFiles) -> Promise:
    """Read both and see that they fit. Raises UnusableFilesError."""
    chain = read_pem(files.cert, "certificate")
    try:
        certificate = x509.load_pem_x509_certificates(chain)[0]
        public = certificate.public_key()
        names = _names(certificate)
    except ValueError:
        raise UnusableFilesError(
            f"{files.cert} holds no usable certificate: it must be whole and in PEM form (-----BEGIN CERTIFICATE-----), the server's own first"
        ) from None
    except Exception as error:  # noqa: BLE001 - cryptography has errors of its own for keys and extensions it does not know
        raise UnusableFilesError(f"the certificate in {files.cert} is not understood ({error}): get one with an RSA or ECDSA key") from None
    where = files.key or files.cert
    private = _private_key(where, read_pem(where, "key") if files.key else chain, files.password)
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if private.public_key().public_bytes(*form) != public.public_bytes(*form):
        raise UnusableFilesError(f"the key in {where} does not belong to the certificate in {files.cert}: name the two that were made together")
    return Promise(names, certificate.not_valid_after_utc.timestamp(), certificate.not_valid_before_utc.timestamp())


def load_into(context: ssl.SSLContext, files: CertificateFiles) -> None:
    """Raises UnusableFilesError, for what `examine` cannot see."""
    try:
        # Told also where there is none: OpenSSL would ask at the terminal.
        context.load_cert_chain(files.cert, files.key or None, lambda: files.password)
    except OSError as error:  # ssl.SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or error
        raise UnusableFilesError(f"the certificate in {files.cert} cannot be used with {files.key or 'its key'} (OpenSSL says {reason})") from None


def read_pem(path: str, what: str) -> bytes:
    """Raises UnusableFilesError."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        remedy = "let the proxy's user read it" if isinstance(error, PermissionError) else "correct the path, or put it there"
        raise UnusableFilesError(f"the {what} {path} cannot be read ({error.strerror}): {remedy}") from None


def _private_key(path: str, text: bytes, password: str) -> types.PrivateKeyTypes:
    found = _KEY.search(text)
    if found is None:
        raise UnusableFilesError(
            f"{path} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----): name the key that was made with the certificate"
        )
    try:
        try:
            return load_pem_private_key(found[0], None, unsafe_skip_rsa_key_validation=True)
        except TypeError:  # it is encrypted
            if not password:
                raise UnusableFilesError(f"the key {path} is encrypted: give its passphrase") from None
            return load_pem_private_key(found[0], password.encode(), unsafe_skip_rsa_key_validation=True)
    except UnusableFilesError:
        raise
    except Exception as error:  # noqa: BLE001 - cryptography tells of unknown kinds of keys by errors of its own
        said = "its passphrase is wrong, or it is damaged" if password else f"it is damaged, or of an unknown kind: {error}"
        raise UnusableFilesError(f"the key {path} cannot be read: {said}") from None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Raises ValueError for broken extensions."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return tuple(str(name.value).lower() for name in common)
    names = [name.lower().rstrip(".") for name in found.get_values_for_type(x509.DNSName)]
    return (*names, *(str(address) for address in found.get_values_for_type(x509.IPAddress)))
