"""Secrets come from the environment or from files, so that the configuration file can be shown to anybody."""

from collections.abc import Mapping
from pathlib import Path

from perijove.config.section import Secret


class SecretMissingError(ValueError):
    """The secret is not where the configuration says; the text tells where it was looked for."""


def read_secret(secret: Secret | str, environ: Mapping[str, str], folder: Path) -> str:
    """The secret's text, stripped of the end of line. `folder`: what relative file names are relative to.

    Raises SecretMissingError.
    """
    if isinstance(secret, str):
        return secret
    given = [name for name in ("env", "file", "value") if getattr(secret, name) is not None]
    if len(given) != 1:
        raise SecretMissingError("a secret needs exactly one of env, file or value")
    if secret.env is not None:
        text = environ.get(secret.env, "")
        where = f"the environment variable {secret.env}"
    elif secret.file is not None:
        path = folder / Path(secret.file).expanduser()
        where = f"the file {path}"
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise SecretMissingError(f"{where} cannot be read: {error}") from None
    else:
        text, where = secret.value or "", "value"
    text = text.strip("\r\n")
    if not text:
        raise SecretMissingError(f"{where} is empty or not set")
    return text
