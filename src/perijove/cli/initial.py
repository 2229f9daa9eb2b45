"""The configuration file that `perijove init` writes."""

_HEAD = """\
# Perijove's configuration. `perijove check` reads it and lists every mistake; docs/reference/settings.md explains every setting.
# What is commented out shows the default. Secrets never need to stand here: write { env = "NAME" } or { file = "path" }.

[proxy]
# Where people come in. To be reached from other machines: "0.0.0.0:8000", and tls_cert and tls_key, or a TLS proxy before it.
listen = "127.0.0.1:8000"
# tls_cert = "/etc/perijove/cert.pem"
# tls_key = "/etc/perijove/key.pem"

[hub]
# Where servers and the proxy reach the hub. Keep it on loopback on a single machine.
listen = "127.0.0.1:8081"
# public_url = "https://jupyter.example.org"
# A host for each person below this one, e.g. ada.jupyter.example.org; needs wildcard DNS (docs/howto/subdomains.md).
# subdomain_host = "https://jupyter.example.org"
# base_url = "/"
# Where the database, keys and logs are kept; "state" beside this file if not set.
# state_dir = "state"

[store]
# url = "sqlite:///perijove.sqlite"            # or:
# url = { env = "PERIJOVE_DATABASE_URL" }      # postgresql://user:password@host/name
"""

_AUTHENTICATOR = """
[authenticator]
# accounts: passwords kept by Perijove, people come by invitation; the first start prints a link for the first administrator.
# pam:      the machine's own accounts.
# dummy:    anybody, any password; for trying out on this machine only.
use = "accounts"

[access]
# Nobody is allowed by default. Accounts made by invitation are; people from elsewhere (pam) need a rule:
# allow_all = false
# allowed_users = ["ada"]
# allowed_groups = ["students"]
# admin_users = ["ada"]
# blocked_users = []
"""

_SPAWNER = """
[spawner]
use = "local"
{command}{account}
# memory_limit = "2G"
# cpu_limit = 1.0

[limits]
# concurrent_starts = 100          # 0 lifts a limit
# active_servers = 0
# named_servers_per_user = 0
# start_timeout = "60s"

[cull]
# idle_after = "1h"                # 0: never
# max_age = "7d"

# A program with a token of its own, and what it may do:
# [[services]]
# name = "reports"
# api_token = {{ env = "REPORTS_TOKEN" }}
#
# [[roles]]
# name = "reports"
# services = ["reports"]
# scopes = ["list:users", "read:hub"]
"""

_ROOT_ACCOUNT = """\
# Started as root, each server runs as a Unix account. People of the hub get one of their own, named jupyter-NAME, made when
# they first start a server. With PAM, take account = "{username}" and create_accounts = false.
account = "jupyter-{username}"
create_accounts = true
"""

_USER_ACCOUNT = """\
# Started by an ordinary user, all servers run as that user, each person in a folder of their own. There is no wall between
# them: share such a hub only with people you trust.
"""


def initial_text(*, server_command: str, as_root: bool) -> str:
    """The file's text. `server_command` "" leaves the command to be found."""
    quoted = server_command.replace("\\", "\\\\").replace('"', '\\"')
    command = f'command = "{quoted}"\n' if server_command else '# command = "perijove-singleuser"   # or jupyterhub-singleuser\n'
    account = _ROOT_ACCOUNT if as_root else _USER_ACCOUNT
    return _HEAD + _AUTHENTICATOR + _SPAWNER.format(command=command, account=account)
