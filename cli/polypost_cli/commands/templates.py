"""`polypost templates`: the wording of the mails that a space itself writes."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import click

from polypost.mail import templates as mail_templates
from polypost.models.promotions import MailTemplate, TemplateName
from polypost_cli.commands.spaces import existing
from polypost_cli.options import TEXT_FILE, text_of_file
from polypost_cli.output import as_json, show_json, tell
from polypost_cli.target import Target, on_a_stack

_Command = Callable[..., None]

_name = click.argument(
    "name",
    type=click.Choice([name.value for name in TemplateName]),
    callback=lambda ctx, param, value: TemplateName(value),
)
_of_a_space = click.option("--space", required=True, help="The space that writes the mail.")


def _parts(command: _Command) -> _Command:
    """The options that a template's parts are given with; what is not given stays as it is."""
    for option in (
        click.option("--html", type=TEXT_FILE, callback=text_of_file, help="The file of the HTML part."),
        click.option("--text", type=TEXT_FILE, callback=text_of_file, help="The file of the text part."),
        click.option("--subject", help="The subject's line."),
    ):
        command = option(command)
    return command


@click.group()
def templates() -> None:
    """Templates: subject, text and HTML of the mails that a space itself writes.

    They are Jinja templates. A space without one of its own has the one that comes with Polypost.
    """


def _changed(target: Target, space: str, name: TemplateName, parts: Mapping[str, str]) -> MailTemplate:
    """The template of a space with other parts; it is sure to work."""
    existing(target, space)
    template = target.access.template(space, name) or mail_templates.default_template(name)
    template = template.model_copy(update=parts)
    mail_templates.check(template)
    return template


def _given(parts: Mapping[str, str | None]) -> dict[str, str]:
    return {part: source for part, source in parts.items() if source is not None}


@templates.command("set")
@_name
@_of_a_space
@_parts
@as_json
@on_a_stack
def set_template(target: Target, name: TemplateName, space: str, as_json: bool, **parts: str | None) -> None:
    """Change the template NAME of a space; warm functions take up to a minute to see it.

    It is tried out first: one that cannot be filled in is not stored.
    """
    given = _given(parts)
    if not given:
        raise click.UsageError("say what to change: --subject, --text, --html")
    template = _changed(target, space, name, given)
    target.access.put_template(space, name, template)
    tell(f"The space {space} has its own {name}.", template.model_dump(), as_json=as_json)


@templates.command()
@_name
@_of_a_space
@click.option("--part", type=click.Choice([*MailTemplate.model_fields]), help="One part alone, to go into a file.")
@as_json
@on_a_stack
def show(target: Target, name: TemplateName, space: str, part: str | None, as_json: bool) -> None:
    """Show the template NAME of a space."""
    existing(target, space)
    own = target.access.template(space, name)
    template = own or mail_templates.default_template(name)
    if part is not None:
        click.echo(getattr(template, part), nl=False)
    elif as_json:
        show_json({"own": own is not None, **template.model_dump()})
    else:
        click.echo(f"{'The own' if own else 'The default'} {name} of {space}; it knows the variables")
        click.echo(f"{', '.join(mail_templates.VARIABLES)}.")
        _show_parts(template.model_dump())


@templates.command()
@_name
@_of_a_space
@_parts
@click.option(
    "--save-html",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the HTML to a file, for a browser.",
)
@as_json
@on_a_stack
def preview(
    target: Target, name: TemplateName, space: str, save_html: Path | None, as_json: bool, **parts: str | None
) -> None:
    """Show the mail that the template NAME makes of made-up values.

    Parts that are given here are tried out, and not stored.
    """
    template = _changed(target, space, name, _given(parts))
    mail = asdict(mail_templates.render(template, mail_templates.SAMPLE))
    if save_html is not None:
        save_html.write_text(mail.pop("html"), "utf-8")
    if as_json:
        show_json(mail)
    else:
        _show_parts(mail)


@templates.command()
@_name
@_of_a_space
@as_json
@on_a_stack
def reset(target: Target, name: TemplateName, space: str, as_json: bool) -> None:
    """Go back to the default: take the space's own template NAME away."""
    existing(target, space)
    if not target.access.delete_template(space, name):
        raise click.ClickException(f"the space {space} has no {name} of its own")
    tell(f"The space {space} has the default {name} again.", {"reset": name}, as_json=as_json)


def _show_parts(parts: dict[str, str]) -> None:
    for part, content in parts.items():
        click.echo(f"\n--- {part} ---\n{content}")
