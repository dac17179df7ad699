# /// program
# about = "Turns an XML feed into dictionaries and back, with ElementTree."
# stdout = "{\n \"title\": \"News & more\",\n \"entry\": [\n  {\n   \"@id\": \"1\",\n  \nTrue 193 Hello bold tail\n['2'] none\n<?xml version='1.0' encoding='utf-8'?> ['title', 'title', 'tag']\n"
# [wrote]
# "feed.xml" = '''
# <?xml version='1.0' encoding='utf-8'?>
# <feed>
#   <title>News &amp; more</title>
#   <entry id="1" lang="en">
#     <title>One</title>
#     <tag>a</tag>
#     <tag>b</tag>
#   </entry>
#   <entry id="2">
#     <title>Two</title>
#     <body>
#       <p>Hello<b>bold</b>
#       </p>
#     </body>
#   </entry>
# </feed>'''
# ///
import json
import xml.etree.ElementTree as ET
from collections import defaultdict

FEED = """<feed><title>News &amp; more</title>
<entry id="1" lang="en"><title>One</title><tag>a</tag><tag>b</tag></entry>
<entry id="2"><title>Two</title><body><p>Hello <b>bold</b> tail</p></body></entry></feed>"""


def to_dict(element):
    children = defaultdict(list)
    for child in element:
        children[child.tag].append(to_dict(child))
    made = {f"@{name}": value for name, value in element.attrib.items()}
    made |= {tag: items[0] if len(items) == 1 else items for tag, items in children.items()}
    text = (element.text or "").strip()
    if text and made:
        made["#text"] = text
    return made or text


def to_xml(name, value):
    element = ET.Element(name)
    if isinstance(value, dict):
        for key, below in value.items():
            if key.startswith("@"):
                element.set(key[1:], str(below))
            elif key == "#text":
                element.text = below
            else:
                for one in below if isinstance(below, list) else [below]:
                    element.append(to_xml(key, one))
    else:
        element.text = str(value)
    return element


root = ET.fromstring(FEED)
found = to_dict(root)
print(json.dumps(found, indent=1)[:60])
again = to_xml("feed", found)
print(to_dict(again) == found, len(ET.tostring(again)), "".join(root.find(".//p").itertext()))
print([e.get("id") for e in root.iterfind("entry[title='Two']")], root.findtext("missing", "none"))
tree = ET.ElementTree(again)
ET.indent(tree, "  ")
tree.write("feed.xml", encoding="utf-8", xml_declaration=True)
print(open("feed.xml").readline().strip(), [e.tag for _, e in ET.iterparse("feed.xml")][:3])
