"""Tell what would become of a mail, without sending it."""

from polypost.adapters import mail_queue
from polypost.adapters.access_table import AccessTable
from polypost.adapters.suppressions import Suppressions
from polypost.models.attempts import Attempt
from polypost.models.mail import Mail, RecipientForecast
from polypost.usecases.send_mail import checked_mail


def forecast_mail(
    mail: Mail,
    space: str,
    unsubscribe_links: str,
    attempt: Attempt,
    *,
    access: AccessTable,
    suppressions: Suppressions,
) -> list[RecipientForecast]:
    """What the worker would do with a mail if it were sent now, for each of its recipients, the Bcc last.

    Nothing is written or queued. Whether SES and the receiving server would take the mail nobody can tell.

    Parameters: as those of `send_mail`.

    Raises: what `send_mail` raises.
    """
    queued = checked_mail(mail, space, unsubscribe_links, attempt, access=access)
    mail_queue.encode(queued)
    standings = suppressions.standings(space, mail.recipients)
    forecasts = []
    for address in mail.recipients:
        suppression = standings[address].suppression(attempt.first_seen, unsubscribable=queued.mail.is_unsubscribable)
        if suppression is not None:
            forecasts.append(RecipientForecast(address, suppression.reason, suppression.type))
        elif forecasts and forecasts[0].reason is not None:
            forecasts.append(RecipientForecast(address, "no mail to the recipient, and so no copy", forecasts[0].type))
        else:
            forecasts.append(RecipientForecast(address))
    return forecasts
