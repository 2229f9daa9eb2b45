"""The machine's own accounts, checked by PAM."""

import grp
import os
import pwd
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import pamela
import structlog
from msgspec import Meta, Struct

from perijove.adapters.authenticators.desk import Desk
from perijove.domain.claims import Claims
from perijove.domain.errors import AuthenticatorUnavailableError, ForbiddenError, SettingsError
from perijove.ports.authenticator import Credentials, Form, FormField, SignInRequest
from perijove.ports.plugin import PluginContext
from perijove.wire.names import BadNameError, parse_user_name

ISSUER = "pam"
_log = structlog.get_logger("perijove.pam")
_SERVICE_DIRS = (Path("/etc/pam.d"), Path("/usr/lib/pam.d"), Path("/usr/local/etc/pam.d"))
_MAX_PASSWORD = 512  # PAM_MAX_RESP_SIZE of Linux-PAM

# Return values of Linux-PAM (_pam_types.h)
_SILENT = 0x8000
_SUCCESS, _PERM_DENIED, _AUTH_ERR, _USER_UNKNOWN, _MAXTRIES, _NEW_AUTHTOK_REQD, _ACCT_EXPIRED = 0, 6, 7, 10, 11, 12, 13
_CRED_EXPIRED, _CONV_ERR, _AUTHTOK_EXPIRED = 16, 19, 27
_WRONG = frozenset({_PERM_DENIED, _AUTH_ERR, _USER_UNKNOWN, _MAXTRIES, _CONV_ERR})
_CLOSED = {
    _ACCT_EXPIRED: "Your account on this machine has expired.",
    _NEW_AUTHTOK_REQD: "Your password on this machine has expired: sign in to the machine itself (by ssh, say) and change it.",
    _AUTHTOK_EXPIRED: "Your password on this machine has expired: sign in to the machine itself (by ssh, say) and change it.",
    _CRED_EXPIRED: "Your account on this machine has expired.",
    _PERM_DENIED: "This machine does not let you in at present.",
    _AUTH_ERR: "This machine does not let you in at present.",
    _MAXTRIES: "This machine does not let you in after so many attempts.",
}
_HELP = "Ask whoever runs this machine."


class PamConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which PAM service to ask, and what to make of the answer."""

    service: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")] = "login"
    """The file in /etc/pam.d."""
    check_account: bool = True
    """Refuse accounts that are expired or may not sign in now."""
    normalize: bool = False
    """Take the account's name as PAM and the machine's account database give it, not as it was typed."""
    groups: bool = True
    """Make people's groups on the hub those they have on the machine."""
    one_time_code: bool = False
    """Ask for a one-time code, too, and hand it to PAM as the second answer."""
    threads: Annotated[int, Meta(ge=1, le=64)] = 8
    """How many are checked at the same time; PAM holds up a wrong password for some seconds."""


@dataclass(frozen=True, slots=True)
class _Account:
    name: str
    display_name: str
    groups: frozenset[str]


