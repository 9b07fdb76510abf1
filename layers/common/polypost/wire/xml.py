"""XML bodies, as .NET's DataContractSerializer and JAXB read and write them.

The standard library's expat serves, with handlers that refuse what makes XML dangerous: it stops at the first that
raises, takes half of lxml's import time, and none of its 12 MB.
"""

import codecs
import re
from typing import Any, Final, NoReturn
from xml.etree.ElementTree import Element, SubElement, TreeBuilder, tostring
from xml.parsers.expat import ExpatError, ParserCreate

from polypost.errors import InvalidRequest, UnsupportedCharset, excerpt
from polypost.web.http import Request
from polypost.wire.codec import WritableFormat
from polypost.wire.models import TWICE, Member, Unusable, WireModel, members

_MEDIA_TYPES = ("application/xml", "text/xml")

_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"

# --- Reading ----------------------------------------------------------------------------------------------------------

#: Elements and attributes; many more than any body has, and few enough for a tree of any depth.
MAX_NODES: Final = 1000

_LONGEST_NAMESPACE: Final = 300

# Of a tag, a comment or a processing instruction, in bytes. A tag may have a million attributes.
_LONGEST_MARKUP: Final = 64 * 1024

# What expat puts between a namespace and a name, which cannot hold it.
_SEPARATOR = "}"


def _read(request: Request, model: type[WireModel]) -> Any:
    try:
        root = _parse(_text(request))
    except ExpatError as error:
        raise InvalidRequest("", f"The request body is not XML: {error}.") from error
    if root.tag != _prefix(model) + _root_name(model):
        where = f"of the namespace '{model.xml_namespace}'" if model.xml_namespace else "of no namespace"
        raise InvalidRequest("", f"The request body must be the element '{_root_name(model)}' {where}.")
    return _members(root, model)


def _parse(text: str) -> Element:
    """The root element, with its namespace and the separator before its name, and so all others and their attributes.

    Raises: InvalidRequest; ExpatError.
    """
    _refuse_bombs(text)
    builder = TreeBuilder()
    parser = ParserCreate(namespace_separator=_SEPARATOR)
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.Parse(text, True)
    return builder.close()


def _refuse_bombs(text: str) -> None:
    """Read a document without its namespaces, and refuse what grows while it is read.

    expat puts the namespace into the name of each element and attribute before any handler sees one, so they are
    bounded here first: a thousand names of a long namespace would take all of a function's memory. It reads a tag whole
    before any handler sees that, so it is given a part of the document at a time, and asked how far it has come.

    Raises: InvalidRequest; ExpatError.
    """
    nodes = declarations = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal nodes, declarations
        namespaces = [value for name, value in attributes.items() if name.startswith("xmlns")]
        declarations += len(namespaces)
        nodes += 1 + len(attributes) - len(namespaces)
        if nodes > MAX_NODES:
            raise InvalidRequest("", f"The request body has more than {MAX_NODES} elements and attributes.")
        if declarations > MAX_NODES or max(map(len, namespaces), default=0) > _LONGEST_NAMESPACE:
            raise InvalidRequest("", "The request body has too many namespaces, or too long ones.")

    def refuse(*_: object) -> NoReturn:
        # Without a document type there are no entities but XML's own, and nothing external. .NET's XmlDictionaryReader
        # refuses processing instructions too.
        raise InvalidRequest("", "The request body must not have a document type or processing instructions.")

    parser = ParserCreate("utf-8")
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = parser.ProcessingInstructionHandler = refuse
    document = text.encode()
    for begin in range(0, len(document), _LONGEST_MARKUP):
        if begin - parser.CurrentByteIndex > _LONGEST_MARKUP:
            raise InvalidRequest("", "The request body has too long a tag or comment.")
        parser.Parse(document[begin : begin + _LONGEST_MARKUP])
    parser.Parse(b"", True)


# By what a document begins with (XML 1.0, appendix F).
_ENCODINGS = {
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    "<".encode("utf-16-le"): "utf-16-le",
    "<".encode("utf-16-be"): "utf-16-be",
}
_FAMILIES = {
    "utf-8": ("", "utf-8", "utf8", "us-ascii"),
    "utf-16": ("", "utf-16", "utf-16le", "utf-16be"),
}
_DECLARED_ENCODING = re.compile(r"<\?xml\s[^>]*?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})")


