"""`polypost domains`: the domains that a space may send from."""

import click

from polypost.models.addresses import InvalidAddress, domain_of, parse_address
from polypost_cli import aws
from polypost_cli.commands.spaces import existing
from polypost_cli.output import as_json, progress, show_json, show_table, tell
from polypost_cli.target import Target, on_a_stack


@click.group()
def domains() -> None:
    """Sender domains: a space sends from the domains that SES has verified for it."""


class Domain(click.ParamType):
    """A domain name; international ones are written in punycode from here on."""

    name = "domain"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a domain name."""
        try:
            return domain_of(parse_address(f"postmaster@{value}"))
        except InvalidAddress:
            self.fail(f"{value} is no domain name", param, ctx)


@domains.command()
@click.argument("space")
@click.argument("domain", type=Domain())
@as_json
@on_a_stack
def add(target: Target, space: str, domain: str, as_json: bool) -> None:
    """Give DOMAIN to SPACE, make it known to SES, and print the DNS records to publish."""
    existing(target, space)
    with progress("Asking SES"):
        identity = target.identities.ensure(domain)
    target.access.put_sender_domain(space, domain, verified=identity.verified)
    records = dns_records(domain, identity)
    if as_json:
        show_json({"domain": domain, "verified": identity.verified, "status": identity.status, "records": records})
        return
    # One value a line and none of them wrapped, so that each can be copied.
    for record in records:
        click.echo(f"{record['for']}: a {record['type']} record\n  name   {record['name']}\n  value  {record['value']}")
    if identity.verified:
        click.echo(f"SES has verified {domain}: the space {space} may send from it.")
    else:
        click.echo(f"Publish these records, then run: polypost domains verify {space} {domain}")


@domains.command("list")
@click.argument("space")
@as_json
@on_a_stack
def list_domains(target: Target, space: str, as_json: bool) -> None:
    """List the sender domains of SPACE."""
    existing(target, space)
    found = target.access.sender_domains(space)
    if as_json:
        show_json([domain.model_dump() for domain in found])
    else:
        rows = [(domain.domain, "verified" if domain.verified else "not verified yet") for domain in found]
        show_table(("domain", "state"), rows, nothing=f"The space {space} has no sender domains.")


@domains.command()
@click.argument("space")
@click.argument("domain", type=Domain())
@as_json
@on_a_stack
def verify(target: Target, space: str, domain: str, as_json: bool) -> None:
    """Ask SES whether DOMAIN is verified, and keep the answer; exit 1 if it is not."""
    _owned(target, space, domain)
    with progress("Asking SES"):
        identity = target.identities.get(domain)
    target.access.put_sender_domain(space, domain, verified=identity.verified)
    if identity.status == "NOT_KNOWN":
        raise click.ClickException(f"SES does not know {domain}; run: polypost domains add {space} {domain}")
    if not identity.verified:
        raise click.ClickException(
            f"SES says {identity.status} of {domain}; DNS changes can take hours, and up to 72 hours for SES to see"
        )
    tell(
        f"SES has verified {domain}: the space {space} may send from it.",
        {"domain": domain, "verified": True, "status": identity.status},
        as_json=as_json,
    )


@domains.command()
@click.argument("space")
@click.argument("domain", type=Domain())
@as_json
@on_a_stack
def remove(target: Target, space: str, domain: str, as_json: bool) -> None:
    """Take DOMAIN from SPACE. SES keeps the identity, which other spaces may use."""
    _owned(target, space, domain)
    target.access.delete_sender_domain(space, domain)
    tell(
        f"The space {space} no longer sends from {domain}; functions that know it notice within a minute.",
        {"removed": domain},
        as_json=as_json,
    )


def _owned(target: Target, space: str, domain: str) -> None:
    existing(target, space)
    if domain not in {owned.domain for owned in target.access.sender_domains(space)}:
        raise click.ClickException(f"the space {space} has no sender domain {domain}")


def dns_records(domain: str, identity: aws.Identity) -> list[dict[str, str]]:
    """The records that a sender domain needs: DKIM, which SES verifies it by, SPF and DMARC.

    Sources: SES developer guide, "Creating a domain identity", "Complying with DMARC" (a policy of `none` to begin
    with), "Authenticating email with SPF".
    """
    dkim = [
        {
            "type": "CNAME",
            "name": f"{token}._domainkey.{domain}",
            "value": f"{token}.{identity.dkim_zone}",
            "for": "DKIM",
        }
        for token in identity.dkim_tokens
    ]
    return [
        *dkim,
        {"type": "TXT", "name": domain, "value": '"v=spf1 include:amazonses.com ~all"', "for": "SPF"},
        {"type": "TXT", "name": f"_dmarc.{domain}", "value": '"v=DMARC1; p=none;"', "for": "DMARC"},
    ]
