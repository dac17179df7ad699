# /// program
# about = "XML with ElementTree and minidom: reading, XPath, namespaces, building, errors."
# stdout = '''
# 1 en Dune 9.99
# 2 ? Solaris & more 7.5
# ['Dune']
# old
# <catalog xmlns:ns0="urn:meta">
#   <book id="2" cheap="yes">
#     <title>Solaris &amp; more</title>
#     <price>7.5</price>
#     <ns0:note>old</ns0:note>
#     <tag>&lt;sale&gt;</tag>
#   </book>
# </catalog>
# ['1', ''] <b c="1">x</b>
# mismatched tag: line 1, column 8
# '''
# ///
import xml.etree.ElementTree as ET
from xml.dom import minidom

DOCUMENT = """<?xml version="1.0"?>
<catalog xmlns:m="urn:meta">
  <book id="1" lang="en"><title>Dune</title><price>9.99</price></book>
  <book id="2"><title>Solaris &amp; more</title><price>7.5</price><m:note>old</m:note></book>
  <!-- a comment -->
</catalog>"""

root = ET.fromstring(DOCUMENT)
for book in root.iter("book"):
    print(book.get("id"), book.get("lang", "?"), book.findtext("title"), float(book.findtext("price")))
print([b.findtext("title") for b in root.findall(".//book[@lang='en']")])
print(root.find("book/m:note", {"m": "urn:meta"}).text)

for book in root:
    if float(book.findtext("price")) < 8:
        book.set("cheap", "yes")
        ET.SubElement(book, "tag").text = "<sale>"
del root[0]
ET.indent(root)
print(ET.tostring(root, encoding="unicode"))

dom = minidom.parseString("<a><b c='1'>x</b><b/></a>")
print([node.getAttribute("c") for node in dom.getElementsByTagName("b")], dom.documentElement.firstChild.toxml())
try:
    ET.fromstring("<a><b></a>")
except ET.ParseError as error:
    print(error)
