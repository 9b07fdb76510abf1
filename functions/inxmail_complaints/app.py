"""GET /api-service/custom/sap/v1/complaints: one page of the complaints that match the filters."""

from polypost import runtime
from polypost.dialects import inxmail
from polypost.models.access import Scope
from polypost.models.delivery import EventList
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(inxmail, Scope.EVENTS_READ)
def handler(request: Request, caller: Caller) -> Response:
    """List complaints."""
    query = inxmail.decode_complaints_query(request)
    page = runtime.logs().list_events(caller.space, EventList.COMPLAINTS, query.criteria, query.page, query.page_size)
    return inxmail.encode_complaints(request, query, page)
