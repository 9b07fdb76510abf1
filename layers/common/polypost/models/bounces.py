"""What a bounce or a complaint means: the one table that the lists and the suppressions follow.

Sources: SES developer guide, "Contents of event data that Amazon SES publishes to Amazon SNS" (bounce types, complaint
types); RFC 3463 and RFC 7372 for the statuses; RFC 5321, section 4.2.3, for the replies.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import islice, takewhile

from polypost.models.texts import shortened

#: What is kept of a server's words, in characters: a page of 2000 rows stays below Lambda's limit of 6 MB.
LONGEST_DIAGNOSTIC = 1000

_LONGEST_WORD_OF_SES = 100


class Verdict(StrEnum):
    """What a report says of the address that was mailed.

    HARD: listed Hard, and suppresses the address. SOFT: listed Soft, and counts towards "repeated soft bounces".
    UNKNOWN: listed without a type. NOT_A_BOUNCE: an automatic reply, listed nowhere. NOT_ABOUT_THE_ADDRESS: SES did not
    send, because of a list of its own; listed Hard, and suppresses nobody. COMPLAINT: listed among the complaints, and
    suppresses the address. NOT_SPAM, AUTHENTICATION_REPORT: reported as complaints and none, listed nowhere.
    """

    HARD = "hard"
    SOFT = "soft"
    UNKNOWN = "unknown"
    NOT_A_BOUNCE = "not a bounce"
    NOT_ABOUT_THE_ADDRESS = "not about the address"
    COMPLAINT = "complaint"
    NOT_SPAM = "not spam"
    AUTHENTICATION_REPORT = "authentication report"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was reported of one recipient, as the table reads it and as it is stored, to be read again.

    `ses_type` is SES's `type/subtype`, or `Complaint/subtype`; `reported_status` and `action` are the recipient's own,
    `diagnostic` the receiving server's words; `feedback_type` is of complaints alone.
    """

    ses_type: str
    reported_status: str | None = None
    action: str | None = None
    diagnostic: str | None = None
    feedback_type: str | None = None

    @classmethod
    def of_bounce(
        cls,
        bounce_type: str | None,
        subtype: str | None,
        *,
        status: str | None = None,
        action: str | None = None,
        diagnostic: str | None = None,
    ) -> "Evidence":
        """What SES reports of a bounce; a type that it leaves out is its own `Undetermined`."""
        named = (_word(bounce_type) or "Undetermined", _word(subtype) or "Undetermined")
        words = shortened(diagnostic.strip(), LONGEST_DIAGNOSTIC) if diagnostic else None
        return cls("/".join(named), _word(status), _word(action), words or None)

    @classmethod
    def of_complaint(cls, subtype: str | None, feedback_type: str | None) -> "Evidence":
        """What SES reports of a complaint."""
        named = _word(subtype)
        return cls(f"Complaint/{named}" if named else "Complaint", feedback_type=_word(feedback_type))

    @property
    def is_complaint(self) -> bool:
        """Whether SES reported a complaint, whatever the table makes of it."""
        return self.ses_type.startswith("Complaint")

    @property
    def status(self) -> str | None:
        """The enhanced status alone, such as `5.1.1`: the recipient's own, or else that in the server's words."""
        return _first(_REPORTED_STATUS, self.reported_status) or _first(_STATUS, self.diagnostic)

    @property
    def code(self) -> str | None:
        """What the table's column of codes is compared with: the enhanced status, or else a reply such as `550`.

        A status that ends in 0 says no more than its subject (RFC 3463), so one of the same class in the server's words
        is taken in its place.
        """
        status = self.status
        if status is None:
            return _first(_REPLY, self.diagnostic)
        closer = _first(_STATUS, self.diagnostic) if status.endswith(".0") else None
        return closer if closer is not None and closer[0] == status[0] else status

    @property
    def names(self) -> tuple[str, ...]:
        """What the table's column of SES's types is compared with."""
        return (self.ses_type, f"Complaint/{self.feedback_type}") if self.is_complaint else (self.ses_type,)

    @property
    def is_silent(self) -> bool:
        """Whether no server said anything of the recipient."""
        return not (self.reported_status or self.action or self.diagnostic)


# Other digits than ASCII's are no status. Comments may stand around it, blanks and dots behind it.
_REPORTED_STATUS = re.compile(r"(?<![0-9.])([245]\.[0-9]{1,3}\.[0-9]{1,3})(?!\.?[0-9])")

# In words there are IP addresses and versions too. RFC 3463 has the subjects 0 to 7.
_STATUS = re.compile(r"(?<![0-9.])([45]\.[0-7]\.[0-9]{1,3})(?!\.?[0-9])")

_REPLY = re.compile(r"(?:^|[:;] ?)([45][0-9]{2})(?![0-9.])")


