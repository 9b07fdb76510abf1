"""StratusCore's codes: what each refusal is answered with, and what the docs say of it."""

import re
from http import HTTPStatus
from pathlib import Path

import pytest

from polypost.dialects.stratuscore import ENDPOINTS, ResultCode, encode_error
from polypost.errors import (
    Conflict,
    Forbidden,
    InvalidFields,
    InvalidRequest,
    MethodNotAllowed,
    PayloadTooLarge,
    RequestError,
    RequestInProgress,
    Unauthenticated,
    UnknownPath,
    UnknownSpace,
    UnsupportedCharset,
    UnsupportedMediaType,
)
from polypost.web.endpoint import ServerError, Unavailable
from polypost.web.http import Request
from support.stratuscore import message_of

DOCS = Path(__file__).parents[2] / "docs" / "stratuscore.md"

ERRORS = [
    Unauthenticated(),
    InvalidRequest("Email", "The Email field is required."),
    UnknownPath(),
    UnknownSpace(),
    MethodNotAllowed("GET", ("POST",)),
    Conflict("other words"),
    RequestInProgress(),
    PayloadTooLarge("other words"),
    UnsupportedMediaType("other words"),
    UnsupportedCharset("other words"),
    Forbidden("other words"),
    ServerError(),
    Unavailable(),
]


def documented() -> dict[str, set[int]]:
    """The statuses of each code."""
    rows = re.findall(r"^\| ([0-9]{2}) \| ([0-9, ]+) \|", DOCS.read_text(), re.MULTILINE)
    return {code: set(map(int, statuses.split(", "))) for code, statuses in rows}


def answered(error: RequestError) -> tuple[str, str]:
    response = encode_error(Request("POST", "/"), error)
    assert response.status == error.status
    return message_of(response.body)


def test_the_docs_list_every_code_with_its_statuses() -> None:
    found: dict[str, set[int]] = {ResultCode.SAVED: {HTTPStatus.OK}}
    for error in ERRORS:
        found.setdefault(answered(error)[0], set()).add(error.status)
    assert found == documented()
    assert set(found) == set(ResultCode)


@pytest.mark.parametrize("error", ERRORS)
def test_the_description_says_what_is_wrong(error: RequestError) -> None:
    assert answered(error)[1] == error.message


def test_the_description_names_every_wrong_field() -> None:
    problems = {"Request.Email": ["The Email field is required."], "Request.SentBy": ["The SentBy field is required."]}
    assert answered(InvalidFields(problems)) == ("02", "The Email field is required. The SentBy field is required.")


def test_a_path_that_is_published_in_lower_case_is_one_route() -> None:
    assert ENDPOINTS == {"/api/v1/contact/coffeepage": ("POST",)}
