"""The rows of files of contacts."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from polypost.dialects.contacts.contact import CreateContactDto, ReadContactDto, members_of
from polypost.errors import InvalidRequest
from polypost.models.contacts import Contact, Profile, Registration
from polypost.models.date_time_offset import DateTimeOffset
from polypost.wire.json import read_json
from polypost.wire.models import invalid_fields

#: The columns of a file of contacts that can be read, and of one that is written.
IMPORTED = tuple(CreateContactDto.model_fields)
EXPORTED = tuple(ReadContactDto.model_fields)


def decode_cells(cells: Mapping[str, str]) -> tuple[Registration, Profile]:
    """What the contact of a row is to be.

    Parameters: cells, by the names of IMPORTED; a blank one is no value, and external ids are JSON.

    Raises: InvalidRequest, naming every field that is wrong.
    """
    values: dict[str, Any] = {name: cell for name, cell in cells.items() if cell.strip()}
    for name, cell in values.items():
        # What a program leaves that was cut off while it wrote.
        if "\0" in cell:
            raise InvalidRequest(name, f"The field {name} holds a character that is no text.")
    try:
        if "ExternalIds" in values:
            values["ExternalIds"] = read_json(values["ExternalIds"], "The field ExternalIds")
        body = CreateContactDto.model_validate(values)
    except ValidationError as error:
        raise invalid_fields(error) from error
    except ValueError as error:
        raise InvalidRequest("ExternalIds", str(error)) from error
    return body.registration(DateTimeOffset.now()), body.profile(())


def encode_members(contact: Contact) -> dict[str, Any]:
    """A contact as JSON has it."""
    return ReadContactDto(**members_of(contact)).model_dump(mode="json")


def encode_cells(contact: Contact) -> list[str]:
    """A contact as a row, in the order of EXPORTED."""
    members = encode_members(contact)
    return [_cell(members.get(name)) for name in EXPORTED]


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list():
            return json.dumps(value, ensure_ascii=False)
    return str(value)
