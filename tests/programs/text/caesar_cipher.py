# /// program
# about = "Encrypts, decrypts and breaks a Caesar cipher by letter frequency."
# value = "True"
# stdout = '''
# Xppe xp le esp zwo mctorp lqepc xtoytrse, lyo mctyr esp wpeepcd.
# key 11
# Meet me at the old bridge after midnight, and bring the letters.
# '''
# ///
import string

ENGLISH = "etaoinshrdlcumwfgypbvkjxqz"


def shift(text, key):
    lower = string.ascii_lowercase
    upper = string.ascii_uppercase
    key %= 26
    table = str.maketrans(lower + upper, lower[key:] + lower[:key] + upper[key:] + upper[:key])
    return text.translate(table)


def crack(text):
    def score(candidate):
        return sum(26 - ENGLISH.index(c) for c in candidate.lower() if c.isalpha())

    return max(range(26), key=lambda key: score(shift(text, -key)))


message = "Meet me at the old bridge after midnight, and bring the letters."
secret = shift(message, 11)
print(secret)
key = crack(secret)
print("key", key)
print(shift(secret, -key))
shift(secret, -key) == message
