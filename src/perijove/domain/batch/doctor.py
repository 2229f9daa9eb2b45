"""What is looked at before people are let onto a Slurm cluster, and what each thing that is found means and asks for."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any, Final

OLDEST: Final = (20, 11)
"""The first version with --export-file and SLURM_TIME_FORMAT as they are used here; 22.05 is the oldest that is tested."""
TESTED: Final = (22, 5)


class Verdict(Enum):
    GOOD = "good"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """`text`: what is so, and what it means. `advice`: what to do ("" for nothing)."""

    topic: str
    verdict: Verdict
    text: str
    advice: str = ""


def good(topic: str, text: str) -> Finding:
    return Finding(topic, Verdict.GOOD, text)


def warning(topic: str, text: str, advice: str) -> Finding:
    return Finding(topic, Verdict.WARNING, text, advice)


def broken(topic: str, text: str, advice: str) -> Finding:
    return Finding(topic, Verdict.BROKEN, text, advice)


def exit_status(findings: Iterable[Finding]) -> int:
    """0: all is well; 2: with warnings; 1: something is broken."""
    verdicts = {one.verdict for one in findings}
    return 1 if Verdict.BROKEN in verdicts else 2 if Verdict.WARNING in verdicts else 0


def configuration(config: Mapping[str, str]) -> Iterator[Finding]:
    """Of `scontrol show config`."""
    version = tuple(int(part) for part in re.findall(r"\d+", config.get("SLURM_VERSION", ""))[:3])
    text = f"Slurm {config.get('SLURM_VERSION', 'of unknown version')}, cluster {config.get('ClusterName', '?')}."
    if version[:2] < OLDEST:
        yield broken("version", text, f"Slurm {OLDEST[0]}.{OLDEST[1]:02d} is the oldest that can be spoken to.")
    elif version[:2] < TESTED:
        yield warning("version", text, f"Older than {TESTED[0]}.{TESTED[1]:02d}, the oldest that is tested: try everything out.")
    else:
        yield good("version", text)
    tracking = config.get("ProctrackType", "")
    if "cgroup" in tracking:
        yield good("process tracking", f"Processes of jobs are kept in cgroups ({tracking}).")
    else:
        yield warning(
            "process tracking", f"ProctrackType is {tracking or 'not known'}: a process that detaches itself may outlive its job, unseen by Slurm.",
            "Use ProctrackType=proctrack/cgroup. Until then the agent ends its own processes, which helps in most cases.",
        )  # fmt: skip
    kept_s = _seconds(config.get("MinJobAge", ""), 300)
    if kept_s < 30:
        yield broken(
            "MinJobAge",
            f"An ended job is forgotten after {kept_s} s, before its end can be seen.",
            "Set MinJobAge to 300 (Slurm's default) in slurm.conf.",
        )
    elif kept_s < 120:
        yield warning(
            "MinJobAge", f"An ended job is forgotten after {kept_s} s; a short absence of the hub misses why it ended.", "Set MinJobAge to 300."
        )
    else:
        yield good("MinJobAge", f"Ended jobs are remembered for {kept_s} s.")
    most = _seconds(config.get("MaxJobCount", ""), 10000)
    if most < 1000:
        yield warning("MaxJobCount", f"The cluster takes {most} jobs in all, so people may be refused for lack of room.", "Raise MaxJobCount.")
    kill_s = _seconds(config.get("KillWait", ""), 30)
    if kill_s < 10:
        yield warning("KillWait", f"At its time limit a job has {kill_s} s to save what is unsaved.", "Set KillWait to 30 (Slurm's default).")
    if config.get("EnforcePartLimits", "NO") == "NO":
        yield good("EnforcePartLimits", "Slurm takes jobs that can never start; Perijove tells people before they submit one.")


def privacy(private: Collection[str], *, account: str, level: str | None, has_history: bool) -> Finding:
    """`private`: of PrivateData. `level`: the account's adminlevel in the accounting (None: it could not be asked)."""
    if not {"jobs", "all"} & set(private):
        return good("PrivateData", "Everybody sees everybody's jobs in the queue, so the hub does.")
    if account == "root" or (level or "").lower().startswith(("operator", "admin")):
        return good("PrivateData", f"Jobs are private, and {account} may see them ({level or 'root'}).")
    how = f"sacctmgr modify user {account} set adminlevel=operator"
    if has_history:
        return broken(
            "PrivateData", f"Jobs are private and {account} is no operator: the hub sees none of the jobs that it submits for people, so it cannot follow them.",
            f"Make it one: {how}",
        )  # fmt: skip
    return broken(
        "PrivateData", f"Jobs are private and there is no accounting in which {account} could be an operator.", "Take `jobs` out of PrivateData."
    )


