"""What each answer of SES means for a mail: the table, row by row, and answers that SES is known to give."""

from traceback import format_exception
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from polypost.adapters import clients
from polypost.adapters.mailer import Mailer, MailHeld, MailRefused, QuotaUsedUp, Throttled
from polypost.adapters.ses_answers import ANSWERS, Verdict, answer_for
from polypost.errors import OutcomeUnknown, Permanent, Retryable
from polypost.models.delivery import MessageRef
from support.dynamodb import local_client
from support.sending import queued_mail
from support.virtual import START

REFUSED, HELD, THROTTLED, QUOTA = Verdict.REFUSED, Verdict.HELD, Verdict.THROTTLED, Verdict.QUOTA_USED_UP

# SES developer guide, SES API references, and what users have reported.
KNOWN = [
    # The sender, or in the sandbox the recipient.
    (
        "MessageRejected",
        "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: "
        "info@example.com",
        HELD,
    ),
    ("MessageRejected", "Email address not verified info@example.com", HELD),
    ("MessageRejected", "Did not have authority to send from email info@example.com", HELD),
    ("BadRequestException", "Email address is not verified.", HELD),
    ("MailFromDomainNotVerifiedException", "The sending domain is not verified", HELD),
    ("MailFromDomainNotVerifiedException", "Mail-From domain is not verified for 'example.com'.", HELD),
    # The account.
    (
        "MessageRejected",
        "Sending paused for this account. For more information, please check the inbox of the email address "
        "associated with your AWS account.",
        HELD,
    ),
    ("MessageRejected", "Account is paused", HELD),
    ("MessageRejected", "Your account is suspended.", HELD),
    ("MessageRejected", "Sending suspended for this account.", HELD),
    ("MessageRejected", "The ability to send email has been shut down for this account", HELD),
    ("AccountSuspendedException", "", HELD),
    ("SendingPausedException", "Sending is paused for configuration set set", HELD),
    ("AccountSendingPausedException", "Email sending for the account is paused.", HELD),
    ("ConfigurationSetSendingPausedException", "", HELD),
    # The stack.
    ("NotFoundException", "Configuration set <set> does not exist.", HELD),
    ("ConfigurationSetDoesNotExistException", "Configuration set <set> does not exist.", HELD),
    ("BadRequestException", "Configuration set <set> does not exist.", HELD),
    ("MessageRejected", "Configuration set sending is paused", HELD),
    ("BadRequestException", "Invalid tag value: it must not be empty", HELD),
    ("AccessDeniedException", "User: x is not authorized to perform: ses:SendEmail on resource: y", HELD),
    ("UnrecognizedClientException", "The security token included in the request is invalid.", HELD),
    ("ExpiredTokenException", "The security token included in the request is expired", HELD),
    # The moment.
    ("TooManyRequestsException", "Maximum sending rate exceeded.", THROTTLED),
    ("ThrottlingException", "Maximum sending rate exceeded", THROTTLED),
    ("Throttling", "Maximum sending rate exceeded.", THROTTLED),
    ("LimitExceededException", "Maximum sending rate exceeded", THROTTLED),
    ("TooManyRequestsException", "Too many requests", THROTTLED),
    ("TooManyRequestsException", "", THROTTLED),
    ("TooManyRequestsException", "Daily message quota exceeded.", QUOTA),
    ("ThrottlingException", "Daily message quota exceeded", QUOTA),
    ("LimitExceededException", "Daily sending quota exceeded", QUOTA),
    ("MessageRejected", "Daily message quota exceeded", QUOTA),
    ("MessageRejected", "Maximum sending rate exceeded", THROTTLED),
    # The mail itself.
    ("MessageRejected", "Address blacklisted.", REFUSED),
    ("MessageRejected", "Message contains a virus", REFUSED),
    ("MessageRejected", "Transaction failed: Expected disposition, got =", REFUSED),
    ("MessageRejected", "Transaction failed: Duplicate header 'Reply-To'.", REFUSED),
    ("MessageRejected", "Message length is more than 41943040 bytes long: '50000000'.", REFUSED),
    ("MessageRejected", "something new about the content", REFUSED),
    ("BadRequestException", "Illegal address", REFUSED),
    ("BadRequestException", "Missing final '@domain'", REFUSED),
    ("BadRequestException", "Domain contains illegal character", REFUSED),
    ("BadRequestException", "Domain contains control or whitespace", REFUSED),
    ("BadRequestException", "Local address contains control or whitespace", REFUSED),
    ("BadRequestException", "Empty header names are illegal.", REFUSED),
    ("BadRequestException", "Invalid MAIL FROM address provided", REFUSED),
    ("BadRequestException", "Transaction failed: Expected MIME type, got ;", REFUSED),
    ("RequestEntityTooLargeException", "", REFUSED),
    # What nobody has met.
    ("BadRequestException", "", HELD),
    ("BadRequestException", "something new", HELD),
    ("SomethingNewException", "Illegal address", HELD),
]


