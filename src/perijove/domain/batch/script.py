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
{program}"""


def packed_script(program: Program, folder: str) -> str:
    """Sets the environment, goes to the folder, runs the prologue and then the program in place of the shell. Schedulers keep scripts to root and to
    the person, so secrets may be in it."""
    words = [*(f"{name}={value}" for name, value in program.environ.items()), folder, *program.argv]
    packed = base64.b64encode(b"".join(word.encode() + b"\0" for word in words)).decode()
    return _SCRIPT.format(packed=packed, variables=len(program.environ), program=around(program.prologue, program.epilogue))


_AND_THEN: Final = """\
"$@" &
perijove_program=$!
for perijove_signal in TERM INT HUP USR1 USR2 CONT; do
    trap "kill -$perijove_signal $perijove_program 2>/dev/null" "$perijove_signal"
done
while kill -0 "$perijove_program" 2>/dev/null; do wait "$perijove_program"; done
wait "$perijove_program"
perijove_status=$?
trap '' TERM INT HUP
"""


def around(prologue: str, epilogue: str) -> str:
    """The end of a job's script: the site's prologue, then the program that is in "$@". Without an epilogue the program takes the shell's place, so that
    signals reach it; with one the shell passes them on, waits, runs the epilogue, and ends with the program's status."""
    begin = f"{prologue.rstrip()}\n" if prologue.strip() else ""
    if not epilogue.strip():
        return f'{begin}exec "$@"\n'
    return f'{begin}{_AND_THEN}{epilogue.rstrip()}\nexit "$perijove_status"\n'
