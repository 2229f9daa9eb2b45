"""Reads the question, sees to the rules, answers, and leaves a line in the system's log."""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any, Final

from .act import answer
from .rules import NotAllowed, Rules, check_account, read_rules, sudoers_line

_MOST_BYTES: Final = 1 << 20
_BIN: Final = Rules().bin
_AUTH_NOTICE: Final = 10 * 8 + 5  # authpriv.notice (RFC 5424 section 6.2.1)
_USAGE: Final = (
    "usage: perijove-batch-helper RULES  |  --as-myself [CONF [FOLDER_OF_COMMANDS [slurm | pbs]]]  |  --sudoers HUB_ACCOUNT GROUP PROGRAM RULES"
)


def main(words: list[str] | None = None) -> int:
    """Exit code 0 if a question was answered, well or not; 2 for a wrong call."""
    words = sys.argv[1:] if words is None else words
    if len(words) == 5 and words[0] == "--sudoers":
        sys.stdout.write(sudoers_line(*words[1:]))
        return 0
    try:
        if words[:1] == ["--as-myself"] and len(words) <= 4 and words[3:4] in ([], ["slurm"], ["pbs"]):
            _refuse_under_sudo()
            conf, folder, scheduler = (*words[1:], *("", "", "slurm")[len(words) - 1 :])
            slurm_conf, pbs_conf = ("", conf) if scheduler == "pbs" else (conf, "")
            rules = Rules(restricted=False, audit="", scheduler=scheduler, bin=folder or _BIN, slurm_conf=slurm_conf, pbs_conf=pbs_conf)
        elif len(words) == 1 and not words[0].startswith("-"):
            rules = read_rules(Path(words[0]))
        else:
            sys.stderr.write(_USAGE + "\n")
            return 2
        check_account(rules)
        question = _question()
        _audit(rules, question, "asked")  # before the act: what cannot be recorded is not done
        found = answer(question, rules)
        _audit(rules, question, json.dumps(found)[:300])
    except (NotAllowed, OSError) as error:
        found = {"error": "not-allowed", "message": str(error)}
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


def _refuse_under_sudo() -> None:
    """`--as-myself` is for a hub that is the person. A sudoers line that allowed any arguments would otherwise open everything."""
    if "SUDO_UID" in os.environ and os.environ["SUDO_UID"] != str(os.getuid()):
        raise NotAllowed("Under sudo a file of rules is needed.")


def _question() -> Any:
    text = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise NotAllowed("The question is longer than 1 MiB.")
    try:
        return json.loads(text)
    except ValueError:
        return None


def _audit(rules: Rules, question: Any, outcome: str) -> None:
    """Raises NotAllowed if it cannot be written. Neither the environment nor the program's words are told: secrets may be in them."""
    if not rules.audit:
        return
    asked = question if isinstance(question, dict) else {}
    request = asked.get("request")
    about = {
        "verb": asked.get("verb"),
        "job": asked.get("job") or (request.get("name") if isinstance(request, dict) else None),
        "as": os.getuid(),
        "by": os.environ.get("SUDO_USER", ""),
        "outcome": outcome,
    }
    line = f"<{_AUTH_NOTICE}>perijove-batch-helper[{os.getpid()}]: {json.dumps(about)[:900]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
            log.settimeout(2)
            log.sendto(line.encode(), rules.audit)
    except OSError as error:
        raise NotAllowed(f"The system's log {rules.audit} takes no line ({error}), so nothing is done as anybody.") from None
