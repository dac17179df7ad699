# /// program
# about = "A program that does some work and then ends by its own uncaught exception."
# stdout = '''
# starting
# first one is fine
# '''
# [raises]
# "type" = "ConfigError"
# "message" = "missing setting: 'port'"
# ///
class ConfigError(Exception):
    pass


def load(settings):
    for key in ("host", "port"):
        if key not in settings:
            raise ConfigError(f"missing setting: {key!r}")
    return settings


print("starting")
load({"host": "localhost", "port": 80})
print("first one is fine")
load({"host": "localhost"})
print("never reached")
