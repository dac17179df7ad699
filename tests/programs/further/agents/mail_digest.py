# /// program
# about = "Builds a mail with an attachment, parses it back, reads addresses and dates."
# value = "(['Content-Type', 'MIME-Version', 'Subject'], b'plain text')"
# stdout = '''
# Wöchentlicher Bericht ['bob@example.org', 'eve@example.org'] True
# ['multipart/mixed', 'multipart/alternative', 'text/plain', 'text/html', 'text/csv']
# ['data.csv'] All is well.
# 2024-03-12T10:00:00+01:00 ('Bob', 'bob@example.org')
# '''
# ///
from email import message_from_string
from email.message import EmailMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import default
from email.utils import formataddr, parseaddr, parsedate_to_datetime

mail = EmailMessage()
mail["Subject"] = "Wöchentlicher Bericht"
mail["From"] = formataddr(("Ada Lovelace", "ada@example.org"))
mail["To"] = "bob@example.org, eve@example.org"
mail["Date"] = "Tue, 12 Mar 2024 10:00:00 +0100"
mail.set_content("All is well.\n")
mail.add_alternative("<p>All is <b>well</b>.</p>", subtype="html")
mail.add_attachment(b"a,b\n1,2\n", maintype="text", subtype="csv", filename="data.csv")
parsed = message_from_string(mail.as_string(), policy=default)
print(parsed["subject"], [a.addr_spec for a in parsed["to"].addresses], parsed.is_multipart())
print([part.get_content_type() for part in parsed.walk()])
print([part.get_filename() for part in parsed.iter_attachments()], parsed.get_body(("plain",)).get_content().strip())
print(parsedate_to_datetime(parsed["date"]).isoformat(), parseaddr("Bob <bob@example.org>"))
old = MIMEMultipart("mixed")
old["Subject"] = "old style"
old.attach(MIMEText("plain text", "plain", "utf-8"))
list(old.keys()), old.get_payload(0).get_payload(decode=True)