def _first(pattern: re.Pattern[str], text: str | None) -> str | None:
    found = pattern.search(text or "")
    return found[1] if found else None


def _word(text: str | None) -> str | None:
    return (text or "").strip()[:_LONGEST_WORD_OF_SES] or None


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table; it holds where each of its columns that is not empty has a pattern that matches.

    `ses` are patterns of SES's type, with `*` for anything. `codes` are statuses and replies, with `x`, `y` and `z`
    for any number or digit. `says` are phrases in the server's words, with `*` for the rest of a word and `…` for up to
    five words between two. `silent` wants that there is neither status, action nor words.
    """

    id: str
    verdict: Verdict
    why: str
    ses: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    silent: bool = False


# --- What servers say -------------------------------------------------------------------------------------------------


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(" ".join(phrase.split()) for phrase in text.split(","))


_ABOUT_THE_SENDER = _phrases(
    """
    blacklist*, black list*, blocklist*, block list*, denylist*, dnsbl, rbl, rbls, blocked using, client host,
    your ip, ip … blocked, ip … listed, ip … banned, sending ip, sender ip, reputation, ptr, reverse dns,
    reverse lookup, rdns, helo, ehlo, spf, dkim, dmarc, unauthenticated, not authenticated, authentication,
    authenticate, relay access, relay denied, relay … denied, relay not, relaying denied, relaying … not,
    not … relay, unable to relay, sender verify, sender verification, sender address rejected,
    sender address verification, sender domain, invalid sender, sender rejected, sender denied, sender blocked,
    envelope sender, sender … not allowed, dialup, dynamic ip, ask your postmaster
    """
)

_MAILBOX_FULL = _phrases(
    """
    mailbox full, mailbox is full, mailbox … is full, mailbox is too full, full mailbox, inbox full, inbox is full,
    maildrop is full, account full, account is full, user full, user is full, over quota, overquota,
    exceeded … quota, exceeds … quota, quota exceeded, quota … exceeded, quota … full, quota … reached,
    out of storage, exceeded storage, exceeded … storage, storage … exceeded, storage … full, insufficient storage,
    insufficient system storage, insufficient disk space, disk quota, disk full, not enough storage,
    not enough space, no space left, mailbox size limit, mailbox … too large, mailbox limit, mailboxfull,
    mailbox exceeds, postfach … voll
    """
)

_TOO_LARGE = _phrases(
    """
    message size, message … too large, message … too big, message … too long, mail … too large, email … too large,
    size limit, maximum size, maximum message, exceeds size, exceeds … size
    """
)

_OF_THE_MOMENT = _phrases(
    """
    temporar*, try again, try later, retry later, please retry, later time, too many, too fast, too frequently,
    rate limit*, rate … exceeded, at a rate, sending quota, sending limit, throttl*, deferred, greylist*, graylist*,
    grey listed, timed out, timeout, time out, system busy, server busy, too busy, overloaded, service unavailable,
    service … not available, not available now, message expired, message … expired, delivery time expired,
    retry time, connection refused, connection reset, connection lost, connection dropped, network unreachable,
    insufficient resources, insufficient system resources, hop count, mail loop, mail … loop*, routing loop,
    forwarding loop, loops back
    """
)

_NO_SUCH_MAILBOX = _phrases(
    """
    user unknown, unknown user, no such user, no such recipient, no such mailbox, no such address, no such account,
    no such person, no such local user, no such domain, no mailbox, not exist, doesn't exist, don't exist,
    user … not found, recipient … not found, mailbox … not found, address … not found, account … not found,
    alias … not found, domain … not found, no longer exist*, no longer valid, no longer available, no longer active,
    no longer in use, non existent, nonexistent, unknown recipient, recipient unknown, recipient … unknown,
    unknown address, address unknown, unknown mailbox, mailbox unknown, unknown account, account unknown,
    unknown local part, unknown alias, invalid recipient, invalid mailbox, invalid address, invalid user,
    recipient invalid, recipient is invalid, address invalid, address is invalid, not a valid mailbox,
    not a valid recipient, not a valid user, not a known user, not known here, mailbox unavailable,
    mailbox … disabled, account … disabled, user … disabled, mailbox … inactive, account … inactive,
    user … inactive, mailbox … deactivated, account … deactivated, account … closed, account … deleted,
    account … suspended, account … terminated, discontinued, recipientnotfound, nosuchuser, not our customer,
    doesn't have a, user … not listed, unrouteable address, undeliverable address, empfänger unbekannt,
    benutzer unbekannt, bad destination
    """
)

_NO_SUCH_DOMAIN = _phrases(
    """
    invalid domain, no such domain, unknown domain, domain unknown, domain … not found, domain not exist,
    domain … not exist, domain … doesn't exist, host … not found, host unknown, unknown host, no such host,
    unable to lookup dns, nxdomain, name or service not known, no mx, null mx, unrouteable
    """
)

_ABOUT_THE_MESSAGE = _phrases(
    """
    spam*, antispam, junk, unsolicited, bulk mail, bulk email, virus*, malware, phishing, content, attachment*,
    block, blocked, blocking, policy, policies, filter*, suspicious, prohibit*, banned, security, message rejected,
    message refused, message … rejected as, starttls, tls, message header*, malformed
    """
)


# --- The table --------------------------------------------------------------------------------------------------------

_NO_SUCH_MAILBOX_OR_DOMAIN = ("5.1.1", "5.1.2", "5.1.3", "5.1.10")
_NO_ROUTE = ("5.4.4", "5.4.310")

#: Read from top to bottom; the first rule that holds decides.
TABLE = (
    Rule(
        "ses-list",
        Verdict.NOT_ABOUT_THE_ADDRESS,
        "SES did not send: one of its own lists has the address, for whatever any of its customers met.",
        ses=("*/*Suppressed", "*/*SuppressionList", "*/UnsubscribedRecipient"),
    ),
    Rule("not-spam", Verdict.NOT_SPAM, "The recipient says that it is no spam.", ses=("Complaint/not-spam",)),
    Rule(
        "auth-failure",
        Verdict.AUTHENTICATION_REPORT,
        "A server reports that authentication failed (RFC 6591); nobody complained.",
        ses=("Complaint/auth-failure",),
    ),
    Rule("complaint", Verdict.COMPLAINT, "The recipient complained.", ses=("Complaint", "Complaint/*")),
    Rule(
        "auto-reply",
        Verdict.NOT_A_BOUNCE,
        "SES reports an out-of-office answer as a bounce; the mail has arrived.",
        ses=("Transient/General",),
        silent=True,
    ),
    Rule(
        "transient-no-mailbox",
        Verdict.HARD,
        "SES calls it transient, but the status says that there is no such mailbox or domain.",
        ses=("Transient/*",),
        codes=_NO_SUCH_MAILBOX_OR_DOMAIN,
    ),
    Rule(
        "transient-no-answer",
        Verdict.SOFT,
        "The domain could not be looked up at that moment.",
        ses=("Transient/*",),
        codes=_NO_ROUTE,
        says=_OF_THE_MOMENT,
    ),
    Rule(
        "transient-no-domain",
        Verdict.HARD,
        "SES calls it transient, but there is no such domain, and there will be none at the next mail.",
        ses=("Transient/*",),
        codes=_NO_ROUTE,
        says=_NO_SUCH_DOMAIN,
    ),
    Rule("transient", Verdict.SOFT, "SES calls it transient.", ses=("Transient/*",)),
    Rule(
        "ses-not-the-address",
        Verdict.SOFT,
        "SES says that it is about the message or the moment.",
        ses=(
            "*/MailboxFull",
            "*/MessageTooLarge",
            "*/ContentRejected",
            "*/AttachmentRejected",
            "*/CustomTimeoutExceeded",
        ),
    ),
    Rule("status-transient", Verdict.SOFT, "The status or the reply is a transient one.", codes=("4.x.x", "4yz")),
    Rule("status-mailbox-full", Verdict.SOFT, "The mailbox is full.", codes=("5.2.2",)),
    Rule("status-too-large", Verdict.SOFT, "This message is too large.", codes=("5.2.3", "5.3.4")),
    Rule("status-too-many", Verdict.SOFT, "The mailbox takes no more for now.", codes=("5.2.121", "5.2.122")),
    Rule("status-protocol", Verdict.SOFT, "The servers misunderstood each other.", codes=("5.5.x",)),
    Rule("status-content", Verdict.SOFT, "The content cannot be taken or converted.", codes=("5.6.x",)),
    Rule(
        "status-policy",
        Verdict.SOFT,
        "Policy, blocklist, content or authentication: it is about the sender or this message.",
        codes=("5.7.x",),
    ),
    Rule("status-sender", Verdict.SOFT, "The sender's address is at fault.", codes=("5.1.7", "5.1.8")),
    Rule(
        "status-system",
        Verdict.SOFT,
        "The receiving system is full, down, wrongly set up, or turns in a loop.",
        codes=("5.3.1", "5.3.2", "5.3.3", "5.3.5", "5.4.3", "5.4.5", "5.4.6", "5.4.7", "5.4.14"),
    ),
    Rule("text-sender", Verdict.SOFT, "The server refuses the sender.", says=_ABOUT_THE_SENDER),
    Rule("text-mailbox-full", Verdict.SOFT, "The mailbox is full.", says=_MAILBOX_FULL),
    Rule("text-too-large", Verdict.SOFT, "This message is too large.", says=_TOO_LARGE),
    Rule("text-moment", Verdict.SOFT, "It is about the moment.", says=_OF_THE_MOMENT),
    Rule("text-no-mailbox", Verdict.HARD, "There is no such mailbox.", says=_NO_SUCH_MAILBOX),
    Rule("reply-storage", Verdict.SOFT, "The mailbox is full or this message too large (RFC 5321).", codes=("552",)),
    Rule("status-disabled", Verdict.HARD, "The mailbox is disabled.", codes=("5.2.1",)),
    Rule("text-message", Verdict.SOFT, "The server refuses this message.", says=_ABOUT_THE_MESSAGE),
    Rule("status-address", Verdict.HARD, "The address is at fault.", codes=("5.1.x",)),
    Rule("permanent", Verdict.HARD, "SES calls it permanent, and nothing else is known.", ses=("Permanent/*",)),
    Rule(
        "undetermined-permanent",
        Verdict.HARD,
        "SES does not know, but the status or the reply is a permanent one.",
        codes=("5.x.x", "521", "550", "551", "553", "556"),
    ),
    Rule("undetermined", Verdict.UNKNOWN, "Nothing is known."),
)

#: A report about somebody who was not mailed, where several were: it is recorded of each of them.
UNMATCHED = Rule(
    "recipient-unmatched",
    Verdict.UNKNOWN,
    "The report names an address that none of the mail's recipients has, so nobody knows whom it is about.",
)

RULES = {rule.id: rule for rule in (*TABLE, UNMATCHED)}


def judge(evidence: Evidence) -> Rule:
    """The first rule of the table that holds."""
    words = _words(evidence.diagnostic or "")
    return next(rule for rule in TABLE if _holds(rule, evidence, words))


def _holds(rule: Rule, evidence: Evidence, words: Sequence[str]) -> bool:
    return (
        (not rule.ses or any(_is_type(name, pattern) for name in evidence.names for pattern in rule.ses))
        and (not rule.codes or any(_is_code(evidence.code or "", pattern) for pattern in rule.codes))
        and (not rule.says or any(_is_said(words, phrase.split()) for phrase in rule.says))
        and (not rule.silent or evidence.is_silent)
    )


def _is_type(name: str, pattern: str) -> bool:
    return fnmatchcase(name.casefold(), pattern.casefold())


def _is_code(code: str, pattern: str) -> bool:
    # A status is compared number by number, a reply digit by digit.
    parts, wanted = (code.split("."), pattern.split(".")) if "." in pattern else (list(code), list(pattern))
    return len(parts) == len(wanted) and all(
        each in ("x", "y", "z") or each == part for part, each in zip(parts, wanted, strict=True)
    )


_LONGEST_GAP = 5
_END_OF_SENTENCE = "."


def _is_said(words: Sequence[str], phrase: Sequence[str]) -> bool:
    return any(_stands_at(start, words, phrase) for start in range(len(words)))


def _stands_at(start: int, words: Sequence[str], phrase: Sequence[str]) -> bool:
    if not phrase:
        return True
    first, *rest = phrase
    if first == "…":
        gap = takewhile(lambda at: at == start or words[at - 1] != _END_OF_SENTENCE, range(start, len(words)))
        return any(_stands_at(at, words, rest) for at in islice(gap, _LONGEST_GAP + 1))
    if start >= len(words):
        return False
    same = words[start].startswith(first[:-1]) if first.endswith("*") else words[start] == first
    return same and _stands_at(start + 1, words, rest)


# --- Words ------------------------------------------------------------------------------------------------------------

_PIECE = re.compile(r"[^\s<>()\[\]{},;:\"]+")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")

# A name with a dot in it, in one case as names are written: "full.Please" are two words.
_HOST = re.compile(r"[\w-]+(?:\.(?:[a-z0-9_-]+|[A-Z0-9_-]+))+")

_BLOCKLISTS = ("spamhaus", "spamcop", "sorbs.net", "barracudacentral", "dnsbl", "uceprotect", "abuseat", "senderscore")


def _words(text: str) -> list[str]:
    """A server's words in lower case, without addresses, hosts, links and numbers.

    They are no words of its answer: `nospam@example.net` is unknown, not blocked. Of the lines of an answer each begins
    with the code, which stands between two words then.
    """
    words: list[str] = []
    for piece in _PIECE.findall(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")):
        if "@" in piece:
            pass
        elif piece.startswith("//") or _HOST.fullmatch(piece.strip(".'")):
            words += ["dnsbl"] if any(name in piece.lower() for name in _BLOCKLISTS) else []
        else:
            words += (word for word in _WORD.findall(piece.casefold()) if not word.isdecimal())
        words += [_END_OF_SENTENCE] if piece.endswith((".", "!", "?")) else []
    return words
