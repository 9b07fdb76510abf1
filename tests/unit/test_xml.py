"""XML bodies: what is read, what is refused, what is written."""

import codecs
import encodings
import tracemalloc
from contextlib import suppress
from typing import Annotated, Any, ClassVar
from xml.parsers.expat import ParserCreate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypost.errors import InvalidRequest, UnsupportedCharset
from polypost.web.http import Request
from polypost.wire.aspnet import AspNetModel
from polypost.wire.codec import Codec
from polypost.wire.dotnet import Boolean, Guid, Int32
from polypost.wire.json import JSON
from polypost.wire.models import WireModel, XmlAttribute
from polypost.wire.xml import MAX_NODES, XML
from support.lambda_events import http_event

CODEC = Codec(reads=(JSON, XML), writes=(XML, JSON))

SHOP = "http://schemas.datacontract.org/2004/07/Shop"
OTHER = "http://schemas.datacontract.org/2004/07/Shop.Other"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"


class Deeper(AspNetModel):
    xml_namespace: ClassVar[str] = SHOP

    Y: str | None = None


class Nested(AspNetModel):
    xml_namespace: ClassVar[str] = OTHER

    X: str | None = None
    Deep: Deeper | None = None


class Order(AspNetModel):
    xml_namespace: ClassVar[str] = SHOP

    Text: str | None = None
    Number: Int32 | None = None
    Paid: Boolean | None = None
    Key: Guid | None = None
    Child: Nested | None = None
    Brother: Deeper | None = None


class Plain(WireModel):
    xml_name: ClassVar[str] = "plain"

    type: Annotated[str | None, XmlAttribute()] = None
    text: str | None = None


def read(document: str | bytes, content_type: str = "application/xml") -> Order:
    body = document.encode() if isinstance(document, str) else document
    return CODEC.decode(Request("POST", "/", headers={"content-type": content_type}, body=body), Order)


def order(content: str, attributes: str = "") -> str:
    return f'<Order xmlns="{SHOP}" xmlns:o="{OTHER}" xmlns:i="{INSTANCE}"{attributes}>{content}</Order>'


def refusal(document: str | bytes, content_type: str = "application/xml") -> str:
    with pytest.raises(InvalidRequest) as raised:
        read(document, content_type)
    (field,) = raised.value.problems
    assert field == ""
    return raised.value.message


def written(body: WireModel) -> str:
    return CODEC.encode(Request("GET", "/"), body).body


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_namespaces_are_matched_and_not_prefixes() -> None:
    document = (
        f'<a:Order xmlns:a="{SHOP}"><b:Text xmlns:b="{SHOP}">t</b:Text>'
        f'<a:Child xmlns="{OTHER}" xmlns:a2="{SHOP}"><X>x</X><Deep><a2:Y>y</a2:Y></Deep></a:Child></a:Order>'
    )
    assert read(document) == Order(Text="t", Child=Nested(X="x", Deep=Deeper(Y="y")))


def test_elements_may_stand_in_any_order_and_unknown_ones_are_ignored() -> None:
    content = (
        "<Number>5</Number><Unknown><Text>no</Text></Unknown><o:Text>no</o:Text><text>no</text>"
        '<Text xmlns="">no</Text><Text i:type="x" other="y">yes</Text>'
    )
    assert read(order(content, ' Number="7"')) == Order(Text="yes", Number=5)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<Text> a\n b </Text>", " a\n b "),
        ("<Text>a<![CDATA[<b>&amp;]]>c</Text>", "a<b>&amp;c"),
        ("<Text>a<!-- not this -->b</Text>", "ab"),
        ("<Text>&lt;&#65;&#x1F600;&#13;</Text>", "<A😀\r"),
        ("<Text></Text>", ""),
        ("<Text/>", ""),
        ("<Text>\r\n</Text>", "\n"),
        ("<Text>  </Text>", "  "),
        ("<Text><![CDATA[<!DOCTYPE html>]]></Text>", "<!DOCTYPE html>"),
        ('<Text i:nil="true"/>', None),
        ("<Text i:nil='1'></Text>", None),
        ('<Text i:nil="false">a</Text>', "a"),
        ('<Text nil="true">a</Text>', "a"),
        ("", None),
    ],
)
def test_text(content: str, text: str | None) -> None:
    assert read(order(content)).Text == text


