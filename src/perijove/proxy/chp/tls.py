"""TLS of the listeners that the drop-in's command line describes."""

import ssl

from perijove.proxy.chp.settings import ServerTls


def server_context(tls: ServerTls) -> ssl.SSLContext:
    """Raises OSError or ssl.SSLError if what it names cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(tls.cert, tls.key or None, lambda: tls.password)
    demand(context, tls)
    return context


def demand(context: ssl.SSLContext, tls: ServerTls) -> None:
    """Ask of clients, and of the connection, what was configured."""
    if tls.request_cert:
        context.verify_mode = ssl.CERT_REQUIRED if tls.reject_unauthorized else ssl.CERT_OPTIONAL
        if tls.client_ca:
            context.load_verify_locations(tls.client_ca)
        else:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    if tls.ciphers:
        context.set_ciphers(tls.ciphers)
    if tls.dhparam:
        context.load_dh_params(tls.dhparam)
    if tls.protocol:
        version = ssl.TLSVersion[tls.protocol]
        context.minimum_version = context.maximum_version = version
