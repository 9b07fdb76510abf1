"""The demo space: who may call the local stack, and what to call it with."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from polypost.adapters import clients
from polypost.adapters.access_table import AccessTable
from polypost.adapters.contacts_table import ContactsTable
from polypost.adapters.interactions import Interactions
from polypost.models.access import Credential, Scope, Shop, Space, SpaceSettings
from polypost.models.attempts import Attempt
from polypost.models.campaigns import Campaign
from polypost.models.contact_secrets import new_secret
from polypost.models.contacts import Contact, ExternalId, Profile, Registration, Store, claims_of
from polypost.models.date_time_offset import DateTimeOffset
from polypost.models.interactions import Interaction, NewInteraction, external_id_of
from polypost.models.mail import Mailbox
from polypost.web.auth import secret_digest

SPACE = "demo"
KEYID = "demo"
SECRET = "demo-secret"
SENDER_DOMAINS = ("example.com", "example.invalid")
STORE_ID = 1
CONTACT_ID = 1
# The one of the document intershop-promotion-mail, so that its example works as it is printed.
CUSTOMER_ID = "egkKDgANTq4AAAFF31gHyCE_"
# The one of the document seethepro-vsp-interaction.
SEETHEPRO_CONTACT_ID = UUID("3d6ab237-6e5e-4e4a-b76a-4ebe7d89b9e0")
CAMPAIGN = "Spring sale"
LANDING_PAGE = "https://shop.example/spring?utm_source=polypost"
# Tokens cannot be guessed but for this one, so that there is a link that can be printed beforehand.
INTERACTION_TOKEN = "demo-interaction-token"
SETTINGS = SpaceSettings(
    sender=Mailbox(address="shop@example.com", name="Example Shop"), shops=(Shop(url="https://shop.example.com/"),)
)

_SEND = """curl -u '{user}' -H 'Content-Type: application/json' '{api}/send' -d '{{
  "type": "email", "sourceSystem": "0MB871I", "campaignId": "cMB871df",
  "sender": "info@example.invalid", "senderName": "Name of the sender",
  "recipient": "{recipient}", "subjectContentPlainText": "Test subject",
  "bodyContentHTML": "<html><body><b>This is a test\\nbody.</b></body></html>",
  "bodyContentPlainText": "This is a test text for the text part." }}'"""

_CREATE_CONTACT = """curl -u '{user}' -H 'Content-Type: application/json' '{contacts}' -d '{{
  "RegistrationSource": "web form", "Email": "ann.lee@example.com", "PhoneCountryCode": "+45", "Phone": "12 34 56 78",
  "FirstName": "Ann", "LastName": "Lee", "PreferredStoreId": {store_id} }}'"""
_INTERACTION = """curl -H 'Content-Type: application/json' '{base_url}/api/vspinteraction/create' -d '{{
  "AppAccessKey": "{keyid}.{secret}", "InteractionIdentity": "visit-4711", "InteractionName": "{campaign}",
  "AccountId": "6925ebd4-125d-4338-a736-99f4b5bcb3d7", "ContactId": "{contact_id}" }}'"""
_PROMOTION_MAIL = """curl -i -u '{user}' -H 'Content-Type: application/json' \\
  '{base_url}/customers/{customer}/mails' -d '{{
  "type": "PromotionCode", "code": "CC2M8Y5VY4MW",
  "promotion": {{ "type": "Link", "title": "10 EUR Order discount ", "relation": "about",
    "description": "Contact Center 10 EUR order discount coupon.",
    "uri": "ContactCenter/-/channels/PrimeTech-PrimeTechSpecials/promotions/CC_10EUR_OrderDiscount" }},
  "promotionID": "CC_10EUR_OrderDiscount", "channelID": "PrimeTech-PrimeTechSpecials" }}'"""
_LOG = """curl -H 'Content-Type: application/json' '{base_url}/api/v1/contact/coffeepage' -d '{{
  "Authentication": {{"Id": "{keyid}", "Key": "{secret}"}},
  "Request": {{"Email": "max@example.net", "SubjectLine": "Your order", "DateSent": "2026-01-02 03:04:05",
    "SentBy": "shop@example.com", "EmailBody": "Thank you for your order." }} }}'"""


