"""What a body holds: its members, by the names that they have on the wire, and what is wrong with them.

Readers hand every scalar over as text (JSON's booleans and null apart), so that a member's type reads it the same way
in each format.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from polypost.errors import InvalidFields


class WireModel(BaseModel):
    """A body, or an object in one: members in the document's order, named as on the wire; unknown ones are ignored.

    A namespace makes it a DataContract of .NET: its null members are written as `i:nil`, where an XML of no namespace
    leaves them out.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    #: The root element's name; the class's where empty.
    xml_name: ClassVar[str] = ""

    #: The namespace of the root element and of the members' elements.
    xml_namespace: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _booleans_as_text(cls, body: Any) -> Any:
        # Json.NET's `ReadAsString` and Jackson's `StringDeserializer` take any scalar for a text.
        if not isinstance(body, dict):
            return body
        known = members(cls)
        return {
            name: str(value).lower() if isinstance(value, bool) and name in known and known[name].is_text else value
            for name, value in body.items()
        }


@dataclass(frozen=True)
class XmlAttribute:
    """Marks a member that is an attribute in XML: `type: Annotated[str, XmlAttribute()]`."""


@dataclass(frozen=True)
class Unusable:
    """Stands in a body's data for a value that cannot be read, whatever the member's type.

    Parameters: reason, what continues the sentence that the field's name begins.
    """

    reason: str


TWICE: Final = Unusable("is given more than once")


@dataclass(frozen=True)
class Repeated(Unusable):
    """Stands for several values of one name in a form.

    Parameters: first, the value that came first.
    """

    first: str


@dataclass(frozen=True)
class Member:
    """What a reader or writer has to know of a member: is it text, an object, an attribute in XML."""

    is_text: bool
    model: type[WireModel] | None
    is_attribute: bool


@cache
def members(model: type[WireModel]) -> Mapping[str, Member]:
    """A model's members by name, in the document's order."""
    found = {}
    for name, field in model.model_fields.items():
        types = _types(field.annotation)
        found[name] = Member(
            is_text=any(issubclass(kind, str) for kind in types),
            model=next((kind for kind in types if issubclass(kind, WireModel)), None),
            is_attribute=any(isinstance(item, XmlAttribute) for item in field.metadata),
        )
    return found


def _types(annotation: Any) -> list[type]:
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return [type(value) for value in arguments]
    if get_origin(annotation) is Annotated:
        return _types(arguments[0])
    if arguments:
        return [kind for argument in arguments for kind in _types(argument)]
    return [annotation] if isinstance(annotation, type) else []


# --- What is wrong ----------------------------------------------------------------------------------------------------

#: The type of a `PydanticCustomError` that asks for the words "The value 'x' is not valid for Y."
NOT_VALID: Final = "not_valid"

#: The type of Pydantic's error, and of custom ones, that asks for the words "The X field is required."
MISSING: Final = "missing"

_KINDS = {"model_type": "an object", "string_type": "a string", "list_type": "a list", "tuple_type": "a list"}
_NOT_VALID_TYPES = (NOT_VALID, "greater_than_equal", "less_than_equal")

# No more of a wrong value is told back, and no more of what is wrong.
_LONGEST_VALUE = 100
_MOST_PROBLEMS = 50


def invalid_fields(error: ValidationError) -> InvalidFields:
    """What is wrong with a body, in the words of ASP.NET's validation: all of it, if that is no endless list.

    The message of a validator's `PydanticCustomError` continues the field's name: "must be an IPv4 address".
    """
    problems: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False, include_context=False)[:_MOST_PROBLEMS]:
        problems.setdefault(_field(problem["loc"]), []).append(_words(problem))
    if error.error_count() > _MOST_PROBLEMS:
        problems.setdefault("", []).append(f"{error.error_count() - _MOST_PROBLEMS} more values are wrong.")
    return InvalidFields(problems)


def _field(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _words(problem: ErrorDetails) -> str:
    value, message = problem["input"], problem["msg"]
    if not problem["loc"]:
        return "The request body must be an object." if problem["type"] == "model_type" else message
    name = _field(problem["loc"])
    if isinstance(value, Unusable):
        return f"The field {name} {value.reason}."
    if value is None or problem["type"] == MISSING:
        return f"The {name} field is required."
    if problem["type"] in _NOT_VALID_TYPES:
        shown = type(value) in (str, int) and len(str(value)) <= _LONGEST_VALUE
        return f"The value '{value}' is not valid for {name}." if shown else f"The value is not valid for {name}."
    if problem["type"] in _KINDS:
        return f"The field {name} must be {_KINDS[problem['type']]}."
    words = re.sub("^[A-Z][a-z]+ should ", "must ", message).replace(" after validation", "")
    return f"The field {name} {words.removesuffix('.')}."
