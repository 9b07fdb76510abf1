"""What became of a mail, and of all mails to an address."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from polypost import runtime
from polypost.adapters import keys, person_history
from polypost.adapters.mail_queue import decode, encode
from polypost.errors import NotFound
from polypost.models.attempts import Attempt
from polypost.models.delivery import DeliveryEvent, EventKind, Fact, MessageRef
from polypost.models.explanations import Explanation, Trace
from polypost.models.mail import Mail, Mailbox, QueuedMail
from polypost.models.message_ids import new_message_id
from polypost.models.suppression import AddressStanding
from polypost.usecases.trace_mail import trace_mails_to, trace_message
from support.inxmail import send_body
from support.ses import bounce_object, bounced, complaint_object, event, in_sns_envelope
from support.template_engine import Engine

from .conftest import Api
from .test_log_entries import logged

NOW = datetime.now(UTC)
TO, BCC = "max@example.net", "bcc@example.org"

Accept = Callable[..., str]


@pytest.fixture
def accept(api: Api) -> Accept:
    """Accept a mail so many seconds ago, and let the worker take it; its id."""

    def accept_at(seconds_ago: float, to: str = TO, bcc: str | None = None) -> str:
        accepted_at = NOW - timedelta(seconds=seconds_ago)
        message_id = new_message_id(Attempt.fresh(accepted_at), runtime.access().address_key())
        mail = Mail(
            sender=Mailbox(address="info@example.com"),
            recipient=Mailbox(address=to),
            bcc=bcc,
            subject="Hello",
            text="World",
        )
        queued = QueuedMail(message_id=message_id, space=api.space, accepted_at=accepted_at, mail=mail)
        assert api.deliver(encode(queued)) == []
        return message_id

    return accept_at


def tell(api: Api, message_id: str, kind: EventKind, address: str = TO, seconds_ago: float = 0) -> None:
    """Store an event of a message."""
    fact = Fact(kind, address, NOW - timedelta(seconds=seconds_ago), fact_id=secrets.token_hex(4))
    assert runtime.logs().put_event(DeliveryEvent(MessageRef(message_id, api.space), fact))


def trace(message_id: str, now: datetime = NOW) -> tuple[Trace, list[Explanation]]:
    return trace_message(
        message_id, now, access=runtime.access(), logs=runtime.logs(), suppressions=runtime.suppressions()
    )


def mails_to(
    api: Api, address: str = TO, since: datetime | None = None, limit: int = 50
) -> tuple[AddressStanding, list[tuple[Trace, Explanation]]]:
    return trace_mails_to(
        address,
        since,
        limit,
        api.space,
        NOW,
        logs=runtime.logs(),
        history=runtime.history(),
        suppressions=runtime.suppressions(),
    )


def ids(api: Api, address: str = TO, **options: Any) -> list[str]:
    return [each.message_id for each, _ in mails_to(api, address, **options)[1]]


# --- One message ------------------------------------------------------------------------------------------------------


def test_an_id_that_was_never_given_is_unknown(api: Api, engine: Engine) -> None:
    message_id = str(api.send(send_body()).body["messageId"])
    mistyped = message_id[:-1] + ("0" if message_id[-1] != "0" else "1")
    for never_given in (mistyped, message_id[1:] + message_id[0], "0" * 24, "f" * 24):
        with pytest.raises(NotFound, match=f"^unknown: this stack has accepted no mail with the id {never_given}$"):
            trace(never_given)


def test_a_mail_from_its_acceptance_to_its_bounce(api: Api, engine: Engine) -> None:
    message_id = str(api.send(send_body(bccRecipient=BCC)).body["messageId"])
    found, (explanation,) = trace(message_id, datetime.now(UTC))
    assert (found.record, explanation.status, explanation.recipient) == (None, "queued", None)
    (queued,) = engine.receive("MailQueueUrl")
    assert found.accepted_at == decode(queued).accepted_at.replace(microsecond=0)
    assert api.deliver(queued) == []
    found, explanations = trace(message_id)
    assert [(each.recipient, each.status) for each in explanations] == [(TO, "sent"), (BCC, "sent")]
    message = MessageRef(message_id, api.space)
    api.notify(in_sns_envelope(event("Bounce", message, [TO, BCC], bounce=bounce_object(bounced(TO)))))
    _, (to, bcc) = trace(message_id)
    assert (to.status, bcc.status) == ("bounced", "sent")
    assert "there is no such mailbox (5.1.1): smtp; 550 5.1.1 user unknown." in to.sentence


def test_a_mail_that_is_not_sent_is_explained(api: Api, engine: Engine, accept: Accept) -> None:
    complaint = complaint_object(TO)
    api.notify(
        in_sns_envelope(event("Complaint", MessageRef(secrets.token_hex(12), api.space), [TO], complaint=complaint))
    )
    _, (explanation,) = trace(accept(0))
    assert (explanation.status, explanation.rule) == ("suppressed", "complaint")
    assert explanation.sentence.startswith("Not sent: the recipient complained about an earlier mail on ")
    assert explanation.evidence is not None
    assert (explanation.evidence.kind, explanation.evidence.error_code) == ("suppressed", "5.7.1")


# --- All mails to an address ------------------------------------------------------------------------------------------


def test_an_address_that_nobody_ever_wrote_to(api: Api) -> None:
    assert mails_to(api) == (AddressStanding(), [])


def test_mails_to_an_address_come_newest_first_each_with_its_own_fate(api: Api, accept: Accept) -> None:
    first, second, third = accept(30), accept(20), accept(10)
    accept(15, to="other@example.net")
    tell(api, first, EventKind.DELIVERY)
    tell(api, third, EventKind.BOUNCE)
    tell(api, third, EventKind.DELIVERY, BCC)
    standing, found = mails_to(api, "MAX@Example.NET")
    told = [(each.message_id, explanation.status) for each, explanation in found]
    assert told == [(third, "bounced"), (second, "sent"), (first, "delivered")]
    assert standing == AddressStanding()


def test_mails_of_one_second_come_in_their_order(api: Api, accept: Accept) -> None:
    accepted = [accept(10 + tenth / 1000) for tenth in range(5)]
    assert ids(api) == accepted


def test_the_standing_of_an_address_stands_beside_its_mails(api: Api, accept: Accept) -> None:
    body = {"RegistrationSource": "x", "Email": TO, "LimitMailsPermanently": True}
    assert api.http("POST", "/api/v1/Contacts", body=body).status == 201
    accept(0)
    standing, ((_, explanation),) = mails_to(api)
    assert standing.limited_permanently
    assert explanation.rule == "limited permanently"


def test_a_copy_is_a_mail_to_its_bcc_whether_it_went_out_or_not(api: Api, accept: Accept) -> None:
    went_out = accept(20, bcc=BCC)
    tell(api, went_out, EventKind.BOUNCE)
    body = {"RegistrationSource": "x", "Email": BCC, "LimitMailsPermanently": True}
    assert api.http("POST", "/api/v1/Contacts", body=body).status == 201
    left_out = accept(10, bcc=BCC)
    _, found = mails_to(api, BCC)
    told = [(each.message_id, explanation.status) for each, explanation in found]
    assert told == [(left_out, "suppressed"), (went_out, "sent")]


def test_another_spaces_mail_is_not_shown(api: Api, accept: Accept) -> None:
    accept(0)
    other = partial(trace_mails_to, TO, None, 50, "another", NOW)
    assert other(logs=runtime.logs(), history=runtime.history(), suppressions=runtime.suppressions())[1] == []


def test_of_many_mails_the_newest_are_told_of(api: Api, accept: Accept, monkeypatch: pytest.MonkeyPatch) -> None:
    # So that the index is read in several parts, which end anywhere.
    monkeypatch.setattr(person_history, "_PAGE_SIZE", 3)
    accepted = [accept(100 - number) for number in range(10)]
    for message_id in accepted:
        # Late news of an old mail does not make it a newer one.
        tell(api, message_id, EventKind.DELIVERY, seconds_ago=50)
    for _ in range(7):
        tell(api, accepted[0], EventKind.OPEN)
    newest = accepted[::-1]
    for limit in range(1, 12):
        assert ids(api, limit=limit) == newest[:limit]


def test_mails_since_a_moment(api: Api, accept: Accept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person_history, "_PAGE_SIZE", 2)
    old, new = accept(100), accept(10)
    tell(api, old, EventKind.DELIVERY)
    assert ids(api, since=NOW - timedelta(seconds=50)) == [new]
    assert ids(api, since=NOW - timedelta(seconds=100)) == [new, old]
    assert ids(api, since=NOW + timedelta(seconds=1)) == []


def test_a_log_entry_is_no_mail_of_ours(api: Api, accept: Accept) -> None:
    message_id = accept(0)
    logged(api, Email=TO)
    assert ids(api) == [message_id]


def test_what_was_erased_is_not_shown_while_the_index_lags_behind(api: Api, accept: Accept) -> None:
    message_id = accept(10)
    address_hash = keys.address_hash(runtime.access().address_key(), TO)
    history = runtime.history()
    found = history.messages_to(api.space, TO, None, 50)
    assert found == [message_id]
    history.erase([keys.person(api.space, address_hash)], [address_hash], NOW)

    class Lagging:
        def messages_to(self, *asked: object) -> list[str]:
            return found

    lagging: Any = Lagging()
    told = trace_mails_to(
        TO, None, 50, api.space, NOW, logs=runtime.logs(), history=lagging, suppressions=runtime.suppressions()
    )
    assert told[1] == []
    assert ids(api) == []
