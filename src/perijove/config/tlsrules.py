"""What belongs together among the settings of TLS."""

from perijove.config.listen import parse_listen
from perijove.config.problems import Problems
from perijove.config.settings import ProxySection


def check_tls(proxy: ProxySection, public_url: str, problems: Problems) -> None:
    """Add a problem for each rule that does not hold. The files themselves are not looked at: only a proxy can read them."""
    ends_here = proxy.ends_tls
    if bool(proxy.tls_cert) != bool(proxy.tls_key):
        problems.add(("proxy", "tls_cert" if proxy.tls_cert else "tls_key"), "tls_cert and tls_key go together: set both or neither")
    if proxy.tls_key_passphrase is not None and not proxy.tls_key:
        problems.add(("proxy", "tls_key_passphrase"), "is of no use without tls_key")
    if proxy.tls_client_cert != "off" and not ends_here:
        problems.add(("proxy", "tls_client_cert"), "needs tls_cert and tls_key: visitors show certificates where TLS ends")
    if (proxy.tls_client_cert != "off") != bool(proxy.tls_client_ca):
        problems.add(
            ("proxy", "tls_client_ca" if proxy.tls_client_ca else "tls_client_cert"),
            'tls_client_cert ("optional" or "required") and tls_client_ca go together: set both or neither',
        )
    if proxy.hsts_max_age and not ends_here:
        problems.add(("proxy", "hsts_max_age"), "needs tls_cert and tls_key", "Where a load balancer ends TLS, it has to tell browsers.")
    if proxy.hsts_subdomains and not proxy.hsts_max_age:
        problems.add(("proxy", "hsts_subdomains"), "is of no use without hsts_max_age")
    if proxy.upstream_key and not proxy.upstream_cert:
        problems.add(("proxy", "upstream_key"), "is of no use without upstream_cert")
    _redirect(proxy, ends_here or public_url.startswith("https:"), problems)


def _redirect(proxy: ProxySection, somewhere: bool, problems: Problems) -> None:
    """`somewhere`: there is an https address to send people to."""
    if proxy.acme_folder and not proxy.redirect_listen:
        problems.add(("proxy", "acme_folder"), "is of no use without redirect_listen", 'Authorities look at port 80: redirect_listen = "0.0.0.0:80".')
    if not proxy.redirect_listen:
        return
    try:
        listen = parse_listen(proxy.redirect_listen)
    except ValueError as error:
        problems.add(("proxy", "redirect_listen"), str(error))
        return
    if listen.path:
        problems.add(("proxy", "redirect_listen"), "must be host:port, not a unix socket")
    elif listen.port and proxy.redirect_listen == proxy.listen:
        problems.add(("proxy", "redirect_listen"), "is the same as listen", "TLS and plain HTTP need a port each.")
    if not somewhere:
        problems.add(("proxy", "redirect_listen"), "needs tls_cert and tls_key, or a public_url with https: there is nothing to send people to")
