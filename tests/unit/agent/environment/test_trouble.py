"""What is in the way is told so that somebody can do something about it."""

import errno

import pytest

from perijove.agent.environment.trouble import os_words, said_words


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "Cannot write to /home/ann/x: the file system is full: free some space"),
        (errno.EDQUOT, "Cannot write to /home/ann/x: your quota there is used up"),
        (errno.EACCES, "Cannot write to /home/ann/x: you have no right to it"),
        (errno.EROFS, "Cannot write to /home/ann/x: it cannot be written to from this machine"),
        (errno.ENOENT, "Cannot write to /home/ann/x: No such file"),
    ],
)
def test_errors_of_the_file_system_say_what_to_do(number: int, sentence: str) -> None:
    assert os_words(OSError(number, "No such file", "/home/ann/x"), "write to").startswith(sentence)


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 122] Disk quota exceeded: '/home/a'", "Your quota is used up"),
        ("OSError: [Errno 28] No space left on device", "The file system is full"),
        ("ERROR: No matching distribution found for numpyy>=1 (from x)", "There is no numpyy>=1 among the wheels"),
        ("ERROR: ResolutionImpossible: for help visit", "The packages contradict each other"),
        ("PackagesNotFoundError: The following packages are not available", "in none of the channels"),
        ("something else", ""),
    ],
)
def test_what_package_tools_say_is_told_in_a_sentence(output: str, sentence: str) -> None:
    found = said_words(output, offline=True)
    assert found.startswith(sentence) or sentence in found
    assert bool(found) == bool(sentence)
