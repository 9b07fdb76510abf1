"""Contacts: create contacts with uniqueness rules, and everything after.

Source: the document contacts-create; where it is silent, what its server, an ASP.NET Web API, would do.
"""

from polypost.dialects.contacts.api import CODEC, CONTACTS, STORES, SUPPRESSIONS
from polypost.dialects.contacts.contact import LatestContactDto, members_of
from polypost.errors import RequestError
from polypost.models.contacts import ContactConflict
from polypost.web.auth import basic_credentials as credentials
from polypost.web.http import Request, Response
from polypost.wire import aspnet

__all__ = ["ANY_CASE", "BASE_PATHS", "CHALLENGE", "ENDPOINTS", "credentials", "encode_error"]

BASE_PATHS: tuple[str, ...] = (CONTACTS, STORES, SUPPRESSIONS)

ENDPOINTS: dict[str, tuple[str, ...]] = {
    CONTACTS: ("GET", "POST"),
    f"{CONTACTS}/{{id}}": ("GET", "PUT", "DELETE"),
    f"{CONTACTS}/{{id}}/timeline": ("GET",),
    f"{CONTACTS}/{{id}}/export": ("GET",),
    f"{CONTACTS}/{{id}}/external-ids/{{system}}/{{externalId}}": ("PUT", "DELETE"),
    STORES: ("GET", "POST"),
    f"{STORES}/{{id}}": ("GET", "DELETE"),
    SUPPRESSIONS: ("GET",),
    f"{SUPPRESSIONS}/{{address}}": ("GET", "PUT", "DELETE"),
}

ANY_CASE = True

CHALLENGE = 'Basic realm="Contacts", charset="UTF-8"'


def encode_error(request: Request, error: RequestError) -> Response:
    """An error as ASP.NET words it; the latest contact where a change of it was refused."""
    if isinstance(error, ContactConflict):
        latest = LatestContactDto(**members_of(error.latest), Message=error.message)
        return CODEC.encode(request, latest, error.status)
    return aspnet.encode_error(request, error, CODEC)
