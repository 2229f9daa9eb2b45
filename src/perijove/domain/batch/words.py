"""What a person is told of a job: one sentence, and who can mend it."""

import signal
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from perijove.domain.batch.status import Cause, Ending, JobStatus, State


class Mender(Enum):
    NOBODY = ""
    """Nothing is wrong."""
    PERSON = "you"
    ADMINISTRATOR = "the administrators of the cluster"


class Kind(Enum):
    """Why a job waits."""

    RESOURCES = "resources"
    LIMIT = "limit"
    HOPELESS = "hopeless"
    """It will never begin as it is."""
    HELD = "held"
    LATER = "later"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Words:
    """`text`: a sentence. `advice`: what to do, or "". `mender`: who."""

    text: str
    advice: str = ""
    mender: Mender = Mender.NOBODY
    kind: Kind = Kind.OTHER

    def __str__(self) -> str:
        return f"{self.text} {self.advice}".strip()


_SHORTER: Final = "Stop it and ask for less, or choose another partition."
_ASK_ACCOUNT: Final = "Stop it and choose another account or QOS; which are yours, the administrators of the cluster can tell."

# Slurm's words (squeue's man page, JOB REASON CODES), without their case.
_REASONS: Final[dict[str, Words]] = {
    "": Words("It waits in the queue.", kind=Kind.RESOURCES),
    "none": Words("It waits in the queue and has not been looked at yet.", kind=Kind.RESOURCES),
    "resources": Words("It is next: it waits for enough free CPUs, memory or GPUs.", kind=Kind.RESOURCES),
    "priority": Words("Other jobs are before it in the queue.", kind=Kind.RESOURCES),
    "licenses": Words("It waits for a free licence.", kind=Kind.RESOURCES),
    "nodedown": Words("A node that it needs is down.", "It begins when the node is back.", Mender.ADMINISTRATOR, Kind.RESOURCES),
    "partitiondown": Words("Its partition is closed for now.", "Wait, or stop it and choose another.", Mender.ADMINISTRATOR, Kind.RESOURCES),
    "partitioninactive": Words("Its partition takes no jobs now.", "Stop it and choose another partition.", Mender.PERSON, Kind.HOPELESS),
    "frontenddown": Words("No node can take it now.", "It begins when one is back.", Mender.ADMINISTRATOR, Kind.RESOURCES),
    "partitiontimelimit": Words("It asks for more time than its partition allows and will never begin.", _SHORTER, Mender.PERSON, Kind.HOPELESS),
    "partitionnodelimit": Words("It asks for more nodes than its partition allows and will never begin.", _SHORTER, Mender.PERSON, Kind.HOPELESS),
    "partitionconfig": Words("It asks for more than its partition allows and will not begin.", _SHORTER, Mender.PERSON, Kind.HOPELESS),
    "badconstraints": Words("No node has all that it asks for, so it will never begin.", _SHORTER, Mender.PERSON, Kind.HOPELESS),
    "invalidaccount": Words("Its account may not be used.", _ASK_ACCOUNT, Mender.PERSON, Kind.HOPELESS),
    "invalidqos": Words("Its QOS may not be used.", _ASK_ACCOUNT, Mender.PERSON, Kind.HOPELESS),
    "accountnotallowed": Words("Its account may not use this partition.", _ASK_ACCOUNT, Mender.PERSON, Kind.HOPELESS),
    "qosnotallowed": Words("Its QOS may not use this partition.", _ASK_ACCOUNT, Mender.PERSON, Kind.HOPELESS),
    "reqnodenotavail": Words("The nodes it needs are down or kept back.", "It begins when they are free.", Mender.ADMINISTRATOR, Kind.RESOURCES),
    "jobhelduser": Words("It is held and does not begin by itself.", "Release it with `scontrol release`, or stop it and start again.", Mender.PERSON, Kind.HELD),
    "jobheldadmin": Words("An administrator holds it back.", "Ask them why.", Mender.ADMINISTRATOR, Kind.HELD),
    "launch failed requeued held": Words("It could not be started on its node and is held.", "Tell the administrators of the cluster.", Mender.ADMINISTRATOR, Kind.HELD),
    "job requeued in held state": Words("It was put back into the queue and is held.", "Ask the administrators of the cluster.", Mender.ADMINISTRATOR, Kind.HELD),
    "jobholdmaxrequeue": Words("It was put back into the queue too often and is held.", "Ask the administrators of the cluster.", Mender.ADMINISTRATOR, Kind.HELD),
    "begintime": Words("It may begin at a later time only, as after it was put back into the queue.", kind=Kind.LATER),
    "dependency": Words("It waits for another job to end.", kind=Kind.LATER),
    "dependencyneversatisfied": Words("It waits for a job that can no longer end well.", "Stop it and start again.", Mender.PERSON, Kind.HOPELESS),
    "reservation": Words("Its reservation has not begun, or is full.", kind=Kind.LATER),
    "reservationdeleted": Words("Its reservation is no more.", "Stop it and start again without.", Mender.PERSON, Kind.HOPELESS),
    "deadline": Words("It can no longer end before its deadline.", "Stop it and start again.", Mender.PERSON, Kind.HOPELESS),
    "prolog": Words("The node is being made ready for it.", kind=Kind.RESOURCES),
    "cleaning": Words("What is left of its last run is being cleared up.", kind=Kind.LATER),
    "systemfailure": Words("The cluster has a fault.", "Tell its administrators.", Mender.ADMINISTRATOR, Kind.OTHER),
}  # fmt: skip

