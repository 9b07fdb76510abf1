"""The SAM template, read by SAM CLI's own classes: its routes, where its code lies, and its translation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from samcli.commands.validate.lib.exceptions import InvalidSamDocumentException
from samcli.lib.cfn_language_extensions.exceptions import InvalidTemplateException
from samcli.lib.cfn_language_extensions.models import TemplateProcessingContext
from samcli.lib.cfn_language_extensions.processors import ForEachProcessor
from samcli.lib.providers.api_provider import ApiProvider
from samcli.lib.providers.provider import Api
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse

from polypost_cli.local_environment import REGION
from polypost_local.errors import LocalStackError

# What deployment parameters are on this machine: http://{space}.localhost is a space's own host, and the engine's SES
# does not tell what its account may send.
PARAMETERS: Final = {"BaseDomain": "localhost", "SendRate": "50"}


class TemplateError(LocalStackError):
    """The template is missing, or SAM cannot translate it."""


@dataclass(frozen=True)
class CodePaths:
    """Where a function's code lies."""

    # Folder of the handler's module.
    function: Path
    # Folders of its layers, as they come before packaging.
    layers: tuple[Path, ...]


@dataclass(frozen=True)
class Template:
    """What the template says."""

    # The API's routes, as SAM CLI's local API Gateway takes them.
    api: Api
    # By the function's logical id.
    code: dict[str, CodePaths]
    # Plain CloudFormation: the template with its loops written out, after SAM's transform.
    cloudformation: dict[str, Any]


def read_template(path: Path) -> Template:
    """Reads a template with the parameters of the local stack.

    Parameters:
        path: the template's file; code paths in it are relative to its folder

    Errors: TemplateError.
    """
    if not path.is_file():
        raise TemplateError(f"there is no template at {path}; the local stack runs from a clone of the repository")
    try:
        stacks, _ = SamLocalStackProvider.get_stacks(
            str(path), parameter_overrides=PARAMETERS, language_extensions_enabled=True
        )
        translated = SamTemplateValidator(
            _without_loops(yaml_parse(path.read_text())),
            _NoManagedPolicies(),
            region=REGION,
            parameter_overrides=PARAMETERS,
        ).get_translated_template_if_valid()
    except (InvalidSamDocumentException, InvalidTemplateException, ValueError) as error:
        raise TemplateError(f"{path} is not a valid template: {error}") from error
    return Template(
        api=ApiProvider(stacks, cwd=str(path.parent)).api,
        code={
            function.function_id: CodePaths(
                function=Path(function.codeuri), layers=tuple(Path(layer.codeuri) for layer in function.layers)
            )
            for function in SamFunctionProvider(stacks).get_all()
        },
        cloudformation=yaml_parse(translated),
    )


def _without_loops(template: dict[str, Any]) -> dict[str, Any]:
    """Returns a template with each Fn::ForEach written out, and every other reference as it stands.

    SAM CLI's whole expansion would not do: it also puts the parameters' values in their places, and makes plain text of
    an Fn::Sub that names a resource.
    """
    context = TemplateProcessingContext(fragment=template)
    ForEachProcessor().process_template(context)
    expanded: dict[str, Any] = _without_constant_subs(context.fragment)
    return expanded


def _without_constant_subs(value: Any) -> Any:
    """Replaces each Fn::Sub that has nothing left to substitute by its text, so that a Ref around it has a name."""
    match value:
        case {"Fn::Sub": str(text)} if "${" not in text:
            return text
        case dict():
            return {name: _without_constant_subs(item) for name, item in value.items()}
        case list():
            return [_without_constant_subs(item) for item in value]
    return value


class _NoManagedPolicies:
    """Stands where SAM would ask IAM for its managed policies; each function names its own role."""

    def load(self) -> NoReturn:
        raise TemplateError("the template uses a managed policy by name; the local stack cannot look it up")
