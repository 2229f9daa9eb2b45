"""The script of a job where the scheduler takes nothing but a script: what is to be run is in it as packed data, which no shell reads as its language."""

import base64
from typing import Final

from perijove.domain.batch.request import Program

_SCRIPT: Final = """\
#!/bin/bash
perijove_words=()
while IFS= read -r -d '' perijove_word; do perijove_words+=("$perijove_word"); done < <(base64 -d <<<'{packed}')
for perijove_word in "${{perijove_words[@]:0:{variables}}}"; do export "$perijove_word"; done
set -- "${{perijove_words[@]:{variables}}}"
unset perijove_words perijove_word
cd -- "$1" || exit 1
shift
{prologue}
exec "$@"
"""


def packed_script(program: Program, folder: str) -> str:
    """Sets the environment, goes to the folder, runs the prologue and then the program in place of the shell. Schedulers keep scripts to root and to
    the person, so secrets may be in it."""
    words = [*(f"{name}={value}" for name, value in program.environ.items()), folder, *program.argv]
    packed = base64.b64encode(b"".join(word.encode() + b"\0" for word in words)).decode()
    return _SCRIPT.format(packed=packed, variables=len(program.environ), prologue=program.prologue.rstrip())
