"""Modules loaded and environments entered by a shell. Its text is constant; everything else reaches it as arguments."""

from __future__ import annotations

from typing import Sequence

NO_MODULES = 97
NOT_LOADED = 98
MARK = "perijove-module: "
"""Before the name of the module that cannot be loaded, on standard error."""

# The login shell may have said things already and made aliases of anything; what a profile prints goes to standard error, so that standard
# output is the program's alone. Old versions of Environment Modules end with 0 whatever happens: then the list of what is loaded tells.
PYTHONPATH = "PERIJOVE_PYTHONPATH"
"""The variable with what PYTHONPATH must begin with after all: profiles and modules set it as they please."""
_APART = "exec 3>&1 1>&2"
_LOGIN = f'{_APART}; exec bash -l -c "$@"'
_TEXT = r"""
count=$1 prefix=$2 conda=$3 afresh=$4
shift 4
if [ -n "$afresh" ] && [ -n "$LOADEDMODULES" ] && type module >/dev/null 2>&1; then
    module purge </dev/null
fi
if [ "$count" -gt 0 ] && ! type module >/dev/null 2>&1; then
    for file in /etc/profile.d/modules.sh /etc/profile.d/lmod.sh /etc/profile.d/z00_lmod.sh /usr/share/modules/init/bash /usr/share/lmod/lmod/init/bash; do
        if [ -r "$file" ]; then . "$file"; break; fi
    done
    type module >/dev/null 2>&1 || exit 97
fi
while [ "$count" -gt 0 ]; do
    before=$LOADEDMODULES
    if ! module load "$1" </dev/null || { [ "$before" = "$LOADEDMODULES" ] && case ":$LOADEDMODULES" in *":${1%%/*}"*) false ;; *) true ;; esac; }; then
        printf 'perijove-module: %s\n' "$1" >&2
        exit 98
    fi
    count=$((count - 1))
    shift
done
if [ -n "$prefix" ]; then
    export PATH="$prefix/bin:$PATH"
    unset PYTHONHOME
    if [ -n "$conda" ]; then
        export CONDA_PREFIX="$prefix" CONDA_DEFAULT_ENV="$prefix"
        for file in "$prefix"/etc/conda/activate.d/*.sh; do
            if [ -r "$file" ]; then . "$file" </dev/null; fi
        done
    else
        [ -r "$prefix/pyvenv.cfg" ] && export VIRTUAL_ENV="$prefix"
    fi
fi
if [ -n "$PERIJOVE_PYTHONPATH" ] && [ -z "$afresh" ]; then
    export PYTHONPATH="$PERIJOVE_PYTHONPATH${PYTHONPATH:+:$PYTHONPATH}"
fi
unset PERIJOVE_PYTHONPATH
exec 1>&3 3>&-
exec -- "$@"
"""


def entered(modules: Sequence[str], prefix: str | None = None, *, conda: bool = False, afresh: bool = False) -> list[str]:
    """The words before a program's, so that it runs with the modules loaded and with `prefix` (a virtualenv, a conda environment) active.
    `afresh`: what modules are loaded where it is started from are not to be there."""
    shell = ["bash", "--norc", "-c"]
    shell += [_LOGIN, "perijove", _TEXT] if modules or afresh else [f"{_APART}\n{_TEXT}"]
    return [*shell, "perijove", str(len(modules)), prefix or "", "1" if conda else "", "1" if afresh else "", *modules]
