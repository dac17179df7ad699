# /// program
# about = "base64, hex, quoted-printable, ascii85, pickle and a mail message."
# value = "'Grüße'"
# stdout = '''
# ABEiM0RVZneImaq7zN3u/w== -_8=
# NBSWY3DP Xk~0{Zv 00:11:22:33
# Incorrect padding
# =C3=A9=3D1
# Basket ann egg True 2
# multipart/mixed ['text/plain', 'text/csv']
# '''
# ///
import base64
import binascii
import pickle
import quopri
from email import message_from_string
from email.message import EmailMessage

data = bytes(range(0, 256, 17))
print(base64.b64encode(data).decode(), base64.urlsafe_b64encode(b"\xfb\xff").decode())
print(base64.b32encode(b"hello").decode(), base64.b85encode(b"hello").decode(), data.hex(":")[:11])
try:
    base64.b64decode("abc")
except binascii.Error as error:
    print(error)
print(quopri.encodestring("é=1".encode()).decode())


class Basket:
    def __init__(self, owner):
        self.owner, self.items = owner, []

    def __getstate__(self):
        return {"owner": self.owner, "items": self.items, "version": 2}

    def __setstate__(self, state):
        self.__dict__.update(state)


basket = Basket("ann")
basket.items += ["egg", basket]
copy = pickle.loads(pickle.dumps(basket))
print(type(copy).__name__, copy.owner, copy.items[0], copy.items[1] is copy, copy.version)

mail = EmailMessage()
mail["Subject"], mail["From"], mail["To"] = "Grüße", "a@example.org", "b@example.org"
mail.set_content("Hello\nworld\n")
mail.add_attachment(b"1,2\n", maintype="text", subtype="csv", filename="x.csv")
parsed = message_from_string(mail.as_string())
print(parsed.get_content_type(), [part.get_content_type() for part in parsed.walk()][1:])
mail["Subject"]
