"""`polypost spaces`: tenants."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import getaddresses
from functools import partial
from typing import Any

import click
from pydantic import HttpUrl, ValidationError

from polypost.models.access import Shop, Space
from polypost.models.addresses import InvalidAddress, domain_of, parse_address
from polypost.models.mail import MAX_TAG_BYTES, Mailbox
from polypost.models.suppression import MOST_GROUNDS, SOFT_BOUNCE_WINDOW
from polypost_cli.output import as_json, progress, short_text, show_facts, show_json, show_table, tell
from polypost_cli.target import Target, on_a_stack


def _switch(option: str, help_text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option that is on or off, or not given."""
    read = {"on": True, "off": False}
    return click.option(
        option, type=click.Choice([*read]), callback=lambda ctx, param, value: read.get(value), help=help_text
    )


def _source_systems(ctx: click.Context, param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...] | None:
    """The source systems that were given; none at all where an empty one stands for them, None for no option."""
    for name in given:
        if len(name.encode()) > MAX_TAG_BYTES:
            raise click.BadParameter(f"{name:.40} is longer than {MAX_TAG_BYTES} bytes", ctx, param)
    return tuple(sorted({*filter(None, given)})) if given else None


class Sender(click.ParamType):
    """An address, with a display name or without one."""

    name = "[NAME <]ADDRESS[>]"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Mailbox:
        """Read an address."""
        text = str(value)
        found = getaddresses([text])
        try:
            if not text.isprintable() or len(found) != 1:
                raise InvalidAddress("one address on one line is wanted")
            ((shown, address),) = found
            return Mailbox(address=parse_address(address), name=shown)
        except InvalidAddress as error:
            self.fail(
                f"{text} is no sender such as shop@example.com or 'The Shop <shop@example.com>': {error}", param, ctx
            )


class ShopUrl(click.ParamType):
    """A shop's address, for all channels or for one; without an address, that shop is taken away."""

    name = "[CHANNEL=]URL"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Shop:
        """Read a channel and an https URL; what is relative to it stands below its path."""
        text = str(value)
        before, equals, after = text.partition("=")
        channel, url = (before, after) if equals and ":" not in before else ("", text)
        if not url:
            return Shop(channel=channel, url="")
        try:
            parsed = HttpUrl(url)
            if parsed.scheme != "https" or parsed.query or parsed.fragment or not channel.isprintable():
                raise ValueError(url)
        except ValueError:
            self.fail(f"{text} is no https URL, with CHANNEL= before it or not, and without ? and #", param, ctx)
        return Shop(channel=channel, url=f"{str(parsed).removesuffix('/')}/")


def _shown(value: object) -> object:
    match value:
        case bool():
            return ("off", "on")[value]
        case Mailbox():
            return f"{value.name} <{value.address}>" if value.name else value.address
        case Shop():
            return f"{value.channel}={value.url}" if value.channel else value.url
        case tuple():
            return ", ".join(str(_shown(each)) for each in value) or None
    return value


@click.group()
def spaces() -> None:
    """Spaces: tenants, each with its own mail, keys and sender domains."""


def existing(target: Target, space_id: str) -> Space:
    """A space that there must be. Raises: ClickException."""
    space = target.access.space(space_id)
    if space is None:
        raise click.ClickException(f"there is no space {space_id:.63}")
    return space


#: The option that names a space, which may be left out where there is just one.
of_a_space = click.option("--space", help="The space; may be left out where there is just one.")


def chosen(target: Target, space: str | None) -> str:
    """The space that was named, or the one that there is. Raises: ClickException."""
    if space is not None:
        return existing(target, space).id
    found = [each.id for each in target.access.spaces()]
    if len(found) != 1:
        raise click.UsageError(f"say which space: --space NAME; there are {', '.join(found) or 'none yet'}")
    return found[0]


@spaces.command()
@click.argument("space")
@click.option("--description", default="", callback=short_text, help="What the space is for.")
@as_json
@on_a_stack
def create(target: Target, space: str, description: str, as_json: bool) -> None:
    """Create SPACE. Its id is the first label of its host: lower-case letters, digits and hyphens."""
    try:
        new = Space(id=space, created_at=datetime.now(UTC), description=description)
    except ValidationError as error:
        raise click.UsageError(
            f"{space:.63} is no DNS label: up to 63 lower-case letters, digits and hyphens, no hyphen at either end"
        ) from error
    if not target.access.create_space(new):
        raise click.ClickException(f"the space {space} exists, or did and was deleted; an id is used once")
    tell(
        f"Created the space {space}. It needs a key (polypost keys create) and a sender domain (domains add).",
        new.model_dump(mode="json"),
        as_json=as_json,
    )


@spaces.command("list")
@as_json
@on_a_stack
def list_spaces(target: Target, as_json: bool) -> None:
    """List all spaces."""
    found = target.access.spaces()
    if as_json:
        show_json([space.model_dump(mode="json") for space in found])
    else:
        rows = [(space.id, f"{space.created_at:%Y-%m-%d}", space.description) for space in found]
        show_table(("space", "created", "description"), rows, nothing="There are no spaces yet.")


