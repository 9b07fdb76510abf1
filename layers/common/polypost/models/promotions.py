"""Promotion codes, and the templates of the mails that they go out in."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True, slots=True)
class PromotionCode:
    """A code that a shop made for one customer; all but `code` may be empty.

    `uri` is the promotion's page, relative to the address of the channel's shop.
    """

    code: str
    title: str = ""
    description: str = ""
    uri: str = ""
    relation: str = ""
    promotion_id: str = ""
    channel_id: str = ""


class TemplateName(StrEnum):
    """The mails that a space can word itself."""

    PROMOTION_CODE = "promotion-code"


class MailTemplate(BaseModel):
    """The wording of a mail: the sources of its subject and of its two parts."""

    model_config = ConfigDict(frozen=True)

    subject: str
    text: str
    html: str
