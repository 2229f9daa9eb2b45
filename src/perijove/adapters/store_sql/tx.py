"""One transaction: the repositories over one link. Made once per link, because a link runs one transaction at a time."""

from perijove.adapters.store_sql.audit import SqlAudit
from perijove.adapters.store_sql.groups import SqlGroups
from perijove.adapters.store_sql.invitations import SqlInvitations
from perijove.adapters.store_sql.leases import SqlLeases
from perijove.adapters.store_sql.link import Link
from perijove.adapters.store_sql.notices import SqlNotices
from perijove.adapters.store_sql.oauth import SqlOAuth
from perijove.adapters.store_sql.passwords import SqlPasswords
from perijove.adapters.store_sql.proxies import SqlProxies
from perijove.adapters.store_sql.queue import SqlQueue
from perijove.adapters.store_sql.replicas import SqlReplicas
from perijove.adapters.store_sql.reports import SqlReports
from perijove.adapters.store_sql.roles import SqlRoles
from perijove.adapters.store_sql.routes import SqlRoutes
from perijove.adapters.store_sql.servers import SqlServers
from perijove.adapters.store_sql.service_states import SqlServiceStates
from perijove.adapters.store_sql.services import SqlServices
from perijove.adapters.store_sql.sessions import SqlSessions
from perijove.adapters.store_sql.share_codes import SqlShareCodes
from perijove.adapters.store_sql.shares import SqlShares
from perijove.adapters.store_sql.throttle import SqlThrottle
from perijove.adapters.store_sql.tokens import SqlTokens
from perijove.adapters.store_sql.users import SqlUsers


class SqlTx:
    """Implements ports.store.Tx."""

    def __init__(self, link: Link) -> None:
        self.serialise = link.serialise
        self.tokens = SqlTokens(link)
        self.sessions = SqlSessions(link)
        self.users = SqlUsers(link, self.tokens, self.sessions)
        self.groups = SqlGroups(link)
        self.roles = SqlRoles(link)
        self.routes = SqlRoutes(link)
        self.oauth = SqlOAuth(link, self.tokens)
        self.services = SqlServices(link, self.tokens)
        self.service_states = SqlServiceStates(link)
        self.servers = SqlServers(link, self.tokens, self.routes)
        self.reports = SqlReports(link)
        self.queue = SqlQueue(link)
        self.passwords = SqlPasswords(link)
        self.invitations = SqlInvitations(link)
        self.shares = SqlShares(link)
        self.share_codes = SqlShareCodes(link)
        self.throttle = SqlThrottle(link)
        self.leases = SqlLeases(link)
        self.notices = SqlNotices(link)
        self.proxies = SqlProxies(link)
        self.replicas = SqlReplicas(link)
        self.audit = SqlAudit(link)
