# /// program
# about = "A small Markdown converter: headings, lists, emphasis, code, links."
# stdout = '''
# <h1>Shopping &amp; cooking</h1>
# <p>Some <em>important</em> things, <strong>really</strong>; see <a href="https://example.org/a?b=1&amp;c=2">the list</a>.</p>
# <ul>
# <li>eggs</li>
# <li><code>flour &lt; 1kg</code></li>
# </ul>
# <h2>Steps</h2>
# <p>Mix it.</p>
# '''
# ///
import html
import re

SOURCE = """\
# Shopping & cooking

Some *important* things, **really**; see [the list](https://example.org/a?b=1&c=2).

- eggs
- `flour < 1kg`

## Steps
Mix it.
"""


def inline(text):
    text = html.escape(text, quote=False)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)
    text = re.sub(r"\*(.+?)\*", r"<em>\1</em>", text)
    return re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r'<a href="\2">\1</a>', text)


def convert(markdown):
    out, in_list = [], False
    for line in markdown.splitlines():
        if line.startswith("- "):
            if not in_list:
                out.append("<ul>")
                in_list = True
            out.append(f"<li>{inline(line[2:])}</li>")
            continue
        if in_list:
            out.append("</ul>")
            in_list = False
        if match := re.match(r"(#{1,6}) (.*)", line):
            level = len(match[1])
            out.append(f"<h{level}>{inline(match[2])}</h{level}>")
        elif line.strip():
            out.append(f"<p>{inline(line)}</p>")
    return "\n".join(out)


print(convert(SOURCE))
