"""Why an environment cannot be made ready, in sentences that say what to do."""

from __future__ import annotations

import errno
import re
from typing import Sequence


class TroubleError(Exception):
    """The message is for the person: what is wrong, and who can mend it how."""


class DescriptionError(TroubleError):
    """What was asked for is no environment. `mistakes`: each of them in a sentence."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__(" ".join(mistakes))
        self.mistakes = list(mistakes)


class ProgramError(TroubleError):
    """A program that was needed failed. `output`: the end of what it said."""

    def __init__(self, message: str, output: str = "", status: int = 1) -> None:
        super().__init__(message)
        self.output = output
        self.status = status


_FULL = "free some space (`du -sh ~/* ~/.[a-z]*` tells what takes it), or have environments kept elsewhere"
_QUOTA = f"your quota there is used up: {_FULL}, or ask the administrators for a larger quota"


def os_words(error: OSError, doing: str, folder: object = "the environment's folder") -> str:
    """`doing`: what was being done, as "write to". The file is named if the error names one, else `folder`."""
    where = f" {error.filename or folder}"
    what = {
        errno.ENOSPC: f"the file system is full: {_FULL}",
        getattr(errno, "EDQUOT", -1): _QUOTA,
        errno.EACCES: "you have no right to it: choose a folder of your own, or ask its owner",
        errno.EPERM: "you have no right to it: choose a folder of your own, or ask its owner",
        errno.EROFS: "it cannot be written to from this machine: have environments kept elsewhere, or prepare this one on a login node",
        errno.ESTALE: "its file server has lost it (a stale file handle): try again; if it stays so, tell the administrators",
        errno.EIO: "its disk or file server fails: tell the administrators",
        errno.ENOTDIR: "part of the path is a file: move that out of the way",
    }.get(error.errno or 0, str(error.strerror or error))
    return f"Cannot {doing}{where}: {what}."


_OFFLINE = "where there is no network, give `find_links` (a folder of wheels), or prepare the environment on a login node"
_SAID: tuple[tuple[str, str], ...] = (
    (r"[Dd]isk quota exceeded", f"Your quota is used up: {_FULL}, or ask the administrators for a larger quota."),
    (r"No space left on device", f"The file system is full: {_FULL}."),
    (r"Read-only file system", "The folder cannot be written to from this machine: prepare the environment on a login node, or keep it elsewhere."),
    (
        r"[Ss]tale (?:NFS )?file handle",
        "The file server has lost a folder (a stale file handle): try again; if it stays so, tell the administrators.",
    ),
    (r"Permission denied", "Some file or folder may not be read or written by you; its name is in the output."),
    (r"ResolutionImpossible|conflicting dependencies", "The packages contradict each other: ask for other versions, or for fewer of them."),
    (r"Requires-Python|requires a different [Pp]ython", "A package needs another version of Python: choose another `python` or module."),
    (r"THESE PACKAGES DO NOT MATCH THE HASHES", "A package is not what its index says it is: do not use it, and tell the administrators."),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        "The package index has a certificate that is not trusted here: ask the administrators for pip's `cert` setting.",
    ),
    (
        r"Temporary failure in name resolution|Name or service not known|Failed to establish a new connection|Network is unreachable|CondaHTTPError",
        f"The package index cannot be reached from here: {_OFFLINE}.",
    ),
    (r"Killed|MemoryError", "It was killed, probably for want of memory: ask for a job with more memory, or prepare it on a login node."),
)
_MISSING = re.compile(r"No matching distribution found for ([^\s(]+)|Could not find a version that satisfies the requirement ([^\s(]+)")
_MISSING_CONDA = re.compile(r"PackagesNotFoundError|nothing provides|does not exist \(perhaps a typo")


def said_words(output: str, *, offline: bool) -> str:
    """What a package tool's output means, "" if it is nothing known."""
    missing = _MISSING.search(output)
    for pattern, words in _SAID:
        if re.search(pattern, output):
            return words
    if missing:
        name = missing.group(1) or missing.group(2)
        where = "among the wheels that this cluster keeps" if offline else "in the package index for this Python"
        return f"There is no {name} {where}: check its name and version{', or ask the administrators for it' if offline else ''}."
    if _MISSING_CONDA.search(output):
        return "A package is in none of the channels: check its name and version, or name its channel."
    return ""


_LONGEST = 500
"""Characters of a line: pip tells all that it installs in one."""


def last_lines(output: str, most: int = 12) -> str:
    return "\n".join([line[:_LONGEST] for line in output.splitlines() if line.strip()][-most:])
