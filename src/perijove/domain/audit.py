"""The actions that the audit log knows, in words for who reads it. A test holds the code to this list."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ACTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "sign-in": "Somebody signed in, or tried to; the outcome says which, the detail by which rule",
        "sign-out": "Somebody signed out",
        "session.ended": "A sign-in was ended: by its owner from elsewhere, or because the person is no longer welcome",
        "account.made": "An invitation was used to make an account",
        "invitation.made": "A link that makes an account was made",
        "invitation.revoked": "Such a link was taken back",
        "password.changed": "A person changed their password",
        "password.link": "A link that sets a new password was made",
        "password.reset": "Such a link was used",
        "user.added": "An account was added",
        "user.changed": "An account was renamed, or its administrator flag, groups or roles changed",
        "user.blocked": "An account was blocked; its sessions and tokens ended",
        "user.unblocked": "An account was unblocked",
        "user.deleted": "An account was deleted",
        "group.added": "A group was added",
        "group.deleted": "A group was deleted",
        "group.members": "People were added to a group or removed from it",
        "group.properties": "A group's properties were set",
        "server.extend": "A running server was given more time",
        "server.start": "Somebody asked for a server to be started",
        "server.stop": "Somebody, or the hub for the reason given, asked for a server to be stopped",
        "server.delete": "Somebody asked for a server to be deleted",
        "server.opened": "Somebody was let into another person's server; the detail says whether as an administrator, and which role or share allowed it",
        "server.created": "A named server was made without being started",
        "server.changed": "A stopped server was renamed, or its options changed",
        "share.granted": "A server was shared with a person or a group",
        "share.accepted": "Somebody used a link to a server that is shared",
        "share.revoked": "Sharing a server was ended, with one recipient or with all, or limited",
        "share.left": "A person or group gave up access to a server shared with them",
        "share-code.made": "A link that shares a server was made",
        "share-code.revoked": "Such links were taken back",
        "service.added": "A service was added by the API",
        "service.deleted": "A service that was added so was deleted",
        "service.restarted": "Somebody asked for a managed service to be restarted",
        "token.made": "An API token was made",
        "token.revoked": "An API token was revoked",
        "hub.shutdown": "Somebody asked for the hub to end",
        "oauth.token": "A server or service learnt who its visitor is",
    }
)
