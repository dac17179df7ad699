# /// program
# about = "The everyday string methods, on text and on bytes."
# value = "(True, 'dsp', '  z|z')"
# stdout = '''
# ['The rain in Spain', 'stays mainly in the plain.'] ('The rain', ' in ', 'Spain, stays mainly in the plain.') the plain.
# 4 12 41 -1 4
# The Rain In Spain, Stays Mainly In The Plain.
# tHE RAIN IN sPAIN, STAYS MAINLY IN THE PLAIN.
# The rain in spain, stays mainly in the plain.
# The rAIN in SpAIN, stays mainly in the plain. True True
# a-b 007 -007 **x** tab bed
# True True False True True True
# ['one', 'two', 'three', 'four'] ['a', 'b', '', 'c'] ['a', 'b'] ['a b', 'c']
# example hi AcAc
# 8364 € '\xe9' "it's" c3a9 b'abc' b'3 items'
# True True ['A', 'B', 'a', 'b'] ['A', 'a', 'b', 'B'] ababab True
# '''
# ///
text = "  The rain in Spain, stays mainly in the plain.  "
clean = text.strip()
print(clean.split(", "), clean.partition(" in "), clean.rpartition(" in ")[2])
print(clean.count("ain"), clean.find("Spain"), clean.rfind("ain"), clean.find("x"), clean.index("rain"))
print(clean.title(), clean.swapcase(), clean.lower().capitalize(), sep="\n")
print(clean.replace("ain", "AIN", 2), clean.startswith(("A", "The")), clean.endswith("."))
print("-".join(["a", "b"]), "7".zfill(3), "-7".zfill(4), "x".center(5, "*"), "tab\tbed".expandtabs(4))
print("a1".isalnum(), "²".isdigit(), "²".isdecimal(), "Ⅷ".isnumeric(), "__x1".isidentifier(), " \t".isspace())
print("one\ntwo\r\nthree\u2028four".splitlines(), "a,b,,c".split(","), " a  b ".split(), "a b c".rsplit(maxsplit=1))
print("www.example.org".removeprefix("www.").removesuffix(".org"), "xxhixx".strip("x"), "abcabc".translate({97: "A", 98: None}))
print(ord("€"), chr(8364), ascii("é"), repr("it's"), "é".encode().hex(), b"ab" + bytes([99]), b"%d items" % 3)
print("b" > "a", "Z" < "a", sorted("bAaB"), sorted("bAaB", key=str.casefold), "ab" * 3, "x" in "xyz")
palindrome = "".join(c for c in "A man, a plan, a canal: Panama".lower() if c.isalnum())
palindrome == palindrome[::-1], bytes.fromhex("64 73 70").decode(), "{0:>{w}}|{0}".format("z", w=3)
