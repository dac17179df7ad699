# /// program
# about = "Unicode: names, normal forms, case folding, grapheme-ish widths, encodings."
# value = "(0.5, 3, 'π')"
# stdout = '''
# '\xe9' 1 2 Ll LATIN SMALL LETTER E WITH ACUTE
# 'e\u0301' 2 3 Ll LATIN SMALL LETTER E
# '\xdf' 1 2 Ll LATIN SMALL LETTER SHARP S
# '\ufb01' 1 3 Ll LATIN SMALL LIGATURE FI
# '\u2167' 1 3 Nl ROMAN NUMERAL EIGHT
# '\U0001f600' 1 4 So GRINNING FACE
# '\u05d0\u05d1' 2 4 Lo HEBREW LETTER ALEF
# '\xf1' 1 2 Ll LATIN SMALL LETTER N WITH TILDE
# True
# fi VIII 1⁄2
# True b'i\xcc\x87'
# creme-brulee-a-la-francaise
# b'na\xefve' b'n\x00a\x00\xef\x00' b'\x93\xfa\x96{'
# caf� � caf\xe9
# ***日本語*** 7
# 'ascii' codec can't encode character '\u2603' in position 8: ordinal not in range(128)
# '''
# ///
import unicodedata

samples = ["é", "e\u0301", "ß", "ﬁ", "Ⅷ", "😀", "אב", "ñ"]
for text in samples:
    names = [unicodedata.name(c, "?") for c in text]
    print(ascii(text), len(text), len(text.encode()), unicodedata.category(text[0]), names[0])

print(unicodedata.normalize("NFC", samples[1]) == samples[0])
print(unicodedata.normalize("NFKD", "ﬁ Ⅷ ½"))
print("STRASSE".casefold() == "straße".casefold(), "İ".lower().encode())


def slug(text):
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "-".join("".join(c if c.isalnum() else " " for c in ascii_text.lower()).split())


print(slug("Crème Brûlée — à la Française!"))
print("naïve".encode("latin-1"), "naïve".encode("utf-16-le")[:6], "日本".encode("shift_jis"))
print(b"caf\xe9 \xff".decode("utf-8", "replace"), b"caf\xe9".decode("utf-8", "backslashreplace"))
print("日本語".center(9, "*"), sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in "日本語a"))
try:
    "snowman ☃".encode("ascii")
except UnicodeEncodeError as error:
    print(error)
unicodedata.numeric("½"), unicodedata.digit("³"), "\N{GREEK SMALL LETTER PI}"
