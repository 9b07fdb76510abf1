"""Campaigns: where the links of interactions lead."""

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

#: The parameter of a landing page that tells whose visit it is: a contact's Secret.
SECRET_PARAMETER = "s"  # noqa: S105  # its name is no secret


@dataclass(frozen=True, slots=True)
class Campaign:
    """What the interactions of one name have in common.

    `key` is the same for all spellings of the name, and stays when a campaign is deleted and made anew; `landing_page`
    is an http or https URL of ASCII characters, or None while none is set.
    """

    key: str
    name: str
    landing_page: str | None = None


def has_secret_parameter(landing_page: str) -> bool:
    """Whether a URL has a parameter of its own where a contact's Secret goes."""
    return any(name == SECRET_PARAMETER for name, _ in parse_qsl(urlsplit(landing_page).query, keep_blank_values=True))


def with_secret(landing_page: str, secret: str) -> str:
    """A landing page's URL with a contact's Secret beside its own query, which stays as it is spelled."""
    parts = urlsplit(landing_page)
    query = "&".join(filter(None, (parts.query, f"{SECRET_PARAMETER}={secret}")))
    return parts._replace(query=query).geturl()