def seed(outputs: Mapping[str, str]) -> None:
    """Create the demo space with its settings, a credential with every scope, its verified sender domains, and one of
    each thing that the examples need.

    Parameters: outputs, of the local stack.
    """
    dynamodb = clients.dynamodb()
    access = AccessTable(dynamodb, outputs["AccessTable"])
    now = datetime.now(UTC)
    access.create_space(Space(id=SPACE, created_at=now, description="the local stack's own", settings=SETTINGS))
    access.create_credential(
        Credential(
            keyid=KEYID,
            space=SPACE,
            created_at=now,
            secret_sha256=secret_digest(SECRET),
            scopes=frozenset(Scope),
            label="the local stack's own",
        )
    )
    for domain in SENDER_DOMAINS:
        access.put_sender_domain(SPACE, domain, verified=True)
    contacts = ContactsTable(dynamodb, outputs["ContactsTable"], access.address_key)
    contacts.stores.create(SPACE, Store(STORE_ID, "Main Street"), creation=SPACE)
    profile = Profile(
        email="patricia@example.com",
        first_name="Patricia",
        last_name="Miller",
        preferred_store_id=STORE_ID,
        external_ids=(ExternalId("intershop", CUSTOMER_ID), external_id_of(SEETHEPRO_CONTACT_ID)),
    )
    contact = Contact(
        id=CONTACT_ID,
        secret=new_secret(CONTACT_ID, Attempt.fresh(now), access.address_key()),
        registration=Registration("demo", DateTimeOffset.now()),
        profile=profile,
        last_modified=DateTimeOffset.now(),
        version=b"",
    )
    claims = list(claims_of(profile, access.settings(SPACE)))
    contacts.create(SPACE, contact, claims, creation=SPACE, changed_by=KEYID)
    campaign = Campaign(access.campaign_key(SPACE, CAMPAIGN), CAMPAIGN, LANDING_PAGE)
    access.put_campaign(SPACE, campaign)
    interactions = Interactions(dynamodb, outputs["LogsTable"], access.address_key)
    interactions.create(
        Interaction(
            asked=NewInteraction("demo", CAMPAIGN, account_id=UUID(int=0), contact_id=SEETHEPRO_CONTACT_ID),
            id="demo",
            token=INTERACTION_TOKEN,
            space=SPACE,
            campaign_key=campaign.key,
            url=f"/i/{INTERACTION_TOKEN}",
            created_at=now,
        )
    )


def curls(base_url: str) -> list[str]:
    """A command for each endpoint, with a comment that says what it does, ready to be pasted into a shell.

    Parameters: base_url, without a slash at its end.
    """
    user = f"{KEYID}:{SECRET}"
    api = f"{base_url}/api-service/custom/sap/v1"
    contacts = f"{base_url}/api/v1/Contacts"
    commands = {
        "Send a mail": _SEND.format(user=user, api=api, recipient="max.mustermann@example.invalid"),
        "Send a mail that bounces": _SEND.format(user=user, api=api, recipient="bounce@simulator.amazonses.com"),
        "Mail a promotion code to a customer": _PROMOTION_MAIL.format(
            user=user, base_url=base_url, customer=CUSTOMER_ID
        ),
        "Which domains may send": f"curl -u '{user}' '{api}/verifiedSenders'",
        "The API's index": f"curl '{base_url}/api-service'",
        "The mail that went out, also a page for a browser": f"curl '{base_url}/_local/mailbox'",
        "What bounced, a moment after its sending": f"curl -u '{user}' '{api}/bounces'",
        "Who complained": f"curl -u '{user}' '{api}/complaints'",
        "Create a contact": _CREATE_CONTACT.format(user=user, contacts=contacts, store_id=STORE_ID),
        "Read a contact": f"curl -u '{user}' '{contacts}/{CONTACT_ID}'",
        "Which contacts changed, up to ten seconds ago": f"curl -i -u '{user}' '{contacts}?limit=100'",
        "The stores that contacts refer to": f"curl -u '{user}' '{base_url}/api/v1/Stores'",
        "Create an interaction; InteractionUrl is its link": _INTERACTION.format(
            base_url=base_url, keyid=KEYID, secret=SECRET, campaign=CAMPAIGN, contact_id=SEETHEPRO_CONTACT_ID
        ),
        "Follow such a link to its landing page, which learns whose it is": (
            f"curl -i '{base_url}/i/{INTERACTION_TOKEN}'"
        ),
        "Log a mail that another system sent": _LOG.format(base_url=base_url, keyid=KEYID, secret=SECRET),
    }
    return [f"\n# {what}\n{command}" for what, command in commands.items()]
