"""`xml.etree`, `xml.dom.minidom`, `email` and `mimetypes`: the library's, with what leads out of them hidden.

They follow names that a text gives (features of a DOM, attributes of a mail policy), open files, and could
fetch from the network. `surround` exchanges the functions by which they do.
"""

from __future__ import annotations

import email
import email.charset
import email.encoders
import email.errors
import email.generator
import email.header
import email.headerregistry
import email.iterators
import email.message
import email.mime.application
import email.mime.audio
import email.mime.base
import email.mime.image
import email.mime.multipart
import email.mime.text
import email.parser
import email.policy
import email.utils
import importlib
import mimetypes
import xml.dom
import xml.dom.expatbuilder
import xml.dom.minidom
import xml.etree.ElementTree as ET
import xml.sax.saxutils
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from dspex.languages.restricted.context import Context, Modules
    from dspex.languages.restricted.guards import Guards
    from dspex.languages.restricted.virtual_files import VirtualFiles

_ELEMENT_TREE = (
    "Element SubElement ElementTree Comment ProcessingInstruction PI QName ParseError TreeBuilder XMLParser XMLPullParser "
    "fromstring fromstringlist XML XMLID tostring tostringlist parse iterparse indent dump register_namespace iselement "
    "canonicalize C14NWriterTarget VERSION"
).split()
_MINIDOM = "Document Element Node Text Attr Comment CDATASection DocumentFragment NamedNodeMap".split()
_DOM = (
    "Node DOMException IndexSizeErr HierarchyRequestErr WrongDocumentErr InvalidCharacterErr NotFoundErr "
    "NotSupportedErr SyntaxErr InvalidStateErr NamespaceErr EMPTY_NAMESPACE XML_NAMESPACE XMLNS_NAMESPACE"
).split()
_EMAIL = {
    "email": "message_from_string message_from_bytes message_from_file message_from_binary_file",
    "email.message": "EmailMessage Message MIMEPart",
    "email.mime.text": "MIMEText",
    "email.mime.multipart": "MIMEMultipart",
    "email.mime.application": "MIMEApplication",
    "email.mime.base": "MIMEBase",
    "email.mime.image": "MIMEImage",
    "email.mime.audio": "MIMEAudio",
    "email.header": "Header decode_header make_header",
    "email.headerregistry": "Address Group",
    "email.parser": "Parser BytesParser HeaderParser BytesHeaderParser FeedParser BytesFeedParser",
    "email.generator": "Generator BytesGenerator",
    "email.policy": "default SMTP SMTPUTF8 HTTP strict compat32 EmailPolicy",
    "email.utils": "parseaddr formataddr getaddresses parsedate parsedate_tz parsedate_to_datetime format_datetime "
    "mktime_tz quote unquote collapse_rfc2231_value",
    "email.encoders": "encode_base64 encode_quopri encode_7or8bit encode_noop",
    "email.errors": "MessageError MessageParseError HeaderParseError MultipartConversionError MessageDefect",
    "email.iterators": "body_line_iterator typed_subpart_iterator",
}
_MIME = "guess_type guess_extension guess_all_extensions add_type types_map common_types encodings_map suffix_map".split()


def modules(context: Context, draw: Callable[[int], bytes]) -> Modules:
    """Return names by module; `surround` must have been called before a program gets them.

    Args:
        context: Whose clock is used.
        draw: Source of randomness.
    """
    mimetypes.init(files=[])
    trees = {name: getattr(ET, name) for name in _ELEMENT_TREE}
    dom = {name: getattr(xml.dom.minidom, name) for name in _MINIDOM}

    def parse_string(string: Any) -> Any:
        return xml.dom.expatbuilder.parseString(string)  # noqa: S316 - a guest's own text, in its jail

    def parse(file: Any) -> Any:
        return xml.dom.expatbuilder.parse(file)  # noqa: S316 - a guest's own file, in its jail

    def formatdate(timeval: float | None = None, localtime: bool = False, usegmt: bool = False) -> str:
        return email.utils.formatdate(context.now_s() if timeval is None else timeval, localtime, usegmt)

    def make_msgid(idstring: str | None = None, domain: str | None = None) -> str:
        middle = "" if idstring is None else f".{idstring}"
        return f"<{int(context.now_s() * 100)}.{draw(8).hex()}{middle}@{domain or 'localhost'}>"

    parse_string.__name__ = parse_string.__qualname__ = "parseString"
    found: Modules = {
        "xml.etree.ElementTree": trees,
        "xml.dom": {name: getattr(xml.dom, name) for name in _DOM},
        "xml.dom.minidom": {**dom, "parseString": parse_string, "parse": parse},
        "xml.sax.saxutils": {name: getattr(xml.sax.saxutils, name) for name in ("escape", "unescape", "quoteattr")},
        "mimetypes": {name: getattr(mimetypes, name) for name in _MIME},
    }
    for name, listed in _EMAIL.items():
        module = importlib.import_module(name)
        found[name] = {one: getattr(module, one) for one in listed.split()}
    found["email.utils"] |= {"formatdate": formatdate, "make_msgid": make_msgid}
    return found


def hide(guards: Guards) -> None:
    """Hide attributes that lead from a harmless object to one that is not."""
    # It makes classes from any other, and is shared by all mails.
    guards.hide(("header_factory",), email.policy.EmailPolicy)
    guards.hide(("map_to_type",), email.headerregistry.HeaderRegistry)
    # It loads documents from addresses, and gives attributes of its own by name.
    guards.hide(("implementation",), xml.dom.minidom.Document, xml.dom.minidom.Node)
    guards.hide(("createDOMBuilder", "createDOMInputSource"), xml.dom.minidom.DOMImplementation)


def surround(files: VirtualFiles, time: Any, draw: Callable[[int], bytes]) -> None:
    """Give these modules the guest's files; before classes are frozen.

    Args:
        files: The file system.
        time: What programs get as the module `time`.
        draw: Source of randomness.
    """
    opened = files.modules()["io"]["open"]
    vars(ET)["open"] = opened
    vars(xml.dom.expatbuilder)["open"] = opened
    policies: Any = importlib.import_module("email._policybase")

    def has_option(policy: Any, name: Any) -> bool:
        """Tell whether a policy has an option; its `__dict__` and `__class__` are none."""
        return type(name) is str and not name.startswith("_") and hasattr(policy, name)

    policies.hasattr = has_option

    generators: Any = importlib.import_module("email.generator")
    generators.random = _Random(draw)
    generators.time = time


class _Random:
    """The randomness of mail boundaries."""

    def __init__(self, draw: Callable[[int], bytes]) -> None:
        self._mail_draw = draw

    def randrange(self, limit: int) -> int:
        return int.from_bytes(self._mail_draw(16), "big") % limit
