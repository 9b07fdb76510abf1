"""Create an interaction, whose link leads to its campaign's landing page."""

from uuid import UUID

from polypost.adapters.access_table import AccessTable
from polypost.adapters.interactions import Interactions
from polypost.models.attempts import Attempt
from polypost.models.campaigns import Campaign
from polypost.models.interactions import Interaction, NewInteraction


def create_interaction(
    asked: NewInteraction,
    space: str,
    links: str,
    attempt: Attempt,
    *,
    access: AccessTable,
    interactions: Interactions,
) -> Interaction:
    """Create an interaction, unless the account has one of the identity: then it is that one, whatever else is asked.

    Its campaign is created with its first interaction, after it, so that a name that was never used makes none. A try
    that ends between the two is completed by the next one, of any interaction of the campaign.

    Parameters: links, what the URLs of links begin with: a link's token is the rest.

    Raises: Retryable.
    """
    token = interactions.token(space, asked.account_id, asked.identity)
    interaction = interactions.create(
        Interaction(
            asked=asked,
            id=str(UUID(bytes=attempt.derive("interaction", 16), version=4)),
            token=token,
            space=space,
            campaign_key=access.campaign_key(space, asked.name),
            url=f"{links}{token}",
            created_at=attempt.first_seen,
        )
    )
    if access.campaign(space, interaction.campaign_key) is None:
        access.create_campaign(space, Campaign(interaction.campaign_key, interaction.asked.name))
    return interaction
