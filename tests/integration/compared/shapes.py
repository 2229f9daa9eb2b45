"""What of an answer must be alike: the status, which headers there are, and the body without what varies from run to run."""

import re
from typing import Any

import httpx2 as httpx

HEADERS = (
    "content-security-policy",
    "x-jupyterhub-version",
    "content-type",
    "access-control-allow-headers",
    "access-control-allow-origin",
    "location",
    "allow",
)
_MOMENT = re.compile(r'"\d{4}-\d\d-\d\dT[\d:.]+Z"')
_ID = re.compile(r'"a\d+"')
_HERE = re.compile(r"http://127\.0\.0\.1:\d+")
_FOLDER = re.compile(r'"[^"]*/both-[^"/]+/(theirs|ours)/')
_SECRET = re.compile(r'"(token|session_id)": ?"[\w-]{32,}"')
_OF_THE_MACHINE = {"sys_executable", "class", "version", "python"}
_UNORDERED = {"scopes", "roles", "groups", "users"}


def shape(answer: httpx.Response) -> dict[str, Any]:
    """Status, headers, body; of errors only that the body is JupyterHub's, for the words are ours."""
    return {"status": answer.status_code, "headers": headers(answer), "body": body(answer)}


def headers(answer: httpx.Response) -> dict[str, str]:
    """Those that are compared; of the type without its parameters."""
    found = {name: answer.headers[name] for name in HEADERS if name in answer.headers}
    if "content-type" in found:
        found["content-type"] = found["content-type"].partition(";")[0]
    if "content-security-policy" in found:
        found["content-security-policy"] = "; ".join(
            sorted(part.strip() for part in found["content-security-policy"].split(";") if "report-uri" not in part)
        )
    if "location" in found:
        found["location"] = _HERE.sub("(hub)", found["location"])
    if answer.status_code == 204 or not answer.content:
        found.pop("content-type", None)
    return found


def body(answer: httpx.Response) -> Any:
    kind = answer.headers.get("content-type", "")
    if not answer.content:
        return "(empty)"
    if "event-stream" in kind:
        *before, last = [plain(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
        return {"before": sorted({", ".join(sorted(event)) for event in before}), "last": last}
    if "json" not in kind:
        return "(text)" if answer.status_code >= 400 or "html" in kind else _HERE.sub("(hub)", answer.text)
    if answer.status_code >= 400:
        problem = answer.json()
        return {key: problem[key] if key == "status" else "(words)" for key in ("status", "message") if key in problem}
    return plain(answer.text)


def says_why(answer: httpx.Response) -> bool:
    """Whether an answer of ours that refuses something says so in words."""
    if answer.status_code < 400 or answer.request.method == "HEAD":
        return True
    problem = answer.json()
    return bool(problem["status"] == answer.status_code and isinstance(problem["message"], str) and problem["message"])


def plain(text: str) -> Any:
    """Decoded, without moments, ids, secrets and addresses; sets in order."""
    text = _FOLDER.sub('"(folder)/', text)
    text = _SECRET.sub(r'"\1": "(secret)"', _HERE.sub("(hub)", _ID.sub('"(id)"', _MOMENT.sub('"(moment)"', text))))
    return _ordered(httpx.Response(200, text=text).json())


def _ordered(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _ordered(one, name) for name, one in value.items()}
    if isinstance(value, list):
        found = [_ordered(one) for one in value]
        if key == "api_tokens":  # the order is that of the last use, which is written down later by ours
            return sorted(found, key=lambda token: str(token["note"]))
        return sorted(found) if key in _UNORDERED and all(isinstance(one, str) for one in found) else found
    if key in _OF_THE_MACHINE:
        return "(text)" if isinstance(value, str) else value
    if isinstance(value, str) and "?" in value:
        path, _, query = value.partition("?")
        return f"{path}?{'&'.join(sorted(query.split('&')))}"
    return value


def compare(theirs: Any, ours: Any, at: str = "") -> list[str]:
    """Where they differ, one line each."""
    if theirs == ours:
        return []
    if not at and theirs["status"] != ours["status"]:
        return [f"status {theirs['status']} -> {ours['status']}"]
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return [
            line
            for key in {**theirs, **ours}
            for line in compare(theirs.get(key, "(none)"), ours.get(key, "(none)"), f"{at}.{key}" if at else str(key))
        ]
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        return [line for index, pair in enumerate(zip(theirs, ours, strict=True)) for line in compare(*pair, f"{at}[{index}]")]
    return [f"{at}: {theirs!r} -> {ours!r}"]
