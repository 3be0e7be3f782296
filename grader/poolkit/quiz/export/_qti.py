"""The manifest of a QTI 2.1 package (https://www.imsglobal.org/question/qtiv2p1/imsqti_intgv2p1.html)."""

from __future__ import annotations

from lxml import etree
from lxml.builder import ElementMaker

from poolkit.quiz.export import _parts
from poolkit.quiz.model import Quiz

ITEM = "http://www.imsglobal.org/xsd/imsqti_v2p1"
ITEM_SCHEMA = f"{ITEM} http://www.imsglobal.org/xsd/qti/qtiv2p1/imsqti_v2p1.xsd"
SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"

_PACKAGE = "http://www.imsglobal.org/xsd/imscp_v1p1"
_LOM = "http://ltsc.ieee.org/xsd/LOM"
P = ElementMaker(namespace=_PACKAGE, nsmap={None: _PACKAGE, "lom": _LOM})
L = ElementMaker(namespace=_LOM, nsmap={None: _PACKAGE, "lom": _LOM})


def xml(root: etree._Element) -> bytes:
    """Return a file of XML. It has no line ends of its own: in prose and code they would be seen."""
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return written


def manifest(quiz: Quiz) -> etree._Element:
    """Return what imsmanifest.xml holds: the test, the items, and the labels of each as keywords."""
    items = []
    for question in quiz.questions:
        name = question.id.replace(".", "_")
        path = f"items/{name}.xml"
        keywords = [L.keyword(L.string(label, language="en")) for label in _parts.labels(question)]
        about = [P.metadata(L.lom(L.general(*keywords)))] if keywords else []
        items.append(
            P.resource(*about, P.file(href=path), identifier=f"item_{name}", type="imsqti_item_xmlv2p1", href=path)
        )
    test = P.resource(
        P.file(href="test.xml"),
        *(P.dependency(identifierref=item.get("identifier") or "") for item in items),
        identifier=f"test_{quiz.id}",
        type="imsqti_test_xmlv2p1",
        href="test.xml",
    )
    return P.manifest(
        P.metadata(P.schema("QTIv2.1 Package"), P.schemaversion("1.0.0")),
        P.organizations(),
        P.resources(test, *items),
        identifier=f"poolkit_{quiz.id}",
    )
