# /// program
# about = "Common extractions: mail addresses, dates, phone numbers, look-around, substitution by function."
# value = "[True, False, False, False]"
# stdout = '''
# ['Jane.Doe+shop@example.co.uk', 'bob@example.org']
# ['442079460958', '5551234567', '5559876543']
# [{'y': '2024', 'm': '02', 'd': '29'}, {'y': '1999', 'm': '12', 'd': '31'}]
# [1299.99, 5.0] 1304.99
# Contact: J************@example.co.uk or b**@example.org; not @home or a@b.
# 2023-02-29
# ['a', 'b', 'c', 'd'] ['1', '-', '2', '-', '3']
# True
# '''
# ///
import re

TEXT = """
Contact: Jane.Doe+shop@example.co.uk or bob@example.org; not @home or a@b.
Phones: +44 20 7946 0958, (555) 123-4567, 555.987.6543.
Dates: 2024-02-29, 29/02/2023, 1999-12-31. Price: $1,299.99 and $5.
"""

mails = re.findall(r"\b[\w.+-]+@[\w-]+\.[\w.-]*\w\b", TEXT)
print(mails)
phones = [re.sub(r"\D", "", p) for p in re.findall(r"(?:\+\d{2}[ \d]+|\(?\d{3}\)?[ .-]\d{3}[.-]\d{4})", TEXT)]
print(phones)
dates = [m.groupdict() for m in re.finditer(r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)", TEXT)]
print(dates)
prices = [float(p.replace(",", "")) for p in re.findall(r"(?<=\$)[\d,]+(?:\.\d\d)?", TEXT)]
print(prices, sum(prices))


def redact(match):
    user, host = match[0].split("@")
    return user[0] + "*" * (len(user) - 1) + "@" + host


print(re.sub(r"\b[\w.+-]+@example\.\w+(?:\.\w+)?", redact, TEXT).splitlines()[1])
print(re.sub(r"(\d\d)/(\d\d)/(\d{4})", r"\3-\2-\1", "29/02/2023"))
print(re.split(r"\s*[;,]\s*", "a ,b;c ; d"), re.split(r"(-)", "1-2-3"))
print(re.fullmatch(r"(?i)[a-z]+(?![0-9])", "HeLLo") is not None)
strong = re.compile(r"(?=.*\d)(?=.*[a-z])(?=.*[A-Z])(?=.*[^\w]).{8,}")
[bool(strong.fullmatch(p)) for p in ("Passw0rd!", "password", "Sh0rt!", "NoDigits!!")]
