"""POST /api-service/custom/sap/v1/send: accept a mail and queue it."""

from polypost import runtime
from polypost.dialects import inxmail
from polypost.models.access import Scope
from polypost.usecases.forecast_mail import forecast_mail
from polypost.usecases.send_mail import send_mail
from polypost.web import pages
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


def dry_run(request: Request, caller: Caller) -> Response:
    """Tell what would become of the mail that the request asks for."""
    mail = inxmail.decode_send(request)
    forecasts = forecast_mail(
        mail,
        caller.space,
        pages.unsubscribe_links(request),
        request.attempt,
        access=runtime.access(),
        suppressions=runtime.suppressions(),
    )
    return inxmail.encode_forecast(forecasts)


@endpoint(inxmail, Scope.MAIL_SEND, dry_run=dry_run)
def handler(request: Request, caller: Caller) -> Response:
    """Queue the mail that the request asks for."""
    mail = inxmail.decode_send(request)
    accepted = send_mail(
        mail,
        caller.space,
        pages.unsubscribe_links(request),
        request.attempt,
        access=runtime.access(),
        queue=runtime.mail_queue(),
    )
    return inxmail.encode_send(accepted)
