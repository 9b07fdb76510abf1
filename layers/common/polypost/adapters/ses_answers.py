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

    `code` and `message` are regular expressions, of the whole code and of a part of the message, in any case. `mend`
    tells the operator what to do.
    """

    code: str
    message: str
    verdict: Verdict
    mend: str = ""

    def matches(self, code: str, message: str) -> bool:
        found = re.fullmatch(self.code, code, re.IGNORECASE) and re.search(self.message, message, re.IGNORECASE)
        return found is not None


_THROTTLES = (
    r"TooManyRequests(Exception)?|Throttling(Exception)?|Throttled(Exception)?|RequestThrottled(Exception)?"
    r"|RequestLimitExceeded|LimitExceeded(Exception)?|SlowDown"
)

# What SES v2 says of the message itself, or of whatever else the request names.
_OF_THE_REQUEST = r"MessageRejected(Exception)?|BadRequest(Exception)?"

# Both words for it are seen: "paused" by SES's review or by the operator, "suspended" or "shut down" by AWS.
_STOPPED = r"paus|suspend|shut ?down|disabled|not enabled|restrict|under review|probation|terminat"

#: The first row that matches holds.
ANSWERS = (
    Answer(_THROTTLES, r"\bquota\b|\b(daily|24.?hour)\b", Verdict.QUOTA_USED_UP),
    Answer(_THROTTLES, r"", Verdict.THROTTLED),
    Answer(
        r"AccountSuspendedException|.*SendingPausedException",
        r"",
        Verdict.HELD,
        "SES has stopped this account or the configuration set: see its account dashboard",
    ),
    Answer(
        r"MailFromDomainNotVerified(Exception)?",
        r"",
        Verdict.HELD,
        "The MX record of the sender's MAIL FROM domain is missing: restore it",
    ),
    Answer(
        r"NotFoundException|ConfigurationSetDoesNotExist(Exception)?",
        r"",
        Verdict.HELD,
        "The stack's configuration set is gone: deploy the stack again",
    ),
    Answer(
        r"AccessDenied(Exception)?|NotAuthorized(Exception)?|UnrecognizedClientException|InvalidClientTokenId"
        r"|SignatureDoesNotMatch|ExpiredToken(Exception)?|IncompleteSignature|OptInRequired",
        r"",
        Verdict.HELD,
        "The worker's role may not send: deploy the stack again",
    ),
    Answer(
        _OF_THE_REQUEST,
        r"not (been )?verified|verification|failed the check|authori|permitted|allowed to send|identit",
        Verdict.HELD,
        "The sender is not verified, or the account is in SES's sandbox: `polypost domains verify`",
    ),
    Answer(
        _OF_THE_REQUEST,
        rf"\b(account|sending|configuration set|tenant|pool|identity)\b.*({_STOPPED})"
        rf"|({_STOPPED}).*\b(account|sending|configuration set|tenant|pool|identity)\b",
        Verdict.HELD,
        "SES has stopped this account or the configuration set: see its account dashboard",
    ),
    Answer(
        _OF_THE_REQUEST,
        r"configuration.?set|tenant|\bpool\b|endpoint|\btags?\b|mail from domain|\bMX\b",
        Verdict.HELD,
        "The stack's configuration set or the sender's domain is not as SES wants it",
    ),
    Answer(_OF_THE_REQUEST, r"\bquota\b", Verdict.QUOTA_USED_UP),
    Answer(_OF_THE_REQUEST, r"sending rate|too many requests|throttl", Verdict.THROTTLED),
    # "The message can't be sent because it contains invalid content": an address on a list of SES's, a virus, a header.
    Answer(r"MessageRejected(Exception)?", r"", Verdict.REFUSED),
    # "The input you provided is invalid": of all the input only the mail itself is this mail's.
    Answer(
        r"BadRequest(Exception)?|InvalidParameterValue",
        r"address|domain|recipient|mailbox|@|header|subject|content|mime|message|attachment|body|line|character|encod"
        r"|charset|multipart|too (long|large|big|many)|length|size|disposition|transaction failed",
        Verdict.REFUSED,
    ),
    Answer(r"RequestEntityTooLarge(Exception)?|PayloadTooLarge(Exception)?|413", r"", Verdict.REFUSED),
    # Whatever is new or unknown: a mail that waits can still be sent or looked at.
    Answer(r".*", r"", Verdict.HELD, "SES gives a reason that is not known here"),
)


def answer_for(code: str, message: str) -> Answer:
    """The row of an answer."""
    return next(answer for answer in ANSWERS if answer.matches(code, message))