@spaces.command()
@click.argument("space")
@as_json
@on_a_stack
def show(target: Target, space: str, as_json: bool) -> None:
    """Show SPACE with its keys and sender domains."""
    found = existing(target, space)
    keys = target.access.credentials(space)
    domains = target.access.sender_domains(space)
    if as_json:
        shown = found.model_dump(mode="json")
        shown["keys"] = [key.keyid for key in keys]
        shown["senderDomains"] = [domain.model_dump() for domain in domains]
        show_json(shown)
    else:
        show_facts(
            [
                ("space", found.id),
                ("created", f"{found.created_at:%Y-%m-%d %H:%M:%S} UTC"),
                ("description", found.description or None),
                *((name.replace("_", " "), _shown(value)) for name, value in found.settings),
                ("keys", ", ".join(key.keyid for key in keys) or "none"),
                ("sender domains", ", ".join(domain.domain for domain in domains if domain.verified) or "none"),
                ("not verified yet", ", ".join(domain.domain for domain in domains if not domain.verified) or None),
            ]
        )


@spaces.command("set")
@click.argument("space")
@click.option("--description", callback=short_text, help="What the space is for.")
@_switch("--unique-names", "Whether no two contacts may have the same first and last name.")
@_switch("--phone-with-country-code", "Whether two contacts may have the same Phone in different countries.")
@_switch("--visitor-details", "Whether IP address and browser of who follows a link are recorded, or the time alone.")
@click.option(
    "--soft-bounce-limit",
    type=click.IntRange(0, MOST_GROUNDS),
    help=f"After how many soft bounces within {SOFT_BOUNCE_WINDOW.days} days, with no mail arriving between them, an"
    " address gets no more mail; 0 for never.",
)
@_switch(
    "--list-unsubscribe-post", "Whether mails say that a POST to the https URI of their listUnsubscribe unsubscribes."
)
@_switch(
    "--unsubscribe-link", "Whether mails whose caller gave no List-Unsubscribe get a link of ours to unsubscribe by."
)
@click.option(
    "--transactional",
    metavar="SOURCESYSTEM",
    multiple=True,
    callback=_source_systems,
    help="The sourceSystem of mails that get no such link and reach who unsubscribed, such as invoices. Give each of"
    " them; an empty one alone stands for none.",
)
@click.option("--sender", type=Sender(), help="Whom the mails are from that the space itself writes.")
@click.option(
    "--shop-url",
    "shops",
    type=ShopUrl(),
    multiple=True,
    help="Where the links in those mails lead to, for all channels or for one; an empty URL takes it away.",
)
@as_json
@on_a_stack
def set_space(
    target: Target, space: str, description: str | None, shops: tuple[Shop, ...], as_json: bool, **settings: Any
) -> None:
    """Change the settings of SPACE; warm functions take up to a minute to see it.

    A rule holds for contacts that are created or changed from then on.
    """
    found = existing(target, space)
    given = {name: value for name, value in settings.items() if value is not None}
    if not given and not shops and description is None:
        raise click.UsageError("say what to change; --help lists the settings")
    if "sender" in given:
        _require_verified(target, space, domain_of(given["sender"].address))
    if shops:
        by_channel = {shop.channel: shop for shop in (*found.settings.shops, *shops)}
        given["shops"] = tuple(by_channel[channel] for channel in sorted(by_channel) if by_channel[channel].url)
    changed = found.model_copy(
        update={
            "description": found.description if description is None else description,
            "settings": found.settings.model_copy(update=given),
        }
    )
    target.access.change_space(changed)
    tell(f"Changed the space {space}.", changed.model_dump(mode="json"), as_json=as_json)


def _require_verified(target: Target, space: str, domain: str) -> None:
    if domain not in {owned.domain for owned in target.access.sender_domains(space) if owned.verified}:
        raise click.ClickException(f"{domain} is no verified sender domain of {space}; see polypost domains")


@spaces.command()
@click.argument("space")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
@on_a_stack
def delete(target: Target, space: str, yes: bool, as_json: bool) -> None:
    """Delete SPACE with its keys, sender domains, campaigns and templates; again, if it was stopped half-way."""
    keys = target.access.credentials(space)
    domains = target.access.sender_domains(space)
    campaigns = target.access.campaigns(space)
    if not keys and not domains and not campaigns:
        existing(target, space)
    # What is asked goes to the terminal beside what is piped on.
    say = partial(click.echo, err=as_json)
    say(f"Deleting the space {space} takes away")
    say(f"  keys: {_listed(key.keyid for key in keys)}; their requests are refused within a minute")
    say(f"  sender domains: {_listed(domain.domain for domain in domains)}; SES keeps them")
    say(f"  campaigns: {_listed(campaign.name for campaign in campaigns)}; their links lead nowhere within a minute")
    say("  templates: all of its own")
    say("Mail that is queued still goes out. The log of its mail stays, and so the id is never given again.")
    if not yes:
        click.confirm(f"Delete the space {space}?", abort=True, err=as_json)
    with progress(f"Deleting the space {space}"):
        target.access.delete_space(space, datetime.now(UTC))
    deleted = {
        "deleted": space,
        "keys": [key.keyid for key in keys],
        "senderDomains": [domain.domain for domain in domains],
        "campaigns": [campaign.name for campaign in campaigns],
    }
    tell(f"Deleted the space {space}.", deleted, as_json=as_json)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
