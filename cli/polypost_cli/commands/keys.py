"""`polypost keys`: credentials."""

import re
import secrets
from datetime import UTC, datetime, timedelta

import click

from polypost.models.access import Credential, Scope
from polypost.web.auth import secret_digest
from polypost_cli.commands.spaces import existing
from polypost_cli.output import as_json, short_text, show_json, show_table, tell
from polypost_cli.target import Target, on_a_stack


@click.group()
def keys() -> None:
    """Keys: what API clients sign in with. A space may have several, so that one is replaced without a gap."""


class Moment(click.ParamType):
    """A date, a date with a time (UTC unless it says otherwise), or a number of days from now, such as `90d`."""

    name = "DATE|DAYSd"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read a moment in the future."""
        text = str(value)
        try:
            if re.fullmatch(r"[0-9]{1,5}d", text):
                moment = datetime.now(UTC) + timedelta(days=int(text[:-1]))
            else:
                moment = datetime.fromisoformat(text)
        except (ValueError, OverflowError):
            self.fail(f"{text} is neither a date such as 2030-12-31 nor a number of days such as 90d", param, ctx)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if moment <= datetime.now(UTC):
            self.fail(f"{text} is past", param, ctx)
        return moment


@keys.command()
@click.argument("space")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    # Click shows a member of an enumeration as Python does.
    type=click.Choice([*(scope.value for scope in Scope), "all"]),
    help="What the key may do; may be given several times.",
)
@click.option("--expires", type=Moment(), help="When the key stops working; never, if not given.")
@click.option("--label", default="", callback=short_text, help="Who or what uses the key.")
@as_json
@on_a_stack
def create(
    target: Target, space: str, scopes: tuple[str, ...], expires: datetime | None, label: str, as_json: bool
) -> None:
    """Create a key for SPACE. Its secret is shown this once and stored nowhere."""
    existing(target, space)
    secret = secrets.token_urlsafe(32)
    credential = Credential(
        keyid=secrets.token_hex(8),
        space=space,
        created_at=datetime.now(UTC),
        secret_sha256=secret_digest(secret),
        scopes=frozenset(Scope) if "all" in scopes else frozenset(scopes),
        expires_at=expires,
        label=label,
    )
    if not target.access.create_credential(credential):
        raise click.ClickException("the key's random id is taken; try again")
    if as_json:
        show_json(_shown(credential) | {"secret": secret})
    else:
        click.echo(f"keyid   {credential.keyid}")
        click.echo(f"secret  {secret}")
        click.echo("Keep the secret now: it is stored nowhere and cannot be shown again.", err=True)


@keys.command("list")
@click.argument("space")
@as_json
@on_a_stack
def list_keys(target: Target, space: str, as_json: bool) -> None:
    """List the keys of SPACE."""
    existing(target, space)
    found = target.access.credentials(space)
    if as_json:
        show_json([_shown(credential) for credential in found])
    else:
        rows = [
            (
                credential.keyid,
                credential.label,
                ", ".join(sorted(credential.scopes)),
                f"{credential.created_at:%Y-%m-%d}",
                _expiry(credential),
            )
            for credential in found
        ]
        show_table(("keyid", "label", "scopes", "created", "expires"), rows, nothing=f"The space {space} has no keys.")


@keys.command()
@click.argument("keyid")
@as_json
@on_a_stack
def revoke(target: Target, keyid: str, as_json: bool) -> None:
    """Revoke the key KEYID; functions that know it refuse it within a minute."""
    if not target.access.delete_credential(keyid):
        raise click.ClickException(f"there is no key {keyid}")
    tell(f"Revoked the key {keyid}. It may still work for up to a minute.", {"revoked": keyid}, as_json=as_json)


def _shown(credential: Credential) -> dict[str, object]:
    shown = credential.model_dump(mode="json", exclude={"secret_sha256"})
    return shown | {"scopes": sorted(credential.scopes)}


def _expiry(credential: Credential) -> str:
    if credential.expires_at is None:
        return "never"
    return f"{credential.expires_at:%Y-%m-%d}" + (" (expired)" if credential.expires_at <= datetime.now(UTC) else "")
