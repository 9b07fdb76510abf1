"""XML as a sequence of tokens: more than its infoset, since prefixes and where they are declared are in it."""

from xml.parsers.expat import ParserCreate

Token = tuple[str, object]


def xml_tokens(document: str) -> list[Token]:
    """Elements with their attributes, namespace declarations among them, and text; white space between is left out.

    Raises: xml.parsers.expat.ExpatError, for what is not XML.
    """
    tokens: list[Token] = []

    def text(content: str) -> None:
        if content.strip():
            tokens.append(("text", content))

    # Without a separator for namespaces, names stay as they are spelled.
    parser = ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda name, attributes: tokens.append((f"<{name}>", attributes))
    parser.EndElementHandler = lambda name: tokens.append((f"</{name}>", None))
    parser.CharacterDataHandler = text
    parser.Parse(document, True)
    return tokens
