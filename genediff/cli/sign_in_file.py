"""The file by which a server lets people sign in: an OpenID Connect provider, and who may use the server."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_NEEDED = ("redirect_uri", "cookie_secret")
_PROVIDER = ("client_id", "client_secret", "server_metadata_url")


@dataclass(frozen=True)
class SignIn:
    """What the file says: the section that Streamlit's sign-in reads, and patterns of addresses that may sign in."""

    auth: dict[str, Any]
    allow: tuple[str, ...] = ()

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of the providers to choose from; none where there is one without a name."""
        return tuple(name for name, content in self.auth.items() if isinstance(content, dict))

    @property
    def host(self) -> str:
        """The name by which browsers call the server."""
        return urlsplit(str(self.auth["redirect_uri"])).hostname or ""


def read_sign_in(path: Path) -> SignIn:
    """Read the file.

    Raises
    ------
    InputError
        When it cannot be read, an entry is missing, or the library that Streamlit signs in with is not installed.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise InputError(f"{path} cannot be read as TOML: {problem}.") from None
    auth, allow = content.get("auth"), content.get("users", {}).get("allow", [])
    if not isinstance(auth, dict):
        raise InputError(f"{path} has no section [auth]; docs/how-to/server.md shows one.")
    if not isinstance(allow, list) or not all(isinstance(one, str) for one in allow):
        raise InputError(f"`allow` in [users] of {path} is a list of e-mail addresses, such as ['*@lab.example'].")
    found = SignIn(auth, tuple(allow))
    sections = {f"auth.{name}": auth[name] for name in found.providers} or {"auth": auth}
    missing = [f"[auth] {name}" for name in _NEEDED if not auth.get(name)]
    missing += [f"[{section}] {name}" for section, one in sections.items() for name in _PROVIDER if not one.get(name)]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}; docs/how-to/server.md shows all entries.")
    if urlsplit(str(auth["redirect_uri"])).path.rsplit("/", 1)[-1] != "oauth2callback" or not found.host:
        raise InputError(
            f"redirect_uri in {path} is the address of this server and /oauth2callback, such as "
            f"https://genediff.example.org/oauth2callback, not '{auth['redirect_uri']}'."
        )
    try:
        import authlib  # noqa: F401
    except ImportError:
        raise InputError("Signing in needs Authlib, which is not installed: pip install 'genediff[sign-in]'") from None
    return found
