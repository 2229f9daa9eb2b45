"""Environments are kept where the site says, each under what it is made of."""

import json
from pathlib import Path

import pytest

from perijove.agent.environment.describe import described
from perijove.agent.environment.keep import Kept, Record, Store, root_of
from perijove.agent.environment.trouble import TroubleError


def test_where_they_are_kept_may_be_said_by_variables_of_the_machine() -> None:
    assert root_of({"HOME": "/home/ann"}) == Path("/home/ann/.local/share/perijove/environments")
    environ = {"HOME": "/home/ann", "SCRATCH": "/scratch/ann", "PERIJOVE_ENVIRONMENTS": "${SCRATCH}/envs"}
    assert root_of(environ) == Path("/scratch/ann/envs")
    with pytest.raises(TroubleError, match=r"no \$PROJECT on this machine"):
        root_of({**environ, "PERIJOVE_ENVIRONMENTS": "$PROJECT/envs"})
    with pytest.raises(TroubleError, match="no absolute path"):
        root_of({**environ, "PERIJOVE_ENVIRONMENTS": "envs"})


def test_the_python_that_it_is_made_from_makes_another_of_it(tmp_path: Path) -> None:
    store, describe = Store(tmp_path), described({"packages": ["jupyterlab"]})
    old, new = store.place(describe, "3.11 /opt/python/3.11.4"), store.place(describe, "3.11 /opt/python/3.11.9")
    assert old.folder.name.startswith("venv-3.11-")
    assert old != new
    assert old == store.place(described({"name": "other", "packages": ["jupyterlab"]}), "3.11 /opt/python/3.11.4")


def test_what_a_newer_version_wrote_is_passed_over_and_what_is_damaged_made_anew(tmp_path: Path) -> None:
    store, describe = Store(tmp_path), described({})
    kept = store.place(describe, "3.11 /x")
    kept.write(Record(describe.as_json(), complete=True))
    store.note(describe, kept)
    newer = Kept(tmp_path / "newer")
    newer.write(Record({"kind": "cloud"}))
    (kept.folder / "environment.json").write_text(json.dumps({**vars(Record(describe.as_json())), "later": 1}), encoding="ascii")
    assert [found.folder for found, _, _ in store.all()] == [kept.folder]
    (kept.folder / "environment.json").write_text('{"describe": ', encoding="ascii")
    assert kept.record() is None
    assert store.noted(describe) == kept


def test_a_note_leads_nowhere_else(tmp_path: Path) -> None:
    store, describe = Store(tmp_path), described({})
    store.note(describe, Kept(tmp_path / "x"))
    (note,) = (tmp_path / "asked").iterdir()
    for text in ("../../etc", "/etc", ".", "..", ""):
        note.write_text(text, encoding="ascii")
        assert store.noted(describe) is None