class Pam:
    """Implements ports.authenticator.Authenticator."""

    Config = PamConfig

    def __init__(self, config: PamConfig, desk: Desk) -> None:
        self._config = config
        self._desk = desk

    @classmethod
    @asynccontextmanager
    async def open(cls, config: PamConfig, context: PluginContext) -> AsyncIterator["Pam"]:  # noqa: ARG003 - the port's
        if not any((folder / config.service).is_file() for folder in _SERVICE_DIRS):
            raise SettingsError(
                f"There is no PAM service {config.service!r} on this machine (/etc/pam.d/{config.service}).",
                "Set service in [authenticator] to one that exists, or make that file.",
            )
        if os.geteuid() != 0:
            _log.warning("not running as root: PAM can probably check only the password of the account that runs the hub")
        async with Desk.open(config.threads, "pam") as desk:
            yield cls(config, desk)

    @property
    def issuer(self) -> str:
        return ISSUER

    @property
    def label(self) -> str:
        return "Sign in"

    async def begin(self, request: SignInRequest) -> Form:  # noqa: ARG002 - the port's
        fields = [FormField("username", "User name", autocomplete="username"), FormField("password", "Password", "password", "current-password")]
        if self._config.one_time_code:
            fields.append(FormField("otp", "One-time code", "otp", "one-time-code"))
        return Form(fields=tuple(fields), signup_hint="Sign in with your account on this machine.")

    async def finish(self, credentials: Credentials) -> Claims | None:
        fields = credentials.fields
        try:
            name = parse_user_name(fields.get("username", ""))
        except BadNameError:
            return None
        answers = [fields.get("password", "")] + ([fields.get("otp", "")] if self._config.one_time_code else [])
        if any("\0" in answer or len(answer.encode("utf-8", "surrogatepass")) >= _MAX_PASSWORD for answer in answers):
            return None  # PAM would cut it off there
        account = await self._desk.check(lambda: self._sign_in(name, answers))
        return None if account is None else self._claims(account)

    async def refresh(self, claims: Claims) -> Claims | None:
        account = await self._desk.check(lambda: self._look_again(claims.subject))
        return None if account is None else replace(claims, display_name=account.display_name, groups=account.groups if self._config.groups else None)

    def _claims(self, account: _Account) -> Claims:
        return Claims(
            issuer=ISSUER,
            subject=account.name,
            username=account.name,
            display_name=account.display_name,
            groups=account.groups if self._config.groups else None,
        )

    def _sign_in(self, name: str, answers: list[str]) -> _Account | None:
        _refuse_root(name)
        code, text, known_as = self._ask(name, answers)
        if code in _WRONG and known_as is None:
            return None
        if known_as is None:
            raise _unavailable(code, text)
        if self._config.check_account:
            _refuse_closed(code, text)
        if self._config.normalize:
            name = _entry_name(known_as)
            _refuse_root(name)
            if name != _normal(name):
                raise ForbiddenError(f"The account's name {name!r} cannot be used here: it is not in lower case.", _HELP)
        return self._account(name)

    def _look_again(self, name: str) -> _Account | None:
        _refuse_root(name)
        if self._config.check_account:
            code, text, _ = self._ask(name, None)
            if code == _USER_UNKNOWN:
                return None
            _refuse_closed(code, text)
        return self._account(name)

    def _ask(self, name: str, answers: list[str] | None) -> tuple[int, str, str | None]:
        """One PAM transaction; without `answers` the account is checked, not the password. Returns the last code, its text, and
        the name PAM knows the account by, None unless the password was right.

        Credentials are not established (pam_setcred): modules would change the groups of the hub's own process.
        """
        conversation = pamela.new_simple_password_conv(answers or [], "utf-8")
        try:
            handle = pamela.pam_start(self._config.service, name, conv_func=conversation)
        except pamela.PAMError as error:
            raise _unavailable(error.errno, error.message) from None
        code, known_as = _SUCCESS, None
        try:
            if answers is not None:
                code = pamela.PAM_AUTHENTICATE(handle, _SILENT)
            if code == _SUCCESS:
                known_as = handle.get_item(pamela.PAM_USER) or name
                if self._config.check_account:
                    code = pamela.PAM_ACCT_MGMT(handle, _SILENT)
            return code, pamela.pam_strerror(handle, code), known_as
        finally:
            pamela.PAM_END(handle, code)

    def _account(self, name: str) -> _Account:
        """An account that only PAM knows (and not the account database) has no groups."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return _Account(name, "", frozenset())
        groups = _group_names(entry) if self._config.groups else frozenset()
        return _Account(name, entry.pw_gecos.partition(",")[0].strip(), groups)


def _group_names(entry: pwd.struct_passwd) -> frozenset[str]:
    names = set()
    for gid in os.getgrouplist(entry.pw_name, entry.pw_gid):
        try:
            names.add(grp.getgrgid(gid).gr_name)
        except KeyError:  # a group without a name says nothing
            continue
    return frozenset(names)


def _refuse_root(name: str) -> None:
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        return
    if uid == 0:
        raise ForbiddenError("root cannot sign in here: people's servers never run as root.", "Sign in with your own account.")


def _refuse_closed(code: int, text: str) -> None:
    """Raise unless the account check succeeded."""
    if code == _SUCCESS:
        return
    if code in _CLOSED:
        raise ForbiddenError(_CLOSED[code], _HELP)
    raise _unavailable(code, text)


def _unavailable(code: int | None, text: str) -> AuthenticatorUnavailableError:
    _log.warning("PAM could not tell", code=code, text=text)
    return AuthenticatorUnavailableError(
        f"Signing in did not work: PAM says {text!r}.", "Whoever runs this machine finds more in its authentication log."
    )


def _entry_name(name: str) -> str:
    try:
        return pwd.getpwnam(name).pw_name
    except KeyError:
        return name


def _normal(name: str) -> str:
    try:
        return parse_user_name(name)
    except BadNameError as error:
        raise ForbiddenError(f"Your account's name cannot be used here: {error}", _HELP) from None
