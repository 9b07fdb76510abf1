"""A mail to be sent, and what its acceptance gives."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from polypost.models.addresses import normalised

#: A source system and a campaign travel in SES's tags. A tag's value has at most 256 characters; base64url makes 254 of
#: these bytes.
MAX_TAG_BYTES = 190


class _Frozen(BaseModel):
    # What a newer function queued must not lose a member on its way through an older one: it is unreadable to it.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Mailbox(_Frozen):
    """An address with its display name.

    `address` is as `addresses.parse_address` gives it; `name` may be empty.
    """

    address: str
    name: str = ""


class Mail(_Frozen):
    """One mail to one recipient.

    `text` and `html` are the body's parts, at least one of them not empty. `list_unsubscribe` is the header's whole
    value (RFC 2369), as the caller gave it; `unsubscribe_links` is what our own links begin with, in a mail that has
    them in its place. `source_system` and `campaign_id` come back in the lists of bounces and complaints.
    """

    sender: Mailbox
    recipient: Mailbox
    subject: str
    reply_to: Mailbox | None = None
    bcc: str | None = None
    list_unsubscribe: str | None = None
    unsubscribe_links: str | None = None
    text: str | None = None
    html: str | None = None
    source_system: str | None = None
    campaign_id: str | None = None

    @property
    def recipients(self) -> tuple[str, ...]:
        """The recipient, and the Bcc if it is somebody else: nobody gets a mail twice."""
        to, bcc = self.recipient.address, self.bcc
        return (to,) if bcc is None or normalised(bcc) == normalised(to) else (to, bcc)

    @property
    def is_unsubscribable(self) -> bool:
        """Whether the mail carries List-Unsubscribe, and so is kept from who unsubscribed."""
        return self.list_unsubscribe is not None or self.unsubscribe_links is not None


@dataclass(frozen=True, slots=True)
class RecipientForecast:
    """What would become of a mail on its way to one address: why it would not be sent, or None if it would be.

    `type` is the BounceType under which it would be listed.
    """

    recipient: str
    reason: str | None = None
    type: str | None = None


class QueuedMail(_Frozen):
    """A mail between its acceptance and its sending."""

    message_id: str
    space: str
    accepted_at: datetime
    mail: Mail

    @property
    def parts(self) -> "tuple[Part, ...]":
        """The recipient, and then the Bcc, if it is somebody else: nobody gets a mail twice."""
        recipient, bcc = Part(self, self.mail.recipient.address), self.mail.bcc
        if bcc is None or normalised(bcc) == normalised(recipient.address):
            return (recipient,)
        return recipient, Part(self, bcc, is_copy=True)


@dataclass(frozen=True, slots=True)
class Part:
    """A queued mail to one address: to SES it is a mail of its own, which succeeds or fails by itself.

    `is_copy` tells the Bcc's part from the recipient's.
    """

    queued: QueuedMail
    address: str
    is_copy: bool = False


class AcceptedMail(_Frozen):
    """What the sender of a mail is told: the id under which it is found again, and when it was taken."""

    message_id: str
    accepted_at: datetime
