"""Follow the link of an interaction."""

from aws_lambda_powertools import Logger

from polypost.adapters.access_table import AccessTable
from polypost.adapters.contacts_table import ContactsTable
from polypost.adapters.interactions import Interactions
from polypost.errors import NotFound, Retryable
from polypost.models.attempts import Attempt
from polypost.models.campaigns import with_secret
from polypost.models.contacts import external_id_claim
from polypost.models.interactions import TOKEN, Visit, Visitor, external_id_of

logger = Logger()


def visit_interaction(
    token: str,
    host_space: str | None,
    visitor: Visitor,
    attempt: Attempt,
    *,
    counts: bool,
    access: AccessTable,
    contacts: ContactsTable,
    interactions: Interactions,
) -> str | None:
    """Record a visit; the URL of the landing page, with the Secret of the contact if there is one, or None without one.

    The visit comes last: whoever could not be led anywhere comes again. If it cannot be recorded the log says so and
    the visitor is led on: they are not to wait for our book-keeping.

    Parameters: host_space, the space of the host, or None where the host names none; counts, whether somebody visits,
    and not a program that only asks whether the link leads anywhere.

    Raises: NotFound, for a token of no interaction, of another space's or of a deleted space's; Retryable.
    """
    interaction = interactions.find(token) if TOKEN.fullmatch(token) else None
    if interaction is None or host_space not in (None, interaction.space) or not access.has_space(interaction.space):
        raise NotFound("No such interaction exists.")
    campaign = access.campaign(interaction.space, interaction.campaign_key)
    landing_page = campaign.landing_page if campaign else None
    if landing_page is not None:
        claim = external_id_claim(external_id_of(interaction.asked.contact_id))
        holder = contacts.holder(interaction.space, claim)
        landing_page = with_secret(landing_page, holder.contact.secret) if holder else landing_page
    if not counts:
        return landing_page
    may_know = access.settings(interaction.space).visitor_details
    visit = Visit(interaction.id, interaction.asked.name, attempt.first_seen, visitor if may_know else None)
    try:
        interactions.record_visit(interaction, visit, attempt.derive("visit", 8).hex())
    except Retryable:
        logger.exception("A visit could not be recorded")
    return landing_page
