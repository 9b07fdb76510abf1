"""The mail queue's worker: sends each queued mail once."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from polypost import runtime
from polypost.adapters.mail_queue import decode
from polypost.models.mail import QueuedMail
from polypost.queues.consumer import sqs_batches
from polypost.usecases.deliver_mail import deliver_mails


@sqs_batches(decode=decode, dead_letters=runtime.mail_dead_letter_queue)
def handler(mails: Sequence[QueuedMail], context: Any) -> Sequence[Exception | None]:
    """Send the mails of one batch; what can never be sent goes to the dead-letter queue whole."""
    delivery = runtime.delivery()
    ends_at = delivery.clock.now() + timedelta(milliseconds=context.get_remaining_time_in_millis())
    return deliver_mails(mails, ends_at, delivery)
