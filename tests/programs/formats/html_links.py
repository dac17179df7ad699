# /// program
# about = "Collects links and text from HTML with html.parser and resolves addresses."
# value = "'<éA♥'"
# stdout = '''
# ['https://example.org/menu?x=1&y=2#top', 'https://example.org/about.html']
# ['Fish & Chips', 'See', 'the menu', 'or', 'us', '.', 'no link', 'A "pic"']
# example.org /menu [('x', '1'), ('y', '2')] top
# q=fish+%26+chips&page=2 a/b%20c%3F%C3%A9 x y z
# '''
# ///
from html import unescape
from html.parser import HTMLParser
from urllib.parse import parse_qsl, quote, unquote_plus, urlencode, urljoin, urlparse

PAGE = """
<html><head><title>Fish &amp; Chips</title><style>p {color: red}</style></head>
<body><p>See <a href="/menu?x=1&amp;y=2#top">the menu</a> or <a href="../about.html">us</a>.
<br/><a name=anchor>no link</a> <img src=pic.png alt="A &quot;pic&quot;">
</body></html>
"""


class Collector(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.text, self.stack = [], [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag == "a" and "href" in attributes:
            self.links.append(urljoin("https://example.org/shop/index.html", attributes["href"]))
        if tag == "img":
            self.text.append(attributes["alt"])
        elif tag != "br":
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag in self.stack:
            while self.stack.pop() != tag:
                pass

    def handle_data(self, data):
        if "style" not in self.stack and data.strip():
            self.text.append(" ".join(data.split()))


collector = Collector()
collector.feed(PAGE)
print(collector.links)
print(collector.text)
url = urlparse(collector.links[0])
print(url.netloc, url.path, parse_qsl(url.query), url.fragment)
print(urlencode({"q": "fish & chips", "page": 2}), quote("a/b c?é"), unquote_plus("x%20y+z"))
unescape("&lt;&eacute;&#x41;&hearts;")