def accounting(*, has_history: bool, answers: bool, words: str = "") -> Finding:
    if not has_history:
        return warning(
            "accounting",
            "The cluster keeps no accounting: why a job ended is known only for as long as the controller remembers it.",
            "Set up slurmdbd.",
        )
    if answers:
        return good("accounting", "slurmdbd answers; ends of jobs are known for good.")
    return broken("accounting", f"The accounting does not answer: {words}.", "See whether slurmdbd runs and whether this machine may reach it.")


def associations(person: str, rows: Collection[Mapping[str, str]], *, enforced: bool) -> Iterator[Finding]:
    """Rows of account, maxjobs and maxsubmit."""
    if not rows:
        if enforced:
            yield broken("accounts", f"{person} has no account in the accounting, and jobs need one.", f"sacctmgr add user {person} account=…")
        else:
            yield warning("accounts", f"{person} has no account in the accounting.", "No harm while AccountingStorageEnforce asks for none.")
        return
    yield good("accounts", f"{person} may use {', '.join(sorted({row['account'] for row in rows}))}.")
    for row in rows:
        for name, label in (("maxjobs", "run"), ("maxsubmit", "submit")):
            if row.get(name, "").isdigit() and int(row[name]) < 2:
                yield warning(
                    "limits", f"With the account {row['account']} {person} may {label} {row[name]} job{'s' if row[name] != '1' else ''} at once, servers included.",
                    "Raise it, or tell people that a server and another job exclude each other.",
                )  # fmt: skip


def skew(whose: str, ahead_s: float | None, *, error_s: float = 1.0) -> Finding:
    """How far a clock is ahead of the hub's (or behind, below 0). MUNGE refuses credentials that are off by five minutes."""
    topic = f"clock of {whose}"
    if ahead_s is None:
        return warning(topic, "Its clock could not be compared.", "See that time is synchronised (chrony, NTP) everywhere.")
    off = abs(ahead_s)
    text = f"It is {off:.1f} s {'ahead of' if ahead_s > 0 else 'behind'} the hub's."
    if off >= 60:
        return broken(topic, f"{text} Tokens, tickets and the ends of jobs are misjudged.", "Synchronise time (chrony, NTP) on all machines.")
    if off >= 5 + error_s:
        return warning(topic, f"{text} Remaining times shown to people are off by as much.", "Synchronise time (chrony, NTP) on all machines.")
    return good(topic, f"It agrees with the hub's (to {max(off, error_s):.0f} s).")


def latency(what: str, ms: float | None, *, words: str = "", slow_ms: float = 100.0) -> Finding:
    """Of a file system."""
    if ms is None:
        return broken(what, f"It cannot be used: {words}.", "See that it is mounted there, and that its owner may write it.")
    if ms >= 20 * slow_ms:
        return broken(what, f"One small access takes {ms:.0f} ms: starting a server reads thousands of files.", "Look after the file system first.")
    if ms >= slow_ms:
        return warning(what, f"One small access takes {ms:.0f} ms; servers start slowly.", "Keep environments on a faster file system.")
    return good(what, f"One small access takes {ms:.1f} ms.")


def names(unknown: Collection[str], asked: int) -> Finding:
    if not unknown:
        return good("names of nodes", f"All {asked} nodes that were asked for are known by name here.")
    few = ", ".join(sorted(unknown)[:5])
    return warning(
        "names of nodes", f"This machine does not know {len(unknown)} of {asked} nodes by name ({few}).",
        "No harm where jobs dial in to a gateway; needed where the hub connects to nodes directly.",
    )  # fmt: skip


_MEANS: Final = {
    "url": ("The address is not that of a tunnel.", "Check public_url and [gateway] url."),
    "ca": ("The file of certificate authorities cannot be read on the node.", "Put it where nodes see it."),
    "proxy": ("The web proxy that the node's environment names is not understood.", "Check https_proxy on nodes."),
    "dns": (
        "The node does not know the site by name.",
        "Give the name to the nodes' DNS or /etc/hosts, or set [gateway] url to an address that they know.",
    ),
    "tcp": (
        "The node does not reach the site: a firewall or a missing route.",
        "Open the way from nodes to the site's port, or set https_proxy in the prologue.",
    ),
    "tls": ("The node does not trust the site's certificate.", "Use one that nodes trust, or give the agent its authority's file (ca_file)."),
    "websocket": ("The site is reached and does not let WebSockets through.", "See that whatever stands before Perijove's proxy passes upgrades on."),
}


_NO_GATEWAY: Final = frozenset({200, 301, 302, 303, 307, 308, 404, 502, 503})


