"""POST /customers/{customerID}/mails: mail a promotion code to a customer."""

from polypost import runtime
from polypost.dialects import intershop
from polypost.models.access import Scope
from polypost.usecases.mail_promotion_code import mail_promotion_code
from polypost.web import pages
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(intershop, Scope.MAIL_SEND)
def handler(request: Request, caller: Caller) -> Response:
    """Queue the mail with the code that the request holds."""
    mail_promotion_code(
        intershop.decode_customer(request),
        intershop.decode_promotion_code(request),
        caller.space,
        pages.unsubscribe_links(request),
        request.attempt,
        access=runtime.access(),
        contacts=runtime.contacts(),
        suppressions=runtime.suppressions(),
        queue=runtime.mail_queue(),
    )
    return intershop.encode_queued()
