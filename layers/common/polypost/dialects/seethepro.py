"""SeeThePro: create an interaction and the link that invites to it.

Source: the document seethepro-vsp-interaction; where it is silent, what its server, an ASP.NET Web API, would do.
"""

from typing import Annotated, ClassVar

from polypost.errors import RequestError, Unauthenticated
from polypost.models.interactions import Interaction, NewInteraction
from polypost.web.auth import Credentials
from polypost.web.http import Request, Response
from polypost.wire import aspnet
from polypost.wire.aspnet import AspNetModel
from polypost.wire.codec import SMALL_BODY_BYTES, Codec
from polypost.wire.dotnet import Guid, MaxLength, RequiredText
from polypost.wire.form import FORM
from polypost.wire.json import JSON_NET
from polypost.wire.xml import XML

_INTERACTIONS = "/api/vspinteraction"

BASE_PATHS: tuple[str, ...] = (_INTERACTIONS,)

ENDPOINTS: dict[str, tuple[str, ...]] = {f"{_INTERACTIONS}/create": ("POST",)}

ANY_CASE = True

# The key is in the body, which no scheme is. It is not Basic, for which browsers ask a name and a password that nobody
# would read here.
CHALLENGE = 'AppAccessKey realm="SeeThePro"'

_CODEC = Codec(reads=(JSON_NET, XML, FORM), writes=(JSON_NET, XML), max_bytes=SMALL_BODY_BYTES)

# What the action calls its body.
_PARAMETER = "model"

# --- Members ----------------------------------------------------------------------------------------------------------


class _DataContract(AspNetModel):
    xml_namespace: ClassVar[str] = "http://schemas.datacontract.org/2004/07/SeeTheProWebAPI.Models"


class _Signature(_DataContract):
    """A body, as far as it tells who sends it."""

    xml_name: ClassVar[str] = "CreateVspInteraction"

    AppAccessKey: str | None = None


#: The document sets no limit; a DynamoDB item has one.
_Text = Annotated[RequiredText, MaxLength(1000)]


class CreateVspInteraction(_DataContract):
    """The body of `POST /api/vspinteraction/create`."""

    AppAccessKey: RequiredText
    InteractionIdentity: _Text
    InteractionName: _Text
    AccountId: Guid
    ContactId: Guid
    TenantKey: Guid | None = None
    GroupKey: Guid | None = None


class VspInteraction(_DataContract):
    """An interaction."""

    InteractionId: str
    CampaignKey: str
    InteractionUrl: str


# --- Requests and answers ---------------------------------------------------------------------------------------------


def credentials(request: Request) -> Credentials:
    """The credentials in the body, of which nothing else is looked at yet: `{keyid}.{secret}`, no keyid has a dot.

    Raises: UnsupportedMediaType; InvalidRequest, for what is no body; Unauthenticated, if there are none in it.
    """
    signature = aspnet.decode(request, _Signature, _CODEC, parameter=_PARAMETER)
    keyid, dot, secret = (signature.AppAccessKey or "").partition(".")
    if not dot:
        raise Unauthenticated
    return Credentials(keyid, secret)


def decode_create(request: Request) -> NewInteraction:
    """The interaction that is asked for.

    Raises: UnsupportedMediaType; InvalidRequest, naming every field that is wrong.
    """
    body = aspnet.decode(request, CreateVspInteraction, _CODEC, parameter=_PARAMETER)
    return NewInteraction(
        identity=body.InteractionIdentity,
        name=body.InteractionName,
        account_id=body.AccountId,
        contact_id=body.ContactId,
        tenant_key=body.TenantKey,
        group_key=body.GroupKey,
    )


def encode_created(request: Request, interaction: Interaction) -> Response:
    """200: the interaction, also where it was there already."""
    body = VspInteraction(
        InteractionId=interaction.id, CampaignKey=interaction.campaign_key, InteractionUrl=interaction.url
    )
    return _CODEC.encode(request, body)


def encode_error(request: Request, error: RequestError) -> Response:
    """An error as ASP.NET words it."""
    return aspnet.encode_error(request, error, _CODEC)
