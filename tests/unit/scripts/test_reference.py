"""The pages made from the code say what the code says."""

import pytest
import reference

from perijove.domain.lifecycle import TABLE


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_page_is_current(name: str) -> None:
    text = (reference.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert text == f"{reference.MARK}\n\n" + "\n".join(reference.PAGES[name]()).rstrip() + "\n", "run `make fix`"


def test_the_diagram_has_an_arrow_for_every_move_of_the_table() -> None:
    lines = list(reference.lifecycle_diagram())
    for (at, event), (to, _) in TABLE.items():
        arrow = next((line for line in lines if line.strip().startswith(f"{at.value} --> {to.value}:")), None)
        assert (arrow is None) == (at is to)
        assert arrow is None or event.value.replace("_", " ") in arrow
