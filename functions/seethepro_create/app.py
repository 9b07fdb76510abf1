"""POST /api/vspinteraction/create: create an interaction and its link."""

from polypost import runtime
from polypost.dialects import seethepro
from polypost.models.access import Scope
from polypost.usecases.create_interaction import create_interaction
from polypost.web import pages
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(seethepro, Scope.INTERACTIONS_WRITE)
def handler(request: Request, caller: Caller) -> Response:
    """Create the interaction that the request asks for."""
    interaction = create_interaction(
        seethepro.decode_create(request),
        caller.space,
        pages.interaction_links(request),
        request.attempt,
        access=runtime.access(),
        interactions=runtime.interactions(),
    )
    return seethepro.encode_created(request, interaction)
