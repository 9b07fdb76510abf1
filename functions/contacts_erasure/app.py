"""The erasure queue's worker: takes deleted contacts out of the log and of the suppressions."""

from polypost import runtime
from polypost.adapters.erasure_queue import decode
from polypost.queues.consumer import sqs_batch
from polypost.usecases.delete_contact import erase_person


@sqs_batch
def handler(body: str) -> None:
    """Do the erasure of one SQS message."""
    erase_person(
        decode(body),
        contacts=runtime.contacts(),
        history=runtime.history(),
        suppressions=runtime.suppressions(),
        erasures=runtime.erasures(),
    )
