"""POST /api/vspinteraction/create: create an interaction and its link."""

from polypost import pages, runtime
from polypost.api import endpoint
from polypost.auth import Caller
from polypost.dialects import seethepro
from polypost.http import Request, Response
from polypost.models.access import Scope
from polypost.usecases.create_interaction import create_interaction


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