# Parts of the comments that PBS's scheduler leaves at a job that waits, without their case; the first that fits counts.
_PBS: Final = (
    ("would conflict with reservation", Words("It would be in the way of a reservation or of a job that comes first.", kind=Kind.RESOURCES)),
    ("would interfere with", Words("It would be in the way of a reservation or of a job that comes first.", kind=Kind.RESOURCES)),
    ("strict sorted order", _REASONS["priority"]),
    ("per-user", Words("You have as much as you may have at once.", "It begins when other jobs of yours end, or stop one.", Mender.PERSON, Kind.LIMIT)),
    ("reached for user", Words("You have as many jobs as you may have at once.", "It begins when others of yours end.", Mender.PERSON, Kind.LIMIT)),
    ("user has reached", Words("You have as many jobs as you may have at once.", "It begins when others of yours end.", Mender.PERSON, Kind.LIMIT)),
    ("limit", Words("Its queue, group or project has as many jobs as it may have.", "It begins when some end.", Mender.NOBODY, Kind.LIMIT)),
    ("insufficient amount of", _REASONS["resources"]),
    ("not enough total nodes", _REASONS["badconstraints"]),
    ("not enough", _REASONS["resources"]),
    ("no available resources", _REASONS["resources"]),
    ("nodes not available", _REASONS["reqnodenotavail"]),
    ("exclusive node", _REASONS["resources"]),
    ("ineligible state", _REASONS["reqnodenotavail"]),
    ("queue not started", _REASONS["partitiondown"]),
    ("dedicated time", Words("The cluster is kept for somebody else until later.", kind=Kind.LATER)),
    ("primetime", Words("Its queue runs jobs at certain hours only.", kind=Kind.LATER)),
    ("too many failed attempts", _REASONS["launch failed requeued held"]),
    ("held by", Words("It is held and does not begin by itself.", "Release it with `qrls`, or stop it and start again.", Mender.PERSON, Kind.HELD)),
    ("job held", _REASONS["jobheldadmin"]),
)  # fmt: skip

_WHAT: Final = (
    ("gres", "GPUs"), ("gpu", "GPUs"), ("cpu", "CPUs"), ("mem", "memory"), ("node", "nodes"), ("wall", "time"), ("jobs", "jobs"), ("submit", "jobs"),
)  # fmt: skip


def reason_words(reason: str) -> Words:
    """Why a job waits. A word we do not know is shown as it is."""
    key = reason.strip().lower()
    if key in _REASONS:
        return _REASONS[key]
    for start in ("reqnodenotavail", "nodes required for job are down", "nodes required"):
        if key.startswith(start):
            return _REASONS["reqnodenotavail"]
    if key.startswith(("qos", "assoc", "maxjobs", "maxcpu", "maxmem", "maxsubmit", "maxnode", "maxgres")):
        return _limit_words(key)
    if key.startswith("can never run"):
        return Words(f"It will never begin as it is: {reason.partition(':')[2].strip() or reason}.", _SHORTER, Mender.PERSON, Kind.HOPELESS)
    return next((words for part, words in _PBS if part in key), None) or Words(f"The scheduler says: {reason}.", kind=Kind.OTHER)


