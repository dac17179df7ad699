# /// program
# about = "Configuration in INI and TOML: defaults, interpolation, overrides, types."
# value = "{'title': 'Example', 'when': datetime.datetime(2024, 5, 1, 10, 0, tzinfo=datetime.timezone.utc), 'server': [{'name': 'a', 'ports': [80, 443]}, {'name': 'b', 'limits': {'cpu': 1.5}}]}"
# stdout = '''
# ['web', 'worker'] 8080 /srv/static ['a.example.org', 'b.example.org']
# False True none
# 14 True
# DuplicateSectionError a 3
# ['a', 'b'] {'cpu': 1.5}
# bad TOML: at end of document
# '''
# [files]
# "app.ini" = '''
# [DEFAULT]
# root = /srv
# debug = no
#
# [web]
# port = 8080
# static = %(root)s/static
# hosts =
#     a.example.org
#     b.example.org
#
# [worker]
# debug = yes
# '''
# "app.toml" = '''
# title = "Example"
# when = 2024-05-01T10:00:00Z
#
# [[server]]
# name = "a"
# ports = [80, 443]
#
# [[server]]
# name = "b"
# limits = { cpu = 1.5 }
# '''
# ///
import configparser
import io
import tomllib

config = configparser.ConfigParser()
config.read("app.ini")
web = config["web"]
print(config.sections(), web.getint("port"), web["static"], web["hosts"].split())
print(config.getboolean("web", "debug"), config.getboolean("worker", "debug"), config.get("web", "x", fallback="none"))
config["web"]["port"] = "9090"
out = io.StringIO()
config.write(out)
print(out.getvalue().count("\n"), "port = 9090" in out.getvalue())
try:
    configparser.ConfigParser().read_string("[a]\nx=1\n[a]\n")
except configparser.DuplicateSectionError as error:
    print(type(error).__name__, error.section, error.lineno)

with open("app.toml", "rb") as file:
    data = tomllib.load(file)
print([s["name"] for s in data["server"]], data["server"][1]["limits"])
try:
    tomllib.loads("a = ")
except tomllib.TOMLDecodeError as error:
    print("bad TOML:", str(error).split("(")[1].rstrip(")"))
data