def test_other_values_may_stand_in_white_space() -> None:
    content = "<Number>\n 5 </Number><Paid> 1 </Paid><Key> {6925EBD4-125D-4338-A736-99F4B5BCB3D7} </Key>"
    body = read(order(content))
    assert (body.Number, body.Paid, str(body.Key)) == (5, True, "6925ebd4-125d-4338-a736-99f4b5bcb3d7")


@pytest.mark.parametrize(
    ("content", "field", "message"),
    [
        ("<Text>a</Text><Text>a</Text>", "Text", "The field Text is given more than once."),
        ("<Text i:nil='true'/><Text>a</Text>", "Text", "The field Text is given more than once."),
        ("<Text>a<b/></Text>", "Text", "The field Text must not hold elements."),
        ('<Text i:nil="true">a</Text>', "Text", "The field Text is nil and has a value."),
        ('<Child i:nil="true"><o:X/></Child>', "Child", "The field Child is nil and has a value."),
        ("<Child><o:X/><o:X/></Child>", "Child.X", "The field Child.X is given more than once."),
        ("<Number>five</Number>", "Number", "The value 'five' is not valid for Number."),
    ],
)
def test_a_value_that_is_refused(content: str, field: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(order(content))
    assert raised.value.problems == {field: [message]}


def test_without_a_namespace() -> None:
    headers = {"content-type": "text/xml"}

    def plain(document: str) -> Plain:
        return CODEC.decode(Request("POST", "/", headers=headers, body=document.encode()), Plain)

    assert plain('<plain text="no" type="t"><text>a</text><type>no</type></plain>') == Plain(type="t", text="a")
    assert plain('<plain><text xmlns="urn:x">no</text></plain>') == Plain()
    for document in ("<Plain/>", '<plain xmlns="urn:x"/>'):
        with pytest.raises(InvalidRequest, match="must be the element 'plain' of no namespace"):
            plain(document)


# --- What is no document ----------------------------------------------------------------------------------------------

BOMB = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 20))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("<Order/>", "must be the element 'Order' of the namespace"),
        (f'<Order xmlns="{OTHER}"/>', "must be the element 'Order' of the namespace"),
        (f'<order xmlns="{SHOP}"/>', "must be the element 'Order' of the namespace"),
        ("<Order", "not XML"),
        ("{}", "not XML"),
        ("<a></b>", "not XML"),
        ("<a/><b/>", "not XML"),
        ("<a b='1' b='2'/>", "not XML"),
        ("<p:a/>", "not XML"),
        ("<a>&unknown;</a>", "not XML"),
        ("<a>&#0;</a>", "not XML"),
        ("<a>&#x1B;</a>", "not XML"),
        ("<a>\0</a>", "not XML"),
        ("\0", "not XML"),
        ("<a>\x1b</a>", "not XML"),
        ("<a>\uffff</a>", "not XML"),
        ("  <?xml version='1.0'?><a/>", "not XML"),
        ("<?xml version='1.0'?>", "not XML"),
        ("<!DOCTYPE a><a/>", "document type"),
        ("<!-- -->\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "document type"),
        ("<!DOCTYPE a SYSTEM 'file:///etc/hostname'><a/>", "document type"),
        ("<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/hostname'>]><a>&b;</a>", "document type"),
        ("<!DOCTYPE a [<!ENTITY % b SYSTEM 'http://127.0.0.1:9/'> %b;]><a/>", "document type"),
        (f"<!DOCTYPE a [<!ENTITY e0 'lol'>{BOMB}]><a>&e19;</a>", "document type"),
        (f"<!--{'x' * 60_000}--><!DOCTYPE a [<!ENTITY e0 'lol'>{BOMB}]><a>&e19;</a>", "document type"),
        ("<?xml-stylesheet href='http://127.0.0.1:9/'?><a/>", "processing instructions"),
        (order("<?php ?>"), "processing instructions"),
        (order("") + "<?x y?>", "processing instructions"),
        ("<a>" * 10_000 + "</a>" * 10_000, "more than 1000"),
        ("<a>" * 1_000_000, "more than 1000"),
        (order("<Unknown>" + "<a>" * 10_000 + "</a>" * 10_000 + "</Unknown>"), "more than 1000"),
        (order("<a/>" * 100_000), "more than 1000"),
        (order("<a " + " ".join(f'a{n}="{n}"' for n in range(5_000)) + "/>"), "more than 1000"),
        (order("<a " + " ".join(f'a{n}="{n}"' for n in range(80_000)) + "/>"), "too long a tag"),
        (order("<a " + " ".join(f'xmlns:a{n}="{n}"' for n in range(80_000)) + "/>"), "too long a tag"),
        (order(f"<a a='{'>' * 1_000_000}'/>"), "too long a tag"),
        (order(f"<!--{'x' * 1_000_000}-->"), "too long a tag or comment"),
        (f"<{'a' * 60_000}/>", "must be the element"),
        (f"<{'a' * 1_000_000}/>", "too long a tag"),
    ],
)
def test_a_body_that_is_no_document_is_refused(document: str, message: str) -> None:
    assert message in refusal(document)


