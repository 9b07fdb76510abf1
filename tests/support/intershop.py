"""Requests of the Intershop dialect."""

from typing import Any
from xml.sax.saxutils import escape

#: The customer of the document's example, whom the demo space knows.
CUSTOMER = "egkKDgANTq4AAAFF31gHyCE_"


def promotion_body(promotion: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """The body of a mail with every member.

    Parameters: promotion and members, which replace those of the promotion and of the code.
    """
    return {
        "type": "PromotionCode",
        "code": "CC2M8Y5VY4MW",
        "promotion": {
            "type": "Link",
            "description": "10 EUR off.\nOnce.",
            "title": "10 EUR <discount> & more",
            "uri": "-/promotions/CC_10EUR",
            "relation": "about",
        }
        | (promotion or {}),
        "promotionID": "CC_10EUR",
        "channelID": "Specials",
    } | members


def promotion_xml(code: str = "CC2M8Y5VY4MW", **promotion: str) -> str:
    """The same in XML, with a code and these members of the promotion alone."""
    members = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in promotion.items())
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><PromotionCode type="PromotionCode">'
        f'<code>{escape(code)}</code><promotion type="Link">{members}</promotion></PromotionCode>'
    )
