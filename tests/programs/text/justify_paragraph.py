# /// program
# about = "Wraps, justifies and boxes a paragraph with textwrap."
# value = "5"
# stdout = '''
# +----------------------------------------+
# | The  quick  brown  fox  jumps over the |
# | lazy  dog. Pack my box with five dozen |
# | liquor  jugs.  How vexingly quick daft |
# | zebras  jump!  Sphinx of black quartz, |
# | judge my vow.                          |
# +----------------------------------------+
# The quick brown fox [...]
# > first
# >   second
# '''
# ///
import textwrap

TEXT = (
    "The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs. "
    "How vexingly quick daft zebras jump! Sphinx of black quartz, judge my vow."
)


def justify(line, width):
    words = line.split()
    if len(words) == 1:
        return line
    gaps = len(words) - 1
    spaces = width - sum(map(len, words))
    each, extra = divmod(spaces, gaps)
    parts = []
    for index, word in enumerate(words[:-1]):
        parts.append(word + " " * (each + (index < extra)))
    return "".join(parts) + words[-1]


lines = textwrap.wrap(TEXT, width=38)
print("+" + "-" * 40 + "+")
for line in lines[:-1]:
    print("| " + justify(line, 38) + " |")
print("| " + lines[-1].ljust(38) + " |")
print("+" + "-" * 40 + "+")
print(textwrap.shorten(TEXT, width=30, placeholder=" [...]"))
print(textwrap.indent(textwrap.dedent("""
    first
      second
"""), "> ").strip())
len(lines)