@pytest.mark.parametrize(("code", "message", "verdict"), KNOWN)
def test_a_known_answer(code: str, message: str, verdict: Verdict) -> None:
    assert answer_for(code, message).verdict is verdict
    assert answer_for(code.upper(), message.upper()).verdict is verdict


def test_every_row_of_the_table_answers_something() -> None:
    assert {id(answer_for(code, message)) for code, message, _ in KNOWN} == set(map(id, ANSWERS))
    for answer in ANSWERS:
        assert (answer.mend != "") is (answer.verdict is HELD)


@pytest.fixture
def mailer() -> Mailer:
    return Mailer(local_client(clients.sesv2, "http://127.0.0.1:9"), "set")


(PART,) = queued_mail(1, START).parts


def send(mailer: Mailer, monkeypatch: pytest.MonkeyPatch, answer: Any) -> str:
    """Send a mail that SES answers so, or that ends in such an error."""

    def send_email(**_: object) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(mailer._client, "send_email", send_email)
    return mailer.send(MessageRef("0" * 24, "acme"), PART, b"")


def client_error(code: str, message: str, status: int = 400) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "SendEmail")


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        ("MessageRejected", "Address blacklisted.", MailRefused),
        ("MessageRejected", "Account is paused", MailHeld),
        ("TooManyRequestsException", "Maximum sending rate exceeded.", Throttled),
        ("TooManyRequestsException", "Daily message quota exceeded.", QuotaUsedUp),
    ],
)
def test_each_verdict_is_an_error_of_its_own(
    mailer: Mailer, monkeypatch: pytest.MonkeyPatch, code: str, message: str, error: type[Exception]
) -> None:
    with pytest.raises(error, match=f"{code}: {message}"):
        send(mailer, monkeypatch, client_error(code, message))


def test_what_goes_into_the_log_says_what_to_mend_and_names_nobody(
    mailer: Mailer, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "Email address is not verified. The following identities failed the check: max@example.net, <a@b.example>"
    with pytest.raises(MailHeld) as held:
        send(mailer, monkeypatch, client_error("MessageRejected", message))
    assert "*@example.net, <*@b.example>" in str(held.value)
    assert "polypost domains verify" in str(held.value)
    # SES's own words would be printed with the error that they came in.
    assert "max" not in "".join(format_exception(held.value))


def test_an_answer_is_bounded(mailer: Mailer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MailRefused) as refused:
        send(mailer, monkeypatch, client_error("MessageRejected", "x" * 100_000))
    assert len(str(refused.value)) < 1100


URL = "https://email.example.com"


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"MessageId": ""},
        client_error("InternalFailure", "", 500),
        client_error("ServiceUnavailable", "Maximum sending rate exceeded", 503),
        ReadTimeoutError(endpoint_url=URL),
        ConnectionClosedError(endpoint_url=URL),
        SSLError(endpoint_url=URL, error=Exception("in the handshake or after it")),
        HTTPClientError(error=Exception("whatever")),
        ResponseParserError("cut off"),
    ],
    ids=repr,
)
def test_whatever_may_have_come_after_the_request_is_unknown(
    mailer: Mailer, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    with pytest.raises(OutcomeUnknown):
        send(mailer, monkeypatch, answer)


@pytest.mark.parametrize(
    "error",
    [
        ConnectTimeoutError(endpoint_url=URL),
        EndpointConnectionError(endpoint_url=URL),
        ProxyConnectionError(proxy_url=URL),
        NoCredentialsError(),
        PartialCredentialsError(provider="x", cred_var="y"),
        CredentialRetrievalError(provider="x", error_msg="y"),
    ],
    ids=repr,
)
def test_what_came_before_the_request_may_be_tried_at_once(
    mailer: Mailer, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with pytest.raises(Retryable):
        send(mailer, monkeypatch, error)


def test_a_call_that_botocore_refuses_is_permanent(mailer: Mailer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Permanent):
        send(mailer, monkeypatch, ParamValidationError(report="no"))


def test_nobody_listening_is_no_mail(mailer: Mailer) -> None:
    with pytest.raises(Retryable, match="EndpointConnectionError"):
        mailer.send(MessageRef("0" * 24, "acme"), PART, b"")


@pytest.mark.parametrize(("moment", "unknown"), [("before-sign", False), ("before-send", True)])
def test_an_error_that_no_rule_foresees_is_unknown_once_the_request_has_left(
    mailer: Mailer, moment: str, unknown: bool
) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError

    mailer._client.meta.events.register_last(f"{moment}.sesv2.SendEmail", fail)
    with pytest.raises(OutcomeUnknown if unknown else ZeroDivisionError):
        mailer.send(MessageRef("0" * 24, "acme"), PART, b"")