def _text(request: Request) -> str:
    """The document, if all that tells of its encoding agrees.

    API Gateway hands XML on as text that it has read as UTF-8; UTF-16 comes whole where the event's body is base64.
    """
    if not any(request.charset in names for names in _FAMILIES.values()):
        raise UnsupportedCharset(f"Charset '{excerpt(request.charset)}' not supported; expected utf-8 or utf-16")
    encoding = next((each for beginning, each in _ENCODINGS.items() if request.body.startswith(beginning)), "utf-8")
    family = encoding[: len("utf-16")]
    try:
        text = request.body.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InvalidRequest("", f"The request body is not {family.upper()}.") from error
    declaration = _DECLARED_ENCODING.match(text)
    for named in (request.charset, declaration[1].lower() if declaration else ""):
        if named not in _FAMILIES[family]:
            raise InvalidRequest("", f"The request body is {family.upper()} and says that it is {named}.")
    return text


def _members(element: Element, model: type[WireModel]) -> dict[str, Any]:
    """The values of the elements and attributes that the model knows, in whatever order they stand."""
    values: dict[str, Any] = {}
    elements = {}
    for name, member in members(model).items():
        if not member.is_attribute:
            elements[_prefix(model) + name] = name, member
        elif name in element.attrib:
            values[name] = element.attrib[name]
    for child in element:
        if child.tag in elements:
            name, member = elements[child.tag]
            values[name] = TWICE if name in values else _value(child, member)
    return values


def _value(element: Element, member: Member) -> Any:
    if element.get(f"{_INSTANCE}{_SEPARATOR}nil", "").strip() in ("true", "1"):
        return Unusable("is nil and has a value") if len(element) or element.text else None
    if member.model is not None:
        return _members(element, member.model)
    return Unusable("must not hold elements") if len(element) else element.text or ""


def _prefix(model: type[WireModel]) -> str:
    return model.xml_namespace + _SEPARATOR if model.xml_namespace else ""


def _root_name(model: type[WireModel]) -> str:
    return model.xml_name or model.__name__


# --- Writing ----------------------------------------------------------------------------------------------------------

# XML 1.0 has no way to carry them, not even as references (section 2.2). They become the replacement character, so that
# the rest of the document can be read.
_NO_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

# What cannot begin a name, or stand in one.
_NO_NAME_CHARACTER = re.compile(r"^[^A-Za-z_]|[^\w.-]")


def _write(body: WireModel) -> str:
    root = Element(_root_name(type(body)))
    if type(body).xml_namespace:
        root.set("xmlns:i", _INSTANCE)
        root.set("xmlns", type(body).xml_namespace)
    _fill(root, body, body.model_dump(mode="json"), prefix="", depth=1)
    # A parser makes a line feed of a carriage return that is no reference. In attributes they are references already.
    return tostring(root, encoding="unicode").replace("\r", "&#13;")


def _fill(element: Element, body: WireModel, dumped: dict[str, Any], *, prefix: str, depth: int) -> None:
    """Give an element its members, in the alphabetical order of a DataContract.

    Parameters: dumped, the body as JSON would have it; prefix, that of the body's namespace, with its colon; depth,
    the element's, from which the DataContractSerializer names a new prefix.
    """
    namespace = type(body).xml_namespace
    for name in sorted(dumped):
        value, text = getattr(body, name), dumped[name]
        if members(type(body))[name].is_attribute:
            if text is not None:
                element.set(name, _characters(text))
            continue
        if text is None and not namespace:
            continue
        child = SubElement(element, prefix + name)
        if text is None:
            child.set("i:nil", "true")
        elif isinstance(value, WireModel):
            child_prefix = prefix
            if type(value).xml_namespace != namespace:
                child_prefix = f"d{depth + 1}p1:"
                child.set(f"xmlns:d{depth + 1}p1", type(value).xml_namespace)
            _fill(child, value, text, prefix=child_prefix, depth=depth + 1)
        elif isinstance(text, dict):
            for key, texts in text.items():
                SubElement(child, _local_name(key)).text = _characters(" ".join(texts))
        else:
            child.text = _characters(text)


def _characters(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _NO_CHARACTERS.sub("\ufffd", text)


def _local_name(key: str) -> str:
    """A text as an element's name, as .NET's `XmlConvert.EncodeLocalName` has it: `Ids[0]` is `Ids_x005B_0_x005D_`."""
    return _NO_NAME_CHARACTER.sub(lambda character: f"_x{ord(character[0]):04X}_", key)


XML: Final = WritableFormat(_MEDIA_TYPES, _read, _write)