@pytest.mark.parametrize("attributes", ["".join(f' p:a{number}=""' for number in range(900)), ""])
def test_a_long_namespace_is_refused_before_it_is_repeated(attributes: str) -> None:
    tracemalloc.start()
    try:
        message = refusal(f'<a xmlns:p="{"u" * 100_000}"{attributes}/>')
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert message == "The request body has too many namespaces, or too long ones."


def test_as_many_elements_and_attributes_as_are_allowed() -> None:
    assert read(order("<Text>a</Text>" + '<a b="c"/>' * (MAX_NODES // 2 - 1))).Text == "a"
    assert "more than 1000" in refusal(order("<Text>a</Text>" + '<a b="c"/>' * (MAX_NODES // 2)))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for document in (text, order(text)):
        with suppress(InvalidRequest):
            read(document.encode("utf-8", "surrogatepass"))


@given(st.binary(), st.sampled_from(["", "; charset=utf-8", "; charset=utf-16", "; charset=gb18030", "; charset=hz"]))
def test_any_bytes_are_read_or_refused(body: bytes, charset: str) -> None:
    with pytest.raises(InvalidRequest):
        read(body, f"text/xml{charset}")


# --- Encodings --------------------------------------------------------------------------------------------------------

TEXT = order("<Text>ü😀</Text>")


def declared(encoding: str, document: str = TEXT) -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?>{document}'


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        (TEXT.encode(), ""),
        (TEXT.encode(), "; charset=UTF-8"),
        (TEXT.encode(), '; charset="utf8"'),
        (TEXT.encode("utf-8-sig"), ""),
        (declared("utf-8").encode(), ""),
        (declared("UTF-8").encode("utf-8-sig"), "; charset=utf-8"),
        (TEXT.encode("utf-16"), ""),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), ""),
        (declared("utf-16").encode("utf-16"), "; charset=utf-16"),
        (declared("UTF-16").encode("utf-16-le"), ""),
        (declared("utf-16be").encode("utf-16-be"), "; charset=utf-16be"),
        (TEXT.encode("utf-16-le"), "; charset=utf-16"),
    ],
)
def test_an_encoding(body: bytes, charset: str) -> None:
    assert read(body, f"text/xml{charset}").Text == "ü😀"


#: What can be written in each of the encodings that Python knows, in which "ü" and "€" are other bytes, or none.
IN_MANY_ENCODINGS = [
    ("ISO-8859-1", "ü"),
    ("iso-8859-15", "ü€"),
    ("latin1", "ü"),
    ("windows-1252", "ü€–"),
    ("Windows-1250", "őž"),
    ("windows-1251", "Привет"),
    ("koi8-r", "Привет"),
    ("IBM850", "ü"),
    ("macintosh", "ü"),
    ("Shift_JIS", "日本"),
    ("EUC-JP", "日本"),
    ("ISO-2022-JP", "日本"),
    ("GB18030", "中€😀"),
    ("Big5", "中"),
    ("EUC-KR", "한"),
    ("UTF-8", "ü€😀"),
    ("US-ASCII", "u"),
    ("UTF-16", "ü€😀"),
    ("utf-16le", "ü€😀"),
    ("UTF-16BE", "ü€😀"),
    ("UTF-32", "ü€😀"),
    ("UTF-32BE", "ü€😀"),
    ("cp037", "ü"),
    ("IBM500", "ü"),
]


@pytest.mark.parametrize(("encoding", "text"), IN_MANY_ENCODINGS)
def test_a_declared_encoding(encoding: str, text: str) -> None:
    document = order(f"<Text>{text}</Text>")
    body = f"<?xml version='1.0' encoding='{encoding}' standalone='yes'?>\n{document}".encode(encoding)
    assert read(body).Text == text


@pytest.mark.parametrize(("encoding", "text"), IN_MANY_ENCODINGS)
def test_an_encoding_that_the_media_type_names(encoding: str, text: str) -> None:
    assert read(order(f"<Text>{text}</Text>").encode(encoding), f'text/xml; charset="{encoding}"').Text == text


def test_the_media_type_outweighs_the_declaration() -> None:
    body = declared("UTF-8").replace("😀", "").encode("iso-8859-1")
    assert read(body, "text/xml; charset=ISO-8859-1").Text == "ü"
    assert read(declared("ISO-8859-1").encode(), "text/xml; charset=utf-8").Text == "ü😀"


def test_a_declaration_is_honoured_even_where_it_is_wrong() -> None:
    assert read(declared("ISO-8859-1").encode()).Text == "ü😀".encode().decode("iso-8859-1")


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        (declared("utf-16").encode(), ""),
        (declared("utf-32").encode(), ""),
        (declared("utf-8").encode("utf-16"), ""),
        (declared("utf-8").encode("utf-16-le"), ""),
        (declared("ISO-8859-1").encode("utf-16"), ""),
        (declared("cp037").encode(), ""),
        (declared("utf-8").encode("cp037", "replace"), ""),
        (TEXT.encode("utf-16").decode("utf-8", "replace").encode(), ""),
        (TEXT.encode("utf-16"), "; charset=utf-8"),
        (TEXT.encode("utf-16"), "; charset=iso-8859-1"),
        (TEXT.encode(), "; charset=utf-16"),
        (TEXT.encode("latin-1", "replace"), ""),
        (TEXT.encode("latin-1", "replace"), "; charset=us-ascii"),
        (declared("Shift_JIS").encode("latin-1", "replace"), ""),
        (TEXT.encode("utf-16")[:-1], ""),
        (codecs.BOM_UTF16_LE + b"<\x00\x00\xd8", ""),
        # Without a word of it only UTF-8 and UTF-16 are read (XML 1.0, section 4.3.3).
        (TEXT.encode("utf-32"), ""),
        (TEXT.encode("utf-32-be"), ""),
        (TEXT.encode("cp037", "replace"), ""),
        (TEXT.encode("utf-7"), "; charset=utf-16"),
        (b"\xed\xa0\x80", ""),
        (b"", "; charset=utf-16"),
    ],
)
def test_a_wrong_or_contradictory_encoding_is_refused(body: bytes, charset: str) -> None:
    refusal(body, f"text/xml{charset}")


