"""What servers say of a mail that they did not take, and what the table of bounces makes of it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypost.models.bounces import LONGEST_DIAGNOSTIC, RULES, TABLE, UNMATCHED, Evidence, Verdict, judge
from polypost.models.delivery import DeliveryEvent, EventKind, Fact, MessageRef, judged
from polypost.models.suppression import SuppressionReason, ground_in

DOCS = Path(__file__).parents[2] / "docs" / "bounces.md"

PERMANENT, TRANSIENT, UNDETERMINED = "Permanent/General", "Transient/General", "Undetermined/Undetermined"
HARD, SOFT, UNKNOWN = "Hard", "Soft", None


def outcome(evidence: Evidence) -> tuple[str | None, str | None, bool, str]:
    """The type and the errorCode under which a bounce is listed, whether it suppresses, and the rule that decided."""
    fact = Fact(EventKind.BOUNCE, "max@example.net", datetime(2026, 1, 2, tzinfo=UTC), "feedback-1")
    rule = judge(evidence)
    fact = judged(fact, evidence, rule)
    ground = ground_in(DeliveryEvent(MessageRef("0" * 24, "demo"), fact))
    suppresses = ground is not None and ground.reason is not SuppressionReason.REPEATED_SOFT_BOUNCES
    return fact.type, fact.error_code, suppresses, rule.id


def evidence(ses: str, status: str | None, diagnostic: str | None, action: str | None = "failed") -> Evidence:
    kind, _, subtype = ses.partition("/")
    return Evidence.of_bounce(kind, subtype, status=status, action=action, diagnostic=diagnostic)


# What real servers answer: server, SES's type, status, diagnosticCode; the type and the errorCode of the list. What is
# Hard suppresses.
REPORTS = [
    # Microsoft 365 and Outlook.com
    ("m365-unknown", PERMANENT, "5.1.10", "smtp; 550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient max@example.net not found by SMTP address lookup", HARD, "5.1.10"),
    ("m365-edge", PERMANENT, "5.4.1", "smtp; 550 5.4.1 Recipient address rejected: Access denied. [AM0EUR02FT0023.eop-EUR02.prod.protection.outlook.com 2026-01-02T03:04:05.678Z 08DE1]", HARD, "5.4.1"),
    ("m365-unknown-5.1.1", PERMANENT, "5.1.1", "smtp; 550 5.1.1 The email account that you tried to reach does not exist", HARD, "5.1.1"),
    ("m365-policy", PERMANENT, "5.7.1", "smtp; 550 5.7.1 Unfortunately, messages from [192.0.2.10] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3150).", SOFT, "5.7.1"),
    ("m365-banned-ip", PERMANENT, "5.7.606", "smtp; 550 5.7.606 Access denied, banned sending IP [192.0.2.10]. To request removal from this list please visit https://sender.example/", SOFT, "5.7.606"),
    ("m365-spf", PERMANENT, "5.7.23", "smtp; 550 5.7.23 The message was rejected because of Sender Policy Framework violation", SOFT, "5.7.23"),
    ("m365-tenant-attribution", PERMANENT, "5.7.64", "smtp; 550 5.7.64 TenantAttribution; Relay Access Denied", SOFT, "5.7.64"),
    ("m365-quota", PERMANENT, "5.2.2", "smtp; 554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded", SOFT, "5.2.2"),
    ("m365-receives-too-many", PERMANENT, "5.2.122", "smtp; 554 5.2.122 The recipient has exceeded their limit for the number of messages they can receive per hour", SOFT, "5.2.122"),
    ("m365-too-large", PERMANENT, "5.3.4", "smtp; 550 5.3.4 ROUTE.OversizeMessage; message size exceeds fixed maximum message size for route", SOFT, "5.3.4"),
    ("m365-loop", PERMANENT, "5.4.14", "smtp; 554 5.4.14 Hop count exceeded - possible mail loop ATTR34", SOFT, "5.4.14"),
    ("m365-loop-5.4.6", PERMANENT, "5.4.6", "smtp; 554 5.4.6 Hop count exceeded - possible mail loop", SOFT, "5.4.6"),
    ("m365-throttled", TRANSIENT, "4.7.500", "smtp; 451 4.7.500 Server busy. Please try again later from [192.0.2.10]. (S77719)", SOFT, "4.7.500"),
    ("outlook.com-unavailable", PERMANENT, "5.5.0", "smtp; 550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [VI1EUR04FT007.eop-eur04.prod.protection.outlook.com]", SOFT, "5.5.0"),
    ("exchange-restricted", PERMANENT, "5.7.133", "smtp; 550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required", SOFT, "5.7.133"),
    ("exchange-disabled", PERMANENT, "5.2.1", "smtp; 550 5.2.1 STOREDRV.Deliver; mailbox disabled, not accepting messages", HARD, "5.2.1"),
    # Gmail and Google Workspace
    ("gmail-unknown", PERMANENT, "5.1.1", "smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking the recipient's email address for typos or 550-5.1.1 unnecessary spaces. For more information, go to 550 5.1.1  https://support.google.com/mail/?p=NoSuchUser a640c23a62f3a-aa0f.1 - gsmtp", HARD, "5.1.1"),
    ("gmail-disabled", PERMANENT, "5.2.1", "smtp; 550 5.2.1 The email account that you tried to reach is disabled. Learn more at https://support.google.com/mail/?p=DisabledUser - gsmtp", HARD, "5.2.1"),
    ("gmail-inactive", PERMANENT, "5.2.1", "smtp; 550 5.2.1 The email account that you tried to reach is inactive. Learn more at https://support.google.com/mail/?p=DisabledUser - gsmtp", HARD, "5.2.1"),
    ("gmail-rate", PERMANENT, "5.2.1", "smtp; 550-5.2.1 The user you are trying to contact is receiving mail at a rate that 550-5.2.1 prevents additional messages from being delivered. - gsmtp", SOFT, "5.2.1"),
    ("gmail-rate-transient", TRANSIENT, "4.2.1", "smtp; 450-4.2.1 The user you are trying to contact is receiving mail too quickly. Please resend your message at a later time.", SOFT, "4.2.1"),
    ("gmail-full", PERMANENT, "5.2.2", "smtp; 552-5.2.2 The recipient's inbox is out of storage space and inactive. Please direct the recipient to https://support.google.com/mail/?p=OverQuotaPerm - gsmtp", SOFT, "5.2.2"),
    ("gmail-full-transient", TRANSIENT, "4.2.2", "smtp; 452-4.2.2 The recipient's inbox is out of storage space.", SOFT, "4.2.2"),
    ("gmail-unsolicited", PERMANENT, "5.7.1", "smtp; 550-5.7.1 [192.0.2.10      12] Our system has detected that this message is likely 550-5.7.1 unsolicited mail. To reduce the amount of spam sent to Gmail, this 550-5.7.1 message has been blocked.", SOFT, "5.7.1"),
    ("gmail-unauthenticated", PERMANENT, "5.7.26", "smtp; 550-5.7.26 This mail has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM.", SOFT, "5.7.26"),
    ("gmail-content", PERMANENT, "5.7.0", "smtp; 552-5.7.0 This message was blocked because its content presents a potential security issue.", SOFT, "5.7.0"),
    ("gmail-relay", PERMANENT, "5.7.0", "smtp; 550-5.7.0 Mail relay denied [192.0.2.10]. Invalid credentials for relay for one of the domains", SOFT, "5.7.0"),
    ("gmail-quota", PERMANENT, "5.4.5", "smtp; 550 5.4.5 Daily sending quota exceeded", SOFT, "5.4.5"),
    ("gmail-ptr", PERMANENT, "5.7.25", "smtp; 550-5.7.25 [192.0.2.10] The IP address sending this message does not have a 550-5.7.25 PTR record setup", SOFT, "5.7.25"),
    ("gmail-null-mx", PERMANENT, "5.1.10", "smtp; 556 5.1.10 Domain example.net has null MX record", HARD, "5.1.10"),
    # Yahoo and AOL
    ("yahoo-no-account", PERMANENT, "5.0.0", "smtp; 554 delivery error: dd This user doesn't have a yahoo.com account (max@example.net) [0] - mta4213.mail.bf1.yahoo.com", HARD, "5.0.0"),
    ("yahoo-unavailable", PERMANENT, None, "smtp; 550 Requested action not taken: mailbox unavailable", HARD, None),
    ("yahoo-disabled", PERMANENT, "5.0.0", "smtp; 554 30 Sorry, your message to max@example.net cannot be delivered. This mailbox is disabled (554.30).", HARD, "5.0.0"),
    ("yahoo-not-found", PERMANENT, None, "smtp; 552 1 Requested mail action aborted, mailbox not found", HARD, None),
    ("yahoo-policy", PERMANENT, "5.7.9", "smtp; 554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes", SOFT, "5.7.9"),
    ("yahoo-deferred", TRANSIENT, "4.7.0", "smtp; 421 4.7.0 [TSS04] Messages from 192.0.2.10 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1", SOFT, "4.7.0"),
    ("yahoo-over-quota", PERMANENT, "5.0.0", "smtp; 552 5.0.0 The user you are trying to reach is over quota", SOFT, "5.0.0"),
    ("aol-unknown", PERMANENT, "5.1.1", "smtp; 550 5.1.1 <max@example.net>: Recipient address rejected: aol.com", HARD, "5.1.1"),
    # iCloud
    ("icloud-unknown", PERMANENT, "5.1.1", "smtp; 550 5.1.1 <max@example.net>: user does not exist", HARD, "5.1.1"),
    ("icloud-unknown-6.1.1", PERMANENT, "5.1.1", "smtp; 550 5.1.1 unknown or illegal alias: max@example.net", HARD, "5.1.1"),
    ("icloud-full", PERMANENT, "5.2.2", "smtp; 552 5.2.2 <max@example.net>: user is over quota", SOFT, "5.2.2"),
    ("icloud-blocked", PERMANENT, "5.7.0", "smtp; 554 5.7.0 Blocked - see https://support.apple.com/en-us/HT204137", SOFT, "5.7.0"),
    ("icloud-local-policy", PERMANENT, "5.7.1", "smtp; 554 5.7.1 [HM08] Message rejected due to local policy.", SOFT, "5.7.1"),
    # GMX, WEB.DE, T-Online
    ("gmx-unavailable", PERMANENT, None, "smtp; 550-Requested action not taken: mailbox unavailable 550 For explanation visit https://postmaster.gmx.example/en/error-messages?ip=192.0.2.10&c=hi", HARD, None),
    ("gmx-quota", PERMANENT, None, "smtp; 552-Requested mail action aborted: exceeded storage allocation 552-Quota exceeded. The recipient's mailbox is full.", SOFT, None),
    ("gmx-ptr", PERMANENT, None, "smtp; 554-example.net (mxgmx116) Nemesis ESMTP Service not available 554-No SMTP service 554-Bad DNS PTR resource record. 554 For explanation visit https://postmaster.gmx.example/", SOFT, None),
    ("gmx-policy", PERMANENT, None, "smtp; 554-Transaction failed 554-Reject due to policy restrictions. 554 For explanation visit https://postmaster.gmx.example/", SOFT, None),
    ("gmx-blocklist", PERMANENT, None, "smtp; 554-No SMTP service 554-IP address is block listed. 554 For explanation visit https://postmaster.gmx.example/", SOFT, None),
    ("t-online-unknown", PERMANENT, None, "smtp; 550 user unknown", HARD, None),
    ("t-online-dialup", PERMANENT, None, "smtp; 554 IP=192.0.2.10 - Dialup/transient IP not allowed. Use a mailgateway or contact tosa@rx.t-online.example. (DIAL)", SOFT, None),
    ("t-online-problem", PERMANENT, None, "smtp; 554 IP=192.0.2.10 - A problem occurred. Ask your postmaster for help or to contact tosa@rx.t-online.example to clarify. (BL)", SOFT, None),
    ("german-full", PERMANENT, None, "smtp; 550 Das Postfach des Benutzers ist voll", SOFT, None),
    # Postfix
    ("postfix-local", PERMANENT, "5.1.1", 'smtp; 550 5.1.1 <max@example.net>: Recipient address rejected: User unknown in local recipient table', HARD, "5.1.1"),
    ("postfix-virtual", PERMANENT, "5.1.1", "smtp; 550 5.1.1 <max@example.net>: Recipient address rejected: User unknown in virtual mailbox table", HARD, "5.1.1"),
    ("postfix-relay-table", PERMANENT, "5.1.1", "smtp; 550 5.1.1 <max@example.net>: Recipient address rejected: User unknown in relay recipient table", HARD, "5.1.1"),
    ("postfix-dnsbl", PERMANENT, "5.7.1", "smtp; 554 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.10", SOFT, "5.7.1"),
    ("postfix-dnsbl-no-status", PERMANENT, None, "smtp; 554 Service unavailable; Client host [192.0.2.10] blocked using dnsbl.example", SOFT, None),
    ("postfix-relay", PERMANENT, "5.7.1", "smtp; 554 5.7.1 <max@example.net>: Relay access denied", SOFT, "5.7.1"),
    ("postfix-relay-no-status", PERMANENT, None, "smtp; 554 <max@example.net>: Relay access denied", SOFT, None),
    ("postfix-sender-domain", PERMANENT, "5.1.8", "smtp; 550 5.1.8 <info@example.com>: Sender address rejected: Domain not found", SOFT, "5.1.8"),
    ("postfix-helo", PERMANENT, "5.7.1", "smtp; 550 5.7.1 <a8-31.smtp-out.example>: Helo command rejected: Host not found", SOFT, "5.7.1"),
    ("postfix-greylisted", PERMANENT, "4.2.0", "smtp; 450 4.2.0 <max@example.net>: Recipient address rejected: Greylisted, see https://postgrey.example/help/example.net.html", SOFT, "4.2.0"),
    ("postfix-size", PERMANENT, "5.3.4", "smtp; 552 5.3.4 Message size exceeds fixed limit", SOFT, "5.3.4"),
    ("postfix-content", PERMANENT, "5.7.1", "smtp; 550 5.7.1 Message content rejected, UBE, id=00123-45", SOFT, "5.7.1"),
    ("postfix-loop", PERMANENT, "5.4.6", "smtp; 554 5.4.6 mail for example.net loops back to myself", SOFT, "5.4.6"),
    ("postfix-dns", TRANSIENT, "5.4.4", "smtp; Host or domain name not found. Name service error for name=example.net type=MX: Host not found, try again", SOFT, "5.4.4"),
    ("postfix-no-host", TRANSIENT, "5.4.4", "smtp; Host or domain name not found. Name service error for name=gmial.example type=A: Host not found", HARD, "5.4.4"),
    ("postfix-disk", PERMANENT, "5.3.1", "smtp; 452 5.3.1 Insufficient system storage", SOFT, "5.3.1"),
    ("postfix-quota", PERMANENT, "5.7.1", "smtp; 554 5.7.1 <max@example.net>: Recipient address rejected: Mailbox has exceeded the limit", SOFT, "5.7.1"),
    ("dovecot-quota", PERMANENT, None, "smtp; 552 <max@example.net> Quota exceeded (mailbox for user is full)", SOFT, None),
    # Exim
    ("exim-unrouteable", PERMANENT, None, "smtp; 550 Unrouteable address", HARD, None),
    ("exim-unknown", PERMANENT, "5.0.0", "smtp; 550 Unknown user", HARD, "5.0.0"),
    ("exim-no-user", PERMANENT, None, "smtp; 550 No Such User Here", HARD, None),
    ("exim-sender-verify", PERMANENT, None, 'smtp; 550-Verification failed for <info@example.com> 550-No Such User Here 550 Sender verify failed', SOFT, None),
    ("exim-rdns", PERMANENT, None, "smtp; 550 Blocked: reverse DNS of 192.0.2.10 does not resolve", SOFT, None),
    ("exim-spam", PERMANENT, None, "smtp; 550 This message scored 12.3 spam points.", SOFT, None),
    ("exim-virus", PERMANENT, None, "smtp; 550 This message contains a virus (Eicar-Test-Signature).", SOFT, None),
    ("exim-retry", PERMANENT, None, "smtp; retry timeout exceeded", SOFT, None),
    ("exim-relay", PERMANENT, None, "smtp; 550 relay not permitted", SOFT, None),
    ("exim-full", PERMANENT, None, "smtp; 552 mailbox is full: retry timeout exceeded", SOFT, None),
    ("cpanel-suspended", PERMANENT, None, "smtp; 550 Account max@example.net has been suspended. The account is disabled.", HARD, None),
    # qmail
    ("qmail-no-mailbox", PERMANENT, None, "smtp; 550 sorry, no mailbox here by that name (#5.1.1 - chkuser)", HARD, "5.1.1"),
    ("qmail-rcpthosts", PERMANENT, None, "smtp; 553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", SOFT, "5.7.1"),
    ("qmail-badmailfrom", PERMANENT, None, "smtp; 553 sorry, your envelope sender is in my badmailfrom list (#5.7.1)", SOFT, "5.7.1"),
    ("qmail-quota", PERMANENT, None, "smtp; 552 The user does not have enough space, mailbox over quota (#5.2.2)", SOFT, "5.2.2"),
    ("qmail-spam", PERMANENT, None, "smtp; 554 Your email is considered spam (9.80 spam-hits)", SOFT, None),
    ("qmail-too-long", PERMANENT, None, "smtp; 552 sorry, that message size exceeds my databytes limit (#5.3.4)", SOFT, "5.3.4"),
    # Others
    ("sendmail-unknown", PERMANENT, "5.1.1", "smtp; 550 5.1.1 <max@example.net>... User unknown", HARD, "5.1.1"),
    ("sendmail-host", PERMANENT, "5.1.2", "smtp; 550 5.1.2 <max@example.net>... Host unknown (Name server: example.net: host not found)", HARD, "5.1.2"),
    ("barracuda", PERMANENT, None, "smtp; 550 permanent failure for one or more recipients (max@example.net:blocked)", SOFT, None),
    ("barracuda-ip", PERMANENT, None, "smtp; 554 Service unavailable. See http://www.barracudacentral.org/reputation?ip=192.0.2.10", SOFT, None),
    ("proofpoint", PERMANENT, "5.7.0", "smtp; 554 5.7.0 Blocked - see https://ipcheck.proofpoint.example/?ip=192.0.2.10", SOFT, "5.7.0"),
    ("mimecast", PERMANENT, None, "smtp; 554 Email rejected due to security policies - https://community.mimecast.example/docs/DOC-1369#554", SOFT, None),
    ("mimecast-recipient", PERMANENT, None, "smtp; 550 Invalid Recipient - https://community.mimecast.example/docs/DOC-1369#550", HARD, None),
    ("cloudmark", PERMANENT, "5.1.0", "smtp; 550 5.1.0 sender rejected: AUP#1260", SOFT, "5.1.0"),
    ("domino", PERMANENT, "5.1.1", "smtp; 550 5.1.1 User max (max@example.net) not listed in Domino Directory", HARD, "5.1.1"),
    ("blocklist-with-5.2.1", PERMANENT, "5.2.1", "smtp; 550 5.2.1 Mailbox unavailable. Your IP address 192.0.2.10 is blacklisted using bl.example", SOFT, "5.2.1"),
    ("blocked-account", PERMANENT, "5.2.1", "smtp; 550 5.2.1 This mailbox has been blocked due to inactivity", HARD, "5.2.1"),
    ("yandex-rfc", PERMANENT, "5.7.1", "smtp; 554 5.7.1 Message rejected under suspicion of SPAM", SOFT, "5.7.1"),
    ("mail.ru", PERMANENT, None, "smtp; 550 Message was not accepted -- invalid mailbox. Local mailbox max@example.net is unavailable: user not found", HARD, None),
    ("ses-address-error", PERMANENT, "5.0.0 (permanent failure)", "smtp; 5.1.0 - Unknown address error 550-'5.1.1 <max@example.net>: user unknown'", HARD, "5.0.0"),
    ("ses-expired", TRANSIENT, "4.4.7", "smtp; 554 4.4.7 Message expired: unable to deliver in 840 minutes.<421 4.4.0 Unable to lookup DNS for example.net>", SOFT, "4.4.7"),
    ("ses-mistyped-domain", TRANSIENT, "5.4.4", "smtp; 550 5.4.4 Invalid domain", HARD, "5.4.4"),
    ("too-many-recipients", PERMANENT, "5.5.3", "smtp; 552 5.5.3 Too many recipients", SOFT, "5.5.3"),
    ("charset", PERMANENT, "5.6.7", "smtp; 550 5.6.7 Non-ASCII addresses not permitted for that sender/recipient", SOFT, "5.6.7"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("ses", "status", "diagnostic", "type_", "code"),
    [report[1:] for report in REPORTS],
    ids=[each[0] for each in REPORTS],
)
def test_reports_of_real_servers(ses: str, status: str | None, diagnostic: str, type_: str | None, code: str) -> None:
    assert outcome(evidence(ses, status, diagnostic))[:3] == (type_, code, type_ == HARD)


@pytest.mark.parametrize(
    "status",
    ["4.0.0", "4.2.2", "4.4.7", "4.7.500", "5.2.2", "5.2.3", "5.3.4", "5.5.0", "5.5.4", "5.6.0", "5.7.1", "5.7.26"],
)
@pytest.mark.parametrize("ses", [PERMANENT, UNDETERMINED, "Permanent/NoEmail", "Novelty/General"])
def test_a_status_about_the_message_the_sender_or_the_moment_is_soft(ses: str, status: str) -> None:
    assert outcome(evidence(ses, status, None))[:3] == (SOFT, status, False)
    # The status may stand in the server's words alone, or the recipient's own one may say nothing.
    for general in (None, f"{status[0]}.0.0"):
        assert outcome(evidence(ses, general, f"smtp; 550 {status} no"))[::2] == (SOFT, False)


@pytest.mark.parametrize(
    "status", ["5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1", "5.0.0", "5.4.4", None]
)
def test_a_status_about_the_address_is_hard_and_so_is_a_bare_permanent(status: str | None) -> None:
    assert outcome(evidence(PERMANENT, status, None))[:3] == (HARD, status, True)


@pytest.mark.parametrize(
    "words",
    [
        "mailbox full",
        "Mailbox is FULL.",
        "The mailbox\r\n550-full",
        "temporarily unavailable",
        "a temporary failure",
        "looks like spam to us",
        "SPAM.",
        "[spam]",
        "blocked",
        "You are on our blocklist",
        "black-listed",
        "no PTR record",
        "(PTR)",
        "bad reverse-DNS",
        "over-quota",
        "user\u2019s mailbox_full",
    ],
)
@pytest.mark.parametrize("status", [None, "5.0.0", "5.1.1"])
def test_words_about_the_message_the_sender_or_the_moment_are_soft(status: str | None, words: str) -> None:
    assert outcome(evidence(PERMANENT, status, f"smtp; 550 {words}"))[::2] == (SOFT, False)


@pytest.mark.parametrize(
    "diagnostic",
    [
        "smtp; 550 5.1.1 <nospam@example.net>: User unknown",
        "smtp; 550 5.1.1 nospam@example.net User unknown",
        "smtp; 550 5.1.1 <blocked.temporarily@spam.example>: no",
        "smtp; host spam-filter.blocked.example[192.0.2.1] said: 550 5.1.1 no",
        "smtp; 550 5.1.1 see https://blocked.example/spam/ptr?mailbox+full",
        "smtp; 550 5.1.1 User unknown. Is it spam? Then it is blocked.",
        "smtp; 550 5.1.1 no such user. Please report full headers to postmaster@example.net",
        "smtp; 550 5.1.1 adaptress, promptrix and reblockedly are no words",
    ],
)
def test_a_word_in_an_address_a_host_or_a_link_says_nothing(diagnostic: str) -> None:
    assert outcome(evidence(PERMANENT, "5.1.1", diagnostic))[:3] == (HARD, "5.1.1", True)


@given(
    subtype=st.sampled_from(["General", "MailboxFull", "ContentRejected", "MessageTooLarge", "Undetermined"]),
    status=st.sampled_from(
        [None, "4.0.0", "5.0.0", "5.1.0", "5.1.6", "5.2.1", "5.2.2", "5.4.1", "5.4.4", "5.7.1", "x"]
    ),
    words=st.sampled_from(["user unknown", "no such user", "Host not found, try again", "blocked", "550", ""]),
)
def test_what_ses_calls_transient_is_never_hard(subtype: str, status: str | None, words: str) -> None:
    type_, _, suppresses, rule = outcome(evidence(f"Transient/{subtype}", status, words))
    assert (type_, suppresses) == (SOFT, False), rule


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("5.1.1", ""),
        ("5.1.2", ""),
        ("5.1.3", ""),
        ("5.1.10", ""),
        (None, "smtp; 550 5.1.1 user unknown"),
        ("5.0.0", "smtp; 550 5.1.1 user unknown"),
        ("5.4.4", "smtp; 550 5.4.4 Invalid domain"),
        ("5.4.4", "smtp; 550 5.4.4 Domain gmial.example not found"),
        ("5.4.4", "smtp; NXDOMAIN"),
    ],
)
def test_transient_is_hard_where_the_status_says_that_there_is_no_such_address(status: str | None, words: str) -> None:
    type_, _, suppresses, _ = outcome(evidence(TRANSIENT, status, words))
    assert (type_, suppresses) == (HARD, True)


@pytest.mark.parametrize(
    "subtype",
    [
        "Suppressed",
        "OnAccountSuppressionList",
        "OnTenantSuppressionList",
        "EmailValidationSuppressed",
        "UnsubscribedRecipient",
        "OnSomeNewSuppressionList",
        "SomehowSuppressed",
        "ontenantsuppressionlist",
    ],
)
def test_sess_own_lists_say_nothing_of_the_address(subtype: str) -> None:
    for kind in ("Permanent", "Transient", "Undetermined"):
        assert outcome(evidence(f"{kind}/{subtype}", "5.1.1", "on the suppression list"))[::2] == (HARD, False)
        assert outcome(evidence(f"{kind}/{subtype}", None, None, None))[::2] == (HARD, False)
    assert outcome(Evidence.of_complaint(subtype, "abuse")) == (HARD, None, False, "ses-list")


@pytest.mark.parametrize(
    ("feedback_type", "kind"),
    [
        ("abuse", EventKind.COMPLAINT),
        ("fraud", EventKind.COMPLAINT),
        ("virus", EventKind.COMPLAINT),
        ("other", EventKind.COMPLAINT),
        ("opt-out", EventKind.COMPLAINT),
        (None, EventKind.COMPLAINT),
        ("not-spam", EventKind.NOT_SPAM),
        (" Not-Spam ", EventKind.NOT_SPAM),
        ("auth-failure", EventKind.AUTH_FAILURE),
        ("AUTH-FAILURE", EventKind.AUTH_FAILURE),
    ],
)
@pytest.mark.parametrize("subtype", [None, "", "Novelty"])
def test_what_is_a_complaint(subtype: str | None, feedback_type: str | None, kind: EventKind) -> None:
    reported = Evidence.of_complaint(subtype, feedback_type)
    fact = judged(
        Fact(EventKind.COMPLAINT, "x@example.net", datetime(2026, 1, 2, tzinfo=UTC), "1"), reported, judge(reported)
    )
    assert (fact.kind, fact.error_code, fact.error_text) == (kind, None, None)
    assert (ground_in(DeliveryEvent(MessageRef("0" * 24, "demo"), fact)) is not None) is (kind is EventKind.COMPLAINT)


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_an_automatic_reply_is_no_bounce(nothing: str | None) -> None:
    reported = Evidence.of_bounce("Transient", "General", status=nothing, action=nothing, diagnostic=nothing)
    assert judge(reported).verdict is Verdict.NOT_A_BOUNCE
    for said in ({"status": "4.0.0"}, {"action": "failed"}, {"diagnostic": "smtp; x"}):
        assert judge(Evidence.of_bounce("Transient", "General", **said)).verdict is Verdict.SOFT


@pytest.mark.parametrize(
    ("ses", "diagnostic", "type_"),
    [
        (UNDETERMINED, "smtp; 550 no such user here", HARD),
        (UNDETERMINED, "no such user here", HARD),
        (UNDETERMINED, "smtp; 550 no", HARD),
        (UNDETERMINED, "smtp;550 no", HARD),
        (UNDETERMINED, "host mx.example.net[192.0.2.1] said: 553 no", HARD),
        (UNDETERMINED, "smtp; 554 no", UNKNOWN),
        (UNDETERMINED, "smtp; 552 no", SOFT),
        (UNDETERMINED, "smtp; 450 no", SOFT),
        (UNDETERMINED, "smtp; 421 no", SOFT),
        (UNDETERMINED, "smtp; no 550 of these", UNKNOWN),
        (UNDETERMINED, "from 192.0.2.5: 192.550.2.4", UNKNOWN),
        (UNDETERMINED, None, UNKNOWN),
        ("/", None, UNKNOWN),
        (PERMANENT, "smtp; 450 no", SOFT),
        (PERMANENT, "smtp; 552 no", SOFT),
        (PERMANENT, "smtp; 554 no", HARD),
    ],
)
def test_without_a_status_the_reply_and_the_words_decide(ses: str, diagnostic: str | None, type_: str | None) -> None:
    assert outcome(evidence(ses, None, diagnostic))[:3] == (type_, None, type_ == HARD)


@pytest.mark.parametrize(
    ("status", "diagnostic", "code"),
    [
        ("5.1.1", None, "5.1.1"),
        (" 5.1.1\r\n", None, "5.1.1"),
        ("5.1.1.", None, "5.1.1"),
        ("5.0.0 (permanent failure)", "smtp; 5.1.0 - Unknown address error 550", "5.0.0"),
        ("(given up) 4.4.7 (after 5 days)", None, "4.4.7"),
        ("#5.1.1", None, "5.1.1"),
        ("5.1.10", None, "5.1.10"),
        ("5.7.606", None, "5.7.606"),
        ("2.0.0", None, "2.0.0"),
        ("", "smtp; 550 5.1.1 user unknown", "5.1.1"),
        ("failed", "smtp; 550-5.1.1 user unknown", "5.1.1"),
        ("550", "smtp; 550 no mailbox (#5.1.1)", "5.1.1"),
        (None, "smtp; 550 5.1.1: gone", "5.1.1"),
        (None, "smtp; 550 user unknown", None),
        (None, "smtp; 550 from 5.1.1.7", None),
        (None, "smtp; 550 from 192.5.1.1", None),
        (None, "smtp; 550 Exim 4.96.2", None),
        (None, "smtp; 250 2.0.0 OK", None),
        ("5.1", None, None),
        ("5.1.1.1", None, None),
        ("6.1.1", None, None),
        ("\u0665.1.1", None, None),
        (None, None, None),
    ],
)
def test_the_error_code_is_a_status_and_nothing_else(
    status: str | None, diagnostic: str | None, code: str | None
) -> None:
    assert Evidence.of_bounce("Permanent", "General", status=status, diagnostic=diagnostic).status == code


def test_of_a_long_answer_the_beginning_and_the_end_are_kept_and_read() -> None:
    long = Evidence.of_bounce("Permanent", "General", diagnostic=f"smtp; 550 begin {'x y ' * 30_000} mailbox full")
    assert len(long.diagnostic or "") == LONGEST_DIAGNOSTIC
    assert judge(long).id == "text-mailbox-full"
    whole = Evidence.of_bounce("Permanent", "General", diagnostic="x" * LONGEST_DIAGNOSTIC)
    assert whole.diagnostic == "x" * LONGEST_DIAGNOSTIC


def test_every_rule_decides_something() -> None:
    """A rule that an earlier one always precedes would be a line that says something and does nothing."""
    samples = [evidence(*report[1:4]) for report in REPORTS]
    samples += [Evidence.of_complaint(None, kind) for kind in ("abuse", "not-spam", "auth-failure")]
    samples += [Evidence.of_bounce(*ses.split("/")) for ses in (TRANSIENT, UNDETERMINED, "Permanent/Suppressed")]
    samples += [evidence("Permanent/ContentRejected", None, "x")]
    samples += [evidence(UNDETERMINED, status, "x") for status in ("5.0.0", "5.1.0")]
    samples += [evidence(TRANSIENT, "5.1.1", "x"), evidence(PERMANENT, "5.2.3", "x"), evidence(PERMANENT, "5.2.1", "x")]
    samples += [evidence(PERMANENT, None, "smtp; 550 message too large"), evidence(PERMANENT, None, "smtp; 552 no")]
    assert {judge(sample).id for sample in samples} == {rule.id for rule in TABLE}


def test_rules_have_ids_of_their_own() -> None:
    assert len(RULES) == len(TABLE) + 1
    assert UNMATCHED.id in RULES


def markdown() -> str:
    """The table as docs/bounces.md has it."""

    def cell(patterns: tuple[str, ...]) -> str:
        return "<br>".join(f"`{pattern}`" for pattern in patterns)

    lines = ["| rule | SES says | status or reply | the server says | it is | why |", "|---|---|---|---|---|---|"]
    for rule in (*TABLE, UNMATCHED):
        says = "nothing at all" if rule.silent else ", ".join(rule.says)
        lines.append(f"| {rule.id} | {cell(rule.ses)} | {cell(rule.codes)} | {says} | {rule.verdict} | {rule.why} |")
    return "\n".join(lines)


def test_the_table_of_the_docs_is_the_codes() -> None:
    assert markdown() in DOCS.read_text(), f"docs/bounces.md should have:\n{markdown()}"
