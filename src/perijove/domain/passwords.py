"""Which passwords are good enough: long enough and not among the first that anybody would try (NIST SP 800-63B, 5.1.1.2).

There are no rules about kinds of characters: they make passwords harder to remember, not to guess.
"""

import re
from typing import Final

MIN_PASSWORD: Final = 8
MAX_PASSWORD: Final = 1024
"""Characters; beyond that somebody only wants to keep the hub busy."""
_WORDS: Final = """
    password passwort motdepasse contrasena letmein welcome willkommen bienvenue admin administrator root user guest student teacher
    changeme default secret qwerty qwertz azerty asdfgh zxcvbn iloveyou sunshine princess football baseball basketball superman batman
    dragon monkey master shadow michael jennifer jordan hunter killer trustno whatever starwars computer internet samsung google
    facebook linkedin jupyter jupyterhub jupyterlab notebook python perijove hello abc test testing temp access login summer winter
    spring autumn pass passw0rd p@ssw0rd p@ssword passwd
"""
_COMMON: Final = frozenset(_WORDS.split())
_ROWS: Final = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "azertyuiopqsdfghjklmwxcvbn",
)


def password_problem(password: str, user_name: str = "") -> str:
    """What is wrong with a new password, in words for the person who chose it; empty if nothing."""
    if len(password) < MIN_PASSWORD:
        return f"A password needs at least {MIN_PASSWORD} characters."
    if len(password) > MAX_PASSWORD:
        return f"A password has at most {MAX_PASSWORD} characters."
    if "\0" in password:
        return "A password cannot contain a NUL character."
    lower = password.lower()
    core = re.sub(r"[\d\W_]+$", "", re.sub(r"^[\d\W_]+", "", lower))
    name = user_name.lower()
    if name and (lower in {name, name[::-1], name * 2} or core == name):
        return "The password must not be the user name."
    if core in _COMMON or lower in _COMMON or any(lower == word * 2 for word in _COMMON):
        return "This password is one of the first that others would try. Take a few words that do not belong together."
    if len(set(lower)) < 4:
        return "This password repeats the same few characters. Take a few words that do not belong together."
    if any(lower in row or lower[::-1] in row for row in _ROWS):
        return "This password is a row of neighbouring characters. Take a few words that do not belong together."
    return ""
