"""SES's answers to a send that it did not take, and what each means for the mail.

A refusal of the domain, the account or the stack is no refusal of the mail: once its cause is mended the mail can go
out. Only what SES says of this very mail settles it.

Sources: SES v2 API reference, "SendEmail", Errors; SES developer guide, "Amazon SES email sending errors" and "Errors
related to the sending quotas for your Amazon SES account".
"""

import re
from dataclasses import dataclass
from enum import Enum, auto


class Verdict(Enum):
    """What becomes of a mail that SES answered with an error."""

    #: SES will never send this mail: it is settled.
    REFUSED = auto()
    #: The domain, the account or the stack keeps it back, until a person mends that.
    HELD = auto()
    #: It came too soon.
    THROTTLED = auto()
    #: The account has sent all that it may in 24 hours.
    QUOTA_USED_UP = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of the table.

    `code` is a pattern of the whole code, `message` one of a part of the message. `mend` tells the operator what to do.
    """

    code: re.Pattern[str]
    message: re.Pattern[str]
    verdict: Verdict
    mend: str = ""

    def matches(self, code: str, message: str) -> bool:
        return self.code.fullmatch(code) is not None and self.message.search(message) is not None


_THROTTLES = re.compile(
    r"TooManyRequests(Exception)?|Throttling(Exception)?|Throttled(Exception)?|RequestThrottled(Exception)?"
    r"|RequestLimitExceeded|LimitExceeded(Exception)?|SlowDown",
    re.IGNORECASE,
)

# What SES v2 says of the message itself, or of whatever else the request names.
_OF_THE_REQUEST = re.compile(r"MessageRejected(Exception)?|BadRequest(Exception)?", re.IGNORECASE)

# Of a message that says anything.
_ANYTHING = re.compile(r"")

#: The first row that matches holds.
ANSWERS = (
    Answer(_THROTTLES, re.compile(r"\bquota\b|\b(daily|24.?hour)\b", re.IGNORECASE), Verdict.QUOTA_USED_UP),
    Answer(_THROTTLES, _ANYTHING, Verdict.THROTTLED),
    Answer(
        re.compile(
            r"(Account|Sending)Suspended(Exception)?|(Account|ConfigurationSet)?SendingPaused(Exception)?",
            re.IGNORECASE,
        ),
        _ANYTHING,
        Verdict.HELD,
        "SES has stopped this account or the configuration set: see its account dashboard",
    ),
    Answer(
        re.compile(
            r"MailFromDomainNotVerified(Exception)?",
            re.IGNORECASE,
        ),
        _ANYTHING,
        Verdict.HELD,
        "The MX record of the sender's MAIL FROM domain is missing: restore it",
    ),
    Answer(
        re.compile(
            r"NotFoundException|ConfigurationSetDoesNotExist(Exception)?",
            re.IGNORECASE,
        ),
        _ANYTHING,
        Verdict.HELD,
        "The stack's configuration set is gone: deploy the stack again",
    ),
    Answer(
        re.compile(
            r"AccessDenied(Exception)?|NotAuthorized(Exception)?|UnrecognizedClientException|InvalidClientTokenId"
            r"|SignatureDoesNotMatch|ExpiredToken(Exception)?|IncompleteSignature|OptInRequired",
            re.IGNORECASE,
        ),
        _ANYTHING,
        Verdict.HELD,
        "The worker's role may not send: deploy the stack again",
    ),
    Answer(
        _OF_THE_REQUEST,
        re.compile(
            r"not (been )?verified|verification|failed the check|authori|permitted|allowed to send|identit",
            re.IGNORECASE,
        ),
        Verdict.HELD,
        "The sender is not verified, or the account is in SES's sandbox: `polypost domains verify`",
    ),
    Answer(
        _OF_THE_REQUEST,
        # Both words for it are seen: "paused" by SES's review or by the operator, "suspended" or "shut down" by AWS.
        re.compile(
            r"\A(?=.*\b(account|sending|configuration set|tenant|pool|identity)\b)"
            r"(?=.*(paus|suspend|shut ?down|disabled|not enabled|restrict|under review|probation|terminat))",
            re.IGNORECASE | re.DOTALL,
        ),
        Verdict.HELD,
        "SES has stopped this account or the configuration set: see its account dashboard",
    ),
    Answer(
        _OF_THE_REQUEST,
        re.compile(
            r"configuration.?set|tenant|\bpool\b|endpoint|\btags?\b|mail from domain|\bMX\b",
            re.IGNORECASE,
        ),
        Verdict.HELD,
        "The stack's configuration set or the sender's domain is not as SES wants it",
    ),
    Answer(_OF_THE_REQUEST, re.compile(r"\bquota\b", re.IGNORECASE), Verdict.QUOTA_USED_UP),
    Answer(_OF_THE_REQUEST, re.compile(r"sending rate|too many requests|throttl", re.IGNORECASE), Verdict.THROTTLED),
    # "The message can't be sent because it contains invalid content": an address on a list of SES's, a virus, a header.
    Answer(re.compile(r"MessageRejected(Exception)?", re.IGNORECASE), _ANYTHING, Verdict.REFUSED),
    # "The input you provided is invalid": of all the input only the mail itself is this mail's.
    Answer(
        re.compile(
            r"BadRequest(Exception)?|InvalidParameterValue",
            re.IGNORECASE,
        ),
        re.compile(
            r"address|domain|recipient|mailbox|@|header|subject|content|mime|message|attachment|body|line|character|encod"
            r"|charset|multipart|too (long|large|big|many)|length|size|disposition|transaction failed",
            re.IGNORECASE,
        ),
        Verdict.REFUSED,
    ),
    Answer(
        re.compile(r"RequestEntityTooLarge(Exception)?|PayloadTooLarge(Exception)?|413", re.IGNORECASE),
        _ANYTHING,
        Verdict.REFUSED,
    ),
    # Whatever is new or unknown: a mail that waits can still be sent or looked at.
    Answer(re.compile(r".*", re.IGNORECASE), _ANYTHING, Verdict.HELD, "SES gives a reason that is not known here"),
)


def answer_for(code: str, message: str) -> Answer:
    """The row of an answer."""
    return next(answer for answer in ANSWERS if answer.matches(code, message))
