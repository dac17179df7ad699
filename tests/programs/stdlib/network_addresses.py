# /// program
# about = "ipaddress, urllib.parse, mimetypes, shlex, http status names: no network needed."
# value = "'192.168.2.7'"
# stdout = '''
# 1024 255.255.252.0 True
# ['192.168.4.0/24', '192.168.5.0/24', '192.168.6.0/24', '192.168.7.0/24'] 192.168.4.1
# True 2001:0db8:0000:0000:0000:0000:0000:00ff
# ['10.0.0.0/24']
# ValueError
# ValueError
# ['cp', 'my file', 'b c', '--flag=x y'] 'it'"'"'s' 'a b' c
# image/jpeg ('application/x-tar', 'gzip')
# 404 418 OK
# host 8443 user https://host/a/b;p?q=1
# '''
# ///
import http
import ipaddress
import mimetypes
import shlex
from urllib.parse import urlunsplit, urlsplit

network = ipaddress.ip_network("192.168.4.0/22")
print(network.num_addresses, network.netmask, ipaddress.ip_address("192.168.6.7") in network)
print([str(n) for n in network.subnets(new_prefix=24)], next(network.hosts()))
print(ipaddress.ip_address("::1").is_loopback, ipaddress.ip_address("2001:db8::ff").exploded)
print(list(map(str, ipaddress.collapse_addresses([ipaddress.ip_network("10.0.0.0/25"), ipaddress.ip_network("10.0.0.128/25")]))))
for bad in ("256.1.1.1", "10.0.0.0/33"):
    try:
        ipaddress.ip_interface(bad)
    except ValueError as error:
        print(type(error).__name__)
print(shlex.split("cp 'my file' \"b c\" --flag=x\\ y"), shlex.quote("it's"), shlex.join(["a b", "c"]))
print(mimetypes.guess_type("photo.jpeg")[0], mimetypes.guess_type("x.tar.gz"))
print(http.HTTPStatus.NOT_FOUND, int(http.HTTPStatus(418)), http.HTTPStatus.OK.phrase)
parts = urlsplit("https://user:pw@host:8443/a/b;p?q=1#frag")
print(parts.hostname, parts.port, parts.username, urlunsplit(parts._replace(netloc="host", fragment="")))
str(ipaddress.IPv4Address(3232236039))
