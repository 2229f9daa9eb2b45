"""An installation of Perijove that tests may change under the feet of those that run."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import perijove as package
from tests.integration.upgrade.place import Site
from tests.running.perijove import perijove


@dataclass
class Installation:
    """A copy of the package, which is changed under the feet of those that run."""

    source: Path
    site: Site

    def edit(self, file: str, was: str, becomes: str) -> None:
        path = self.source / "perijove" / file
        text = path.read_text()
        assert was in text
        path.write_text(text.replace(was, becomes, 1))

    def becomes(self, version: str) -> None:
        self.edit("__init__.py", f'"{self.versions()[0]}"', f'"{version}"')

    def versions(self) -> list[str]:
        """Of the hubs that live."""
        return [hub["version"] for hub in self.site.api("GET", "/perijove/status").json()["replicas"]]


@contextmanager
def installed(folder: Path, settings: str) -> Iterator[Installation]:
    """A copy below `folder`, and `perijove up` of it with these settings."""
    source = folder / "src"
    shutil.copytree(Path(package.__file__).parent, source / "perijove", ignore=shutil.ignore_patterns("__pycache__"))
    environ = {"PYTHONPATH": str(source)}
    with perijove(settings, environ=environ) as running:
        yield Installation(source, Site(running, environ))
