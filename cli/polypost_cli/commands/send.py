"""`polypost send`: a test mail, and what becomes of it."""

import time
from datetime import UTC, datetime

import click

from polypost.models.attempts import Attempt
from polypost.models.delivery import MessageStatus
from polypost.models.explanations import Explanation
from polypost.models.mail import Mail, Mailbox
from polypost.usecases.send_mail import send_mail
from polypost.usecases.trace_mail import trace_message
from polypost_cli.commands.messages import explained
from polypost_cli.commands.spaces import Sender, existing
from polypost_cli.options import TEXT_FILE, Address, text_of_file
from polypost_cli.output import as_json, progress, short_text, show_facts, show_json
from polypost_cli.retries import retried
from polypost_cli.target import Target, on_a_stack

#: What the bounces of test mails are listed under.
_SOURCE_SYSTEM = "polypost-send"

_TEXT = "This is a test mail, sent by the operator of the mail service.\n"

# After one of these SES tells no more of a mail as a rule.
_FATES = frozenset(
    {
        MessageStatus.SUPPRESSED,
        MessageStatus.DELIVERED,
        MessageStatus.REFUSED,
        MessageStatus.BOUNCED,
        MessageStatus.COMPLAINED,
    }
)

# How long to wait for a mail's fate, and between two looks, in seconds.
_WAIT_SECONDS = 60
_PAUSE_SECONDS = 0.5


@click.command()
@click.option("--space", required=True, help="The space that sends the mail.")
@click.option("--from", "sender", required=True, type=Sender(), help="The sender, of one of the space's domains.")
@click.option("--to", "recipient", required=True, type=Address(), help="The recipient.")
@click.option("--subject", default="Test mail", show_default=True, callback=short_text, help="The subject's line.")
@click.option("--text", type=TEXT_FILE, callback=text_of_file, help="The file of the text part.")
@click.option("--html", type=TEXT_FILE, callback=text_of_file, help="The file of the HTML part.")
@click.option(
    "--wait",
    type=click.IntRange(1, 3600),
    is_flag=False,
    flag_value=_WAIT_SECONDS,
    metavar="[SECONDS]",
    help=f"Follow the mail until it was delivered or was not, for {_WAIT_SECONDS} seconds or as many as are given.",
)
@as_json
@on_a_stack
def send(
    target: Target,
    space: str,
    sender: Mailbox,
    recipient: str,
    subject: str,
    text: str | None,
    html: str | None,
    wait: int | None,
    as_json: bool,
) -> None:
    """Send a test mail.

    It goes the way of every other mail, through the queue and the worker. With --wait the exit status is 0 once it is
    known what became of it, whatever that is, and 1 if the time is over before.
    """
    existing(target, space)
    mail = Mail(
        sender=sender,
        recipient=Mailbox(address=recipient),
        subject=subject,
        text=text or (None if html else _TEXT),
        html=html or None,
        source_system=_SOURCE_SYSTEM,
    )
    attempt = Attempt.fresh(datetime.now(UTC))
    accepted = send_mail(mail, space, None, attempt, access=target.access, queue=target.mail_queue)
    if not as_json:
        click.echo(f"message   {accepted.message_id}")
    explanation = None if wait is None else _follow(target, accepted.message_id, wait)
    if as_json:
        shown = {"messageId": accepted.message_id, "acceptedAt": accepted.accepted_at}
        if explanation is not None:
            shown |= {"status": explanation.status, "why": explanation.sentence, "rule": explanation.rule}
        show_json(shown)
    elif explanation is not None:
        show_facts(explained(explanation))
    if wait is not None and explanation is not None and explanation.status not in _FATES:
        raise click.ClickException(f"the time is over: after {wait} seconds it is not known what became of the mail")


def _follow(target: Target, message_id: str, seconds: int) -> Explanation:
    """What became of a message after so many seconds, or before."""
    ends_at = time.monotonic() + seconds

    def look() -> Explanation:
        now = datetime.now(UTC)
        _, (explanation, *_) = trace_message(
            message_id, now, access=target.access, logs=target.logs, suppressions=target.suppressions
        )
        return explanation

    with progress("Waiting for the mail"):
        while (explanation := retried(look)).status not in _FATES and time.monotonic() < ends_at:
            time.sleep(_PAUSE_SECONDS)
    return explanation
