"""`polypost campaigns`: where the links of interactions lead."""

from dataclasses import asdict

import click
from pydantic import HttpUrl, TypeAdapter, ValidationError

from polypost.models.campaigns import SECRET_PARAMETER, Campaign, has_secret_parameter
from polypost_cli.commands.spaces import existing
from polypost_cli.output import as_json, show_facts, show_json, show_table, tell
from polypost_cli.target import Target, on_a_stack

_NO_LANDING_PAGE = "none, a visitor is told so"

_HTTP_URL = TypeAdapter(HttpUrl)

in_space = click.option("--space", required=True, help="The space that the campaign is in.")


class LandingPage(click.ParamType):
    """The URL of a web page; what is not ASCII in it is encoded from here on."""

    name = "url"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a URL."""
        try:
            url = str(_HTTP_URL.validate_python(value))
        except ValidationError:
            self.fail(f"{value} is no http or https URL of at most 2083 characters", param, ctx)
        if has_secret_parameter(url):
            self.fail(f"{value} has a parameter {SECRET_PARAMETER}, where the contact's Secret goes", param, ctx)
        return url


def _shown(campaign: Campaign) -> dict[str, object]:
    return asdict(campaign)


@click.group()
def campaigns() -> None:
    """Campaigns: the page that the links of interactions of one name lead to. Case and blanks in a name do not matter.

    A campaign comes into being with its first interaction, or when its page is set.
    """


@campaigns.command("set")
@click.argument("name")
@in_space
@click.option("--url", type=LandingPage(), help="The page; the contact's Secret is added to it as the parameter s.")
@click.option("--no-url", is_flag=True, help="Lead to no page.")
@as_json
@on_a_stack
def set_campaign(target: Target, name: str, space: str, url: str | None, no_url: bool, as_json: bool) -> None:
    """Set the page that links of the campaign NAME lead to, also those that are out already."""
    if (url is None) is not no_url:
        raise click.UsageError("say where the campaign's links lead: --url URL, or --no-url")
    if not name.strip():
        raise click.UsageError("a campaign's name is not blank")
    existing(target, space)
    campaign = Campaign(target.access.campaign_key(space, name), name, url)
    target.access.put_campaign(space, campaign)
    where = f"lead to {url}" if url else "lead to no page"
    tell(f"Links of the campaign {name} {where} within a minute.", _shown(campaign), as_json=as_json)


@campaigns.command("list")
@in_space
@as_json
@on_a_stack
def list_campaigns(target: Target, space: str, as_json: bool) -> None:
    """List all campaigns, those too that have interactions and no page yet."""
    existing(target, space)
    found = target.access.campaigns(space)
    if as_json:
        show_json([_shown(campaign) for campaign in found])
    else:
        rows = [(campaign.name, campaign.key, campaign.landing_page or _NO_LANDING_PAGE) for campaign in found]
        show_table(("name", "key", "landing page"), rows, nothing=f"The space {space} has no campaigns.")


@campaigns.command()
@click.argument("name")
@in_space
@as_json
@on_a_stack
def show(target: Target, name: str, space: str, as_json: bool) -> None:
    """Show the campaign NAME with its key."""
    found = _existing_campaign(target, name, space)
    if as_json:
        show_json(_shown(found))
    else:
        page = found.landing_page or _NO_LANDING_PAGE
        show_facts([("name", found.name), ("key", found.key), ("landing page", page)])


@campaigns.command()
@click.argument("name")
@in_space
@as_json
@on_a_stack
def delete(target: Target, name: str, space: str, as_json: bool) -> None:
    """Delete the campaign NAME. Its links stay and lead to no page; its next interaction makes it anew, key and all."""
    found = _existing_campaign(target, name, space)
    target.access.delete_campaign(space, found.key)
    tell(
        f"Deleted the campaign {found.name}; its links lead to no page within a minute.",
        {"deleted": found.name},
        as_json=as_json,
    )


def _existing_campaign(target: Target, name: str, space: str) -> Campaign:
    existing(target, space)
    found = target.access.campaign(space, target.access.campaign_key(space, name))
    if found is None:
        raise click.ClickException(f"the space {space} has no campaign {name}")
    return found