def _limit_words(key: str) -> Words:
    what = next((word for part, word in _WHAT if part in key), "resources")
    if "minutes" in key or "billing" in key:
        return Words("The hours of computing granted to its account or QOS are used up.", _ASK_ACCOUNT, Mender.ADMINISTRATOR, Kind.LIMIT)
    if "grp" in key:
        return Words(
            f"All those who share its account or QOS have as many {what} as they may have together.",
            "It begins when some end.",
            Mender.NOBODY,
            Kind.LIMIT,
        )
    if "perjob" in key or "wall" in key:
        return Words(f"It asks for more {what} than one job of its account or QOS may have.", _SHORTER, Mender.PERSON, Kind.HOPELESS)
    return Words(
        f"You have as many {what} as you may have at once.", "It begins when other jobs of yours end, or stop one.", Mender.PERSON, Kind.LIMIT
    )


def hopeless(status: JobStatus) -> bool:
    """Whether a job that waits will never begin as it is."""
    return status.state is State.PENDING and reason_words(status.reason).kind is Kind.HOPELESS


def status_words(status: JobStatus, now: datetime) -> Words:
    """What a person is told of the job as it stands."""
    match status.state:
        case State.PENDING:
            found = reason_words(status.reason)
            if status.expected_start is not None and status.expected_start > now and found.kind is not Kind.HOPELESS:
                return Words(
                    f"{found.text} It is expected to begin in {_about(status.expected_start - now)}.", found.advice, found.mender, found.kind
                )
            return found
        case State.STARTING:
            return Words(f"Its node{f' {status.nodes}' if status.nodes else ''} is being made ready.")
        case State.RUNNING:
            left = f", for {_about(status.end - now)} yet" if status.end is not None and status.end > now else ""
            return Words(f"It runs on {status.host or status.nodes or 'a node'}{left}.")
        case State.SUSPENDED:
            return Words("The scheduler has suspended it for other jobs; it goes on where it was.", "Wait; nothing is lost.", Mender.NOBODY)
        case State.REQUEUED:
            return Words(
                "The scheduler has put it back into the queue; it begins anew, perhaps on another node.",
                "Files are kept; what was in memory is lost.",
                Mender.NOBODY,
            )
        case State.COMPLETING:
            return Words("It is being ended.")
        case State.ENDED:
            return ending_words(status.ending or Ending(Cause.UNKNOWN), status)
        case State.UNKNOWN:
            return Words(
                f"The scheduler calls its state {status.raw_state}, which is not known here.",
                "Ask the administrators of the cluster.",
                Mender.ADMINISTRATOR,
            )


def ending_words(ending: Ending, status: JobStatus | None = None) -> Words:
    """Why the job ended."""
    match ending.cause:
        case Cause.FINISHED:
            return Words("It ended by itself.")
        case Cause.FAILED if ending.signal:
            return Words(f"It was ended by {_signal_name(ending.signal)}.", "Its output may say why.", Mender.PERSON)
        case Cause.FAILED:
            return Words(f"It ended with exit code {ending.exit_code}.", "Its output may say why.", Mender.PERSON)
        case Cause.TIME_LIMIT:
            return Words("Its time was up.", "Start again, with a longer time limit if you need it.", Mender.PERSON)
        case Cause.OUT_OF_MEMORY:
            return Words("It used more memory than it had asked for and was ended.", "Start again with more memory.", Mender.PERSON)
        case Cause.NODE_FAILURE:
            where = f" {status.nodes}" if status is not None and status.nodes else ""
            return Words(
                f"Its node{where} failed.", "Start again; if it happens often, tell the administrators of the cluster.", Mender.ADMINISTRATOR
            )
        case Cause.PREEMPTED:
            return Words(
                "A job of higher priority took its place.", "Start again, or choose a partition or QOS that is not preempted.", Mender.PERSON
            )
        case Cause.CANCELLED:
            return Words(f"It was cancelled{f' by {ending.by}' if ending.by else ''}.")
        case Cause.BOOT_FAILURE:
            return Words(
                "Its node could not be booted.", "Start again; if it happens often, tell the administrators of the cluster.", Mender.ADMINISTRATOR
            )
        case Cause.LAUNCH_FAILURE:
            return Words("It could not be started on its node.", "Tell the administrators of the cluster.", Mender.ADMINISTRATOR)
        case Cause.DEADLINE:
            return Words("Its deadline passed.", "Start again with a later one.", Mender.PERSON)
        case Cause.UNKNOWN:
            return Words("It is gone, and the scheduler no longer knows why.", "Its output may say more.", Mender.PERSON)


def _about(span: timedelta) -> str:
    minutes = max(1, round(span.total_seconds() / 60))
    if minutes < 120:
        return "about a minute" if minutes == 1 else f"about {minutes} minutes"
    hours = round(minutes / 60)
    return f"about {hours} hours" if hours < 48 else f"about {round(hours / 24)} days"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
