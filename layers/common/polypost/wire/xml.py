"""XML bodies, as .NET's DataContractSerializer and JAXB read and write them.

The standard library's expat serves, with handlers that refuse what makes XML dangerous: it stops at the first that
raises, takes half of lxml's import time, and none of its 12 MB.
"""

import codecs
import re
from typing import Any, Final, NoReturn
from xml.etree.ElementTree import Element, SubElement, TreeBuilder, tostring
from xml.parsers.expat import ExpatError, ParserCreate

from polypost.errors import InvalidRequest, UnsupportedCharset
from polypost.web.http import Request
from polypost.wire.charsets import codec_of
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


# How a document begins, and a codec that its declaration can be read in (XML 1.0, appendix F); longer beginnings first.
_BEGINNINGS: Final = {
    codecs.BOM_UTF32_LE: "utf_32",
    codecs.BOM_UTF32_BE: "utf_32",
    "<".encode("utf-32-le"): "utf_32_le",
    "<".encode("utf-32-be"): "utf_32_be",
    codecs.BOM_UTF16_LE: "utf_16",
    codecs.BOM_UTF16_BE: "utf_16",
    "<".encode("utf-16-le"): "utf_16_le",
    "<".encode("utf-16-be"): "utf_16_be",
    "<?xml".encode("cp037"): "cp037",
}
_LONGEST_DECLARATION: Final = 400
_DECLARED_ENCODING = re.compile(r"\ufeff?<\?xml\s[^>]{0,400}?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")


# What API Gateway puts in the place of bytes that are not UTF-8.
_REPLACEMENT: Final = "\ufffd".encode()
_NAMES_OF_UTF_8: Final = ("", "utf_8", "utf-8", "utf8", "us-ascii")


def _text(request: Request) -> str:
    """The document as text, by the charset of its media type, else by its declaration, else as UTF-8 or UTF-16.

    If API Gateway has read it as UTF-8, it is text already, whatever it declares.

    Raises: UnsupportedCharset, for a charset that the media type names; InvalidRequest.

    Source: RFC 7303, section 3; XML 1.0, section 4.3.3 and appendix F.
    """
    charset = codec_of(request.charset) if request.charset else ""
    beginning = next((each for start, each in _BEGINNINGS.items() if request.body.startswith(start)), "utf_8")
    found = _DECLARED_ENCODING.match(request.body[:_LONGEST_DECLARATION].decode(beginning, "replace"))
    declared = found[1] if found else ""
    # ASCII in UTF-16 is valid UTF-8 too, with a NUL at each character.
    if request.body_was_text and beginning == "utf_8":
        codec = "utf_8"
        if _REPLACEMENT in request.body and (charset or declared.lower()) not in _NAMES_OF_UTF_8:
            raise InvalidRequest("", "Characters of the request body were lost on the way; send it in UTF-8.")
    else:
        undeclared = "utf_16" if beginning.startswith("utf_16") else "utf_8"
        codec = charset or (_codec_of_document(declared) if declared else undeclared)
        # It tells the byte order too.
        codec = beginning if beginning.startswith(codec) else codec
    try:
        return request.body.decode(codec).removeprefix("\ufeff")
    except UnicodeError as error:
        raise InvalidRequest("", f"The request body is not {codec.replace('_', '-').upper()}.") from error


def _codec_of_document(declared: str) -> str:
    try:
        return codec_of(declared)
    except UnsupportedCharset as error:
        raise InvalidRequest("", f"The request body declares the encoding '{declared}', which is not read.") from error


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