#: Codecs of Python that are no charsets, and what is none at all.
NO_CHARSETS = [
    *("zlib", "bz2", "base64", "hex", "quopri", "uu", "rot13", "zlib_codec", "base64-codec"),
    *("idna", "punycode", "unicode_escape", "raw-unicode-escape", "undefined", "charmap", "mbcs", "oem", "utf-7", "U7"),
    *("nonsense", "aliases", "x" * 40, "utf.8", "..", "os"),
]


@pytest.mark.parametrize("charset", NO_CHARSETS)
def test_an_unknown_charset(charset: str) -> None:
    with pytest.raises(UnsupportedCharset, match="not supported"):
        read(TEXT, f"text/xml; charset={charset}")
    assert "not read" in refusal(declared(charset))


def test_a_long_charset_is_not_told_back_whole() -> None:
    with pytest.raises(UnsupportedCharset) as raised:
        read(TEXT, f"text/xml; charset={'x' * 10_000}")
    assert len(raised.value.message) < 100


def test_python_does_not_remember_the_charsets_that_there_are_not() -> None:
    before = len(encodings._cache)
    for number in range(100):
        refusal(declared(f"no-such-{number}"))
    assert len(encodings._cache) == before


# --- Text that API Gateway has read already ---------------------------------------------------------------------------