def tunnel(steps: Mapping[str, Any]) -> Finding:
    """Of one address that the agent dials, as the probe saw it."""
    url, failed, error = str(steps.get("url", "")), str(steps.get("failed", "")), str(steps.get("error", ""))
    if not failed:
        took = ", ".join(f"{name} {steps[name]:.0f} ms" for name in ("dns", "tcp", "tls", "websocket") if isinstance(steps.get(name), int | float))
        by = f" by way of the web proxy {steps['proxy']}" if steps.get("proxy") else ""
        return good("way from node to hub", f"The node reaches the gateway at {url}{by} ({took}).")
    if failed == "websocket" and steps.get("status") in _NO_GATEWAY:
        return broken(
            "way from node to hub", f"{url} answers {error}: there is no gateway behind it.", "Set [gateway] enabled = true, or start the gateways."
        )
    means, advice = _MEANS.get(failed, ("It fails.", "See the words of the error."))
    return broken("way from node to hub", f"{url} fails at {failed}: {error}. {means}", advice)


def node(found: Mapping[str, Any]) -> Iterator[Finding]:
    """What the probe saw on a compute node."""
    where = f"node {found.get('host', '?')}"
    version = tuple(int(part) for part in re.findall(r"\d+", str(found.get("python", "")))[:2])
    if version < (3, 9):
        yield warning(
            where,
            f"Its python3 is {found.get('python')}: enough for the agent, too old for today's JupyterLab.",
            "Load a newer Python as a module in environments.",
        )
    else:
        yield good(where, f"Its python3 is {found.get('python')}; the program ran there as uid {found.get('uid')}.")
    if not found.get("cgroup"):
        yield warning(where, "No cgroups are seen, so memory and CPU in use cannot be shown.", "Mount /sys/fs/cgroup on nodes.")
    elif not found.get("in_job_cgroup"):
        yield warning(
            where,
            f"cgroup v{found['cgroup']}, and the job is not in one of its own: usage shown is the node's.",
            "Use task/cgroup, proctrack/cgroup.",
        )
    else:
        yield good(where, f"The job is in its own cgroup (v{found['cgroup']}).")
    runtime = str(found.get("runtime_dir", ""))
    if runtime.startswith("missing "):
        yield warning(
            where, f"XDG_RUNTIME_DIR names {runtime.removeprefix('missing ')}, which the job cannot use.", "No harm: the agent makes one of its own."
        )
    gpus, cuda = int(found.get("gpus") or 0), str(found.get("cuda", ""))
    if cuda and cuda != "NoDevFiles" and not gpus:
        yield warning(
            where, f"Slurm gave the GPUs {cuda} and no /dev/nvidia… is there.", "See whether the driver is loaded, and gres.conf names the files."
        )
    elif gpus and not cuda:
        yield warning(where, f"{gpus} GPUs are seen by a job that asked for none.", "Use ConstrainDevices=yes in cgroup.conf.")
    for name, label in (("home", "home folder on nodes"), ("temporary", "temporary folder on nodes")):
        about = found.get(name)
        if isinstance(about, dict):
            ms = about.get("ms")
            yield latency(label, float(ms) if isinstance(ms, int | float) else None, words=str(about.get("error", "no answer")))


def hub(found: Mapping[str, Any]) -> Finding:
    """The hub, asked from a node."""
    url = str(found.get("url", ""))
    if found.get("error"):
        return broken(
            "hub from node", f"{url} fails: {found['error']}.", "Servers ask the hub whose browser it is: nodes must reach it by this address."
        )
    return good("hub from node", f"The hub answers at {url} in {float(found.get('ms') or 0):.0f} ms.")


def variables(patterns: Collection[str]) -> Finding | None:
    """Of the helper's rules: names of variables that let whoever sets them run something before the program."""
    risky = ("LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "ENV", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME")
    open_to = [name for name in risky if any(fnmatchcase(name, pattern) for pattern in patterns)]
    if not open_to:
        return None
    return broken(
        "rules", f"`variables` lets the hub set {', '.join(open_to)}, by which it could run anything as anybody.", "Name narrower patterns."
    )


_SHELLS: Final = frozenset(
    {"sh", "bash", "dash", "zsh", "ksh", "csh", "tcsh", "fish", "env", "perl", "ruby", "busybox", "sudo", "xargs", "find", "awk"}
)


def program(path: str) -> Finding | None:
    """Of the helper's rules: a program that runs whatever its words say."""
    name = path.rsplit("/", 1)[-1]
    if name in _SHELLS or re.fullmatch(r"python[0-9.]*", name):
        return broken("rules", f"`programs` names {path}: whoever has the hub's account could run anything as anybody.", "Name perijove-agent only.")
    return None


def _seconds(text: str, otherwise: int) -> int:
    matched = re.match(r"\d+", text)
    return int(matched[0]) if matched else otherwise
