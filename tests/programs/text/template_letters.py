# /// program
# about = "Mail merge with string.Template, str.format and a Formatter of its own."
# stdout = '''
# Dear Ada,
# you owe $1,234.50 by 1 May.
#
# Dear Grace,
# you owe $99.00 by 2 June.
#
# ADA and <OTHER?>:    3.142
# missing 'amount'
# you owe $${amount} by $due.
# ['amount', 'due', 'name']
# '''
# ///
import string

PEOPLE = [
    {"name": "Ada", "amount": 1234.5, "due": "1 May"},
    {"name": "Grace", "amount": 99, "due": "2 June"},
]
LETTER = string.Template("Dear $name,\nyou owe $$${amount} by $due.\n")


class Shouting(string.Formatter):
    def convert_field(self, value, conversion):
        if conversion == "u":
            return str(value).upper()
        return super().convert_field(value, conversion)

    def get_value(self, key, args, kwargs):
        if isinstance(key, str):
            return kwargs.get(key, f"<{key}?>")
        return super().get_value(key, args, kwargs)


for person in PEOPLE:
    print(LETTER.substitute(person | {"amount": f"{person['amount']:,.2f}"}))
formatter = Shouting()
print(formatter.format("{name!u} and {other!u}: {0:>8.3f}", 3.14159, name="ada"))
try:
    LETTER.substitute(name="Bob")
except KeyError as error:
    print("missing", error)
print(LETTER.safe_substitute(name="Bob").splitlines()[1])
print(sorted(set(LETTER.get_identifiers())))
