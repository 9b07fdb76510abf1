"""Stores, which contacts refer to."""

from http import HTTPStatus
from typing import Annotated

from pydantic import Field, RootModel

from polypost.dialects.contacts.api import CODEC, STORES
from polypost.models.contacts import Store
from polypost.web.http import Request, Response
from polypost.wire import aspnet
from polypost.wire.aspnet import AspNetModel
from polypost.wire.dotnet import Int32, MaxLength
from polypost.wire.models import WireModel


class CreateStoreDto(AspNetModel):
    """The body of `POST /api/v1/Stores`."""

    Id: Annotated[Int32 | None, Field(ge=1)] = None
    Name: Annotated[str | None, MaxLength(100)] = None


class StoreDto(WireModel):
    """A store."""

    Id: int
    Name: str


class StoresDto(RootModel[list[StoreDto]]):
    """All stores of a space."""


def decode_store(request: Request) -> tuple[int | None, str]:
    """Id, if the caller chose one, and name of a new store.

    Raises: UnsupportedMediaType; InvalidRequest, naming every field that is wrong.
    """
    body = aspnet.decode(request, CreateStoreDto, CODEC, parameter="store")
    return body.Id, body.Name or ""


def encode_store(request: Request, store: Store) -> Response:
    """200: a store."""
    return CODEC.encode(request, StoreDto(Id=store.id, Name=store.name))


def encode_created_store(request: Request, store: Store) -> Response:
    """201: the store, and where it can be read."""
    location = {"Location": f"{request.origin}{STORES}/{store.id}"}
    return CODEC.encode(request, StoreDto(Id=store.id, Name=store.name), HTTPStatus.CREATED, location)


def encode_stores(request: Request, stores: list[Store]) -> Response:
    """200: all stores."""
    return CODEC.encode(request, StoresDto([StoreDto(Id=store.id, Name=store.name) for store in stores]))
