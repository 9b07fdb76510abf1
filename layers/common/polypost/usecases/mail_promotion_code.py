"""Mail a promotion code to a customer, in the words of the space's template."""

from urllib.parse import urljoin

from pydantic import HttpUrl

from polypost.adapters.access_table import AccessTable
from polypost.adapters.contacts_table import ContactsTable
from polypost.adapters.mail_queue import MailQueue
from polypost.adapters.suppressions import Suppressions
from polypost.errors import InvalidRequest, Permanent
from polypost.mail import templates as mail_templates
from polypost.models.access import SpaceSettings
from polypost.models.addresses import InvalidAddress, mailable_address
from polypost.models.attempts import Attempt
from polypost.models.contacts import Contact, ExternalId
from polypost.models.mail import MAX_TAG_BYTES, AcceptedMail, Mail, Mailbox
from polypost.models.message_ids import new_message_id
from polypost.models.promotions import PromotionCode, TemplateName
from polypost.models.texts import in_one_line
from polypost.usecases.find_contact import contact_by_id, find_contact
from polypost.usecases.send_mail import UnverifiedSender, send_mail

#: What the mails are filtered by in the lists of bounces and complaints, beside the promotion's id as the campaign.
SOURCE_SYSTEM = "intershop"

# A shop that no space has, so that only what is relative leads to it.
_NO_SHOP = "https://shop.invalid/"


class NoSender(Permanent):
    """The space has no sender of its own, or none that it may use: the operator's to mend."""


def mail_promotion_code(
    customer: ExternalId | int,
    promotion: PromotionCode,
    space: str,
    unsubscribe_links: str,
    attempt: Attempt,
    *,
    access: AccessTable,
    contacts: ContactsTable,
    suppressions: Suppressions,
    queue: MailQueue,
) -> AcceptedMail:
    """Queue the mail that tells a customer of a promotion code. It always has a link for unsubscribing.

    Parameters: customer, the contact's id in another system, or its own Id; unsubscribe_links, what such links begin
    with.

    Raises: NotFound, for an unknown customer; InvalidRequest, for one without an address that mail can be sent to, and
    for a URI that leads away from the shop; NoSender; BadTemplate; PayloadTooLarge; Retryable.
    """
    settings = access.settings(space)
    link = promotion_link(promotion, settings)
    if isinstance(customer, int):
        contact = contact_by_id(customer, space, contacts=contacts)
    else:
        contact = find_contact(customer, space, access=access, contacts=contacts)
    recipient = _mailbox(contact)
    if settings.sender is None:
        raise NoSender(f"The space {space} has no sender: polypost spaces set {space} --sender ADDRESS")
    # The one that the mail is queued under.
    message_id = new_message_id(attempt, access.address_key())
    template = access.template(space, TemplateName.PROMOTION_CODE)
    rendered = mail_templates.render(
        template or mail_templates.default_template(TemplateName.PROMOTION_CODE),
        mail_templates.promotion_variables(
            promotion,
            link=link or "",
            first_name=in_one_line(contact.profile.first_name or ""),
            last_name=in_one_line(contact.profile.last_name or ""),
            unsubscribe_link=unsubscribe_links + suppressions.unsubscribe_token(space, recipient.address, message_id),
        ),
    )
    mail = Mail(
        sender=settings.sender,
        recipient=recipient,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        unsubscribe_links=unsubscribe_links,
        source_system=SOURCE_SYSTEM,
        campaign_id=_campaign(promotion.promotion_id),
    )
    try:
        return send_mail(mail, space, unsubscribe_links, attempt, access=access, queue=queue)
    except UnverifiedSender as error:
        # No fault of this request.
        raise NoSender(f"The space {space} cannot send its own mail: {error.message}") from error


def promotion_link(promotion: PromotionCode, settings: SpaceSettings) -> str | None:
    """The promotion's page in the channel's shop; None without a URI or without a shop.

    The URI is read as browsers read it, so that nothing that looks relative leads elsewhere.

    Raises: InvalidRequest, for a URI of another host than the shop's, or one that is not of the web.
    """
    if not promotion.uri:
        return None
    shop = settings.shop_url(promotion.channel_id)
    try:
        home = HttpUrl(shop or _NO_SHOP)
        url = HttpUrl(urljoin(str(home), promotion.uri))
    except ValueError as error:
        raise InvalidRequest(
            "promotion.uri", "The field promotion.uri must be the address of a page of the shop."
        ) from error
    if url.host != home.host:
        raise InvalidRequest(
            "promotion.uri", "The field promotion.uri must not lead away from the shop of its channel."
        )
    return str(url) if shop else None


def _mailbox(contact: Contact) -> Mailbox:
    profile = contact.profile
    try:
        address = mailable_address(profile.email or "")
    except InvalidAddress as error:
        raise InvalidRequest("customerID", "The customer has no e-mail address that mail can be sent to.") from error
    return Mailbox(address=address, name=in_one_line(f"{profile.first_name or ''} {profile.last_name or ''}"))


def _campaign(promotion_id: str) -> str | None:
    """A promotion's id as a campaign's: as much of it as the tag of a mail holds, and whole characters."""
    return promotion_id.encode()[:MAX_TAG_BYTES].decode(errors="ignore") or None