def read_text(document: str, content_type: str = "text/xml") -> Order:
    event = http_event("POST", "/", headers={"content-type": content_type}, body=document.encode())
    assert event["isBase64Encoded"] is False
    return CODEC.decode(Request.from_event(event), Order)


LOSSY = order("<Text>GR\ufffdN</Text>")


@pytest.mark.parametrize("encoding", ["utf-8", "ISO-8859-1", "windows-1252", "UTF-16", "Shift_JIS", "zlib", "nonsense"])
def test_of_a_text_the_declared_encoding_does_not_matter(encoding: str) -> None:
    assert read_text(declared(encoding)).Text == "ü😀"
    assert read_text(f"\ufeff{declared(encoding)}").Text == "ü😀"


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "utf-16"])
def test_of_a_text_the_charset_does_not_matter(charset: str) -> None:
    assert read_text(TEXT, f"text/xml; charset={charset}").Text == "ü😀"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_that_was_taken_for_a_text(encoding: str) -> None:
    document = declared("utf-16", order("<Text>a</Text>"))
    assert read_text(document.encode(encoding).decode()).Text == "a"


def test_of_a_text_too_a_charset_has_to_be_one() -> None:
    with pytest.raises(UnsupportedCharset):
        read_text(TEXT, "text/xml; charset=zlib")


@pytest.mark.parametrize(
    ("document", "content_type"),
    [
        (declared("ISO-8859-1", LOSSY), "text/xml"),
        (declared("nonsense", LOSSY), "application/xml"),
        (LOSSY, "text/xml; charset=windows-1252"),
    ],
)
def test_characters_that_were_lost_before_are_told(document: str, content_type: str) -> None:
    with pytest.raises(InvalidRequest, match="were lost on the way"):
        read_text(document, content_type)


@pytest.mark.parametrize("encoding", ["", "utf-8", "UTF8", "us-ascii"])
def test_a_replacement_character_may_be_meant(encoding: str) -> None:
    assert read_text(declared(encoding, LOSSY) if encoding else LOSSY).Text == "GR\ufffdN"


# --- Writing ----------------------------------------------------------------------------------------------------------


def test_members_are_in_alphabetical_order_and_namespaces_where_they_begin() -> None:
    body = Order(Text="t", Paid=True, Child=Nested(X="x", Deep=Deeper(Y="y")), Brother=Deeper())
    assert written(body) == (
        f'<Order xmlns:i="{INSTANCE}" xmlns="{SHOP}"><Brother><Y i:nil="true" /></Brother>'
        f'<Child xmlns:d2p1="{OTHER}"><d2p1:Deep xmlns:d3p1="{SHOP}"><d3p1:Y>y</d3p1:Y></d2p1:Deep>'
        '<d2p1:X>x</d2p1:X></Child><Key i:nil="true" /><Number i:nil="true" /><Paid>true</Paid><Text>t</Text></Order>'
    )
    assert read(written(body)) == body


def test_without_a_namespace_null_is_left_out() -> None:
    assert written(Plain()) == "<plain />"
    assert written(Plain(type='a"<&\r\n', text="a<&\r\n")) == (
        '<plain type="a&quot;&lt;&amp;&#13;&#10;"><text>a&lt;&amp;&#13;\n</text></plain>'
    )


def test_what_xml_cannot_carry_becomes_the_replacement_character() -> None:
    body = Plain(type="\0", text="a\x00b\x0b\x1f\ufffe\uffff\x7f\x85\u2028😀")
    assert written(body) == (
        '<plain type="\ufffd"><text>a\ufffdb\ufffd\ufffd\ufffd\ufffd\x7f\x85\u2028😀</text></plain>'
    )


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]) | st.sampled_from("\r\n\t<>&\"']"))


@given(TEXTS, TEXTS, st.none() | st.integers(-(2**31), 2**31 - 1), st.none() | st.booleans(), st.none() | st.uuids())
def test_what_is_written_is_read_again(text: str, inner: str, number: Any, paid: Any, key: Any) -> None:
    body = Order(Text=text, Number=number, Paid=paid, Key=key, Child=Nested(X=inner))
    assert read(written(body)) == body


@given(st.text())
def test_every_text_is_written_as_a_document(text: str) -> None:
    assert ParserCreate().Parse(written(Plain(type=text, text=text)), True) == 1
