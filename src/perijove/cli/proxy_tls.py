"""The TLS part of the proxy's record, and whether its files can be used."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from perijove.config.listen import parse_listen
from perijove.config.load import Loaded
from perijove.config.problems import Path as Place
from perijove.config.problems import Problems
from perijove.config.section import Secret
from perijove.domain.errors import SettingsError
from perijove.proxy.certfiles import CertificateFiles, UnusableFilesError
from perijove.proxy.certificates import Certificates, server_context
from perijove.proxy.settings import ProxySettings
from perijove.proxy.tls import upstream_context
from perijove.proxy.tlsdemands import TlsDemands

_log = logging.getLogger("perijove.proxy.tls")


def with_tls(settings: ProxySettings, loaded: Loaded) -> ProxySettings:
    """With what [proxy] says about TLS. Raises SettingsError for a passphrase that has vanished."""
    hub, proxy = loaded.settings.hub, loaded.settings.proxy

    def path(name: str) -> str:
        return str(loaded.folder / Path(name).expanduser()) if name else ""

    def secret(given: Secret | None) -> str:
        return loaded.secret(given) if given is not None else ""

    plain = parse_listen(proxy.redirect_listen) if proxy.redirect_listen else None
    public = urlsplit(hub.public_address)
    return replace(
        settings,
        tls_cert=path(proxy.tls_cert),
        tls_key=path(proxy.tls_key),
        tls_key_password=secret(proxy.tls_key_passphrase),
        certificates=tuple(
            CertificateFiles(cert=path(entry.cert), key=path(entry.key), password=secret(entry.passphrase)) for entry in proxy.certificates
        ),
        tls_demands=TlsDemands(
            request_cert=proxy.tls_client_cert != "off",
            reject_unauthorized=proxy.tls_client_cert == "required",
            client_ca=path(proxy.tls_client_ca),
            min_version=proxy.tls_min_version,
        ),
        hsts_max_age_s=int(proxy.hsts_max_age),
        hsts_subdomains=proxy.hsts_subdomains,
        redirect_host=plain.host if plain is not None else "",
        redirect_port=plain.port if plain is not None else None,
        redirect_to=public.port or 443 if public.scheme == "https" else 0,
        acme_folder=path(proxy.acme_folder),
        upstream_ca=path(proxy.upstream_ca),
        upstream_cert=path(proxy.upstream_cert),
        upstream_key=path(proxy.upstream_key),
        upstream_verify=proxy.upstream_verify,
    )


def check_tls_files(loaded: Loaded) -> None:
    """Read all files that TLS needs; logs what will soon have to be renewed. Raises SettingsError with one line per mistake."""
    settings = with_tls(ProxySettings(), loaded)
    problems = Problems()

    def attempt(place: Place, work: Callable[[], object]) -> None:
        try:
            work()
        except UnusableFilesError as error:
            problems.add(("proxy", *place), str(error))

    attempt(("tls_client_ca",), lambda: server_context(settings.tls_demands))
    short = len(settings.all_certificates) - len(settings.certificates)
    usable: list[Certificates] = []
    for index, files in enumerate(settings.all_certificates):
        attempt(
            ("tls_cert",) if index < short else ("certificates", index - short, "cert"),
            lambda files=files: usable.append(Certificates((files,), TlsDemands(), time.time())),  # type: ignore[misc]
        )
    _warn_of_uncovered(loaded, usable)
    attempt(("upstream_ca",), lambda: upstream_context(replace(settings, upstream_cert="")))
    attempt(("upstream_cert",), lambda: upstream_context(replace(settings, upstream_ca="")))
    if settings.acme_folder and not Path(settings.acme_folder).is_dir():
        problems.add(("proxy", "acme_folder"), f"{settings.acme_folder} is not a folder", "Make it: ACME clients write into it.")
    if problems:
        raise SettingsError(problems.report(loaded.name, loaded.text))


def _warn_of_uncovered(loaded: Loaded, usable: Sequence[Certificates]) -> None:
    """In subdomain mode browsers go to the hub's host and to those below it."""
    domain = urlsplit(loaded.settings.hub.subdomain_host).hostname
    for name, shown in ((domain, domain), (f"somebody.{domain}", f"*.{domain}")) if domain and usable else ():
        if not any(certificates.certificate_for(name) for certificates in usable):
            _log.warning("no certificate is for %s: browsers will warn people of it. Get one for %s and *.%s.", shown, domain, domain)
