"""POST /api/v1/contact/coffeepage: log a mail that another system sent."""

from polypost import runtime
from polypost.dialects import stratuscore
from polypost.models.access import Scope
from polypost.usecases.log_mail import log_mail
from polypost.web.auth import Caller
from polypost.web.endpoint import endpoint
from polypost.web.http import Request, Response


@endpoint(stratuscore, Scope.LOGS_WRITE)
def handler(request: Request, caller: Caller) -> Response:
    """Store what the request tells of a mail."""
    entry = stratuscore.decode_entry(request)
    entry_id = log_mail(
        entry,
        caller.space,
        request.attempt,
        log_entries=runtime.log_entries(),
        suppressions=runtime.suppressions(),
    )
    return stratuscore.encode_saved(request, entry_id)
