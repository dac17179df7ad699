# /// program
# about = "Reads its settings from environment variables, changes and removes them."
# value = "(None, True, False)"
# stdout = '''
# {'lang': 'fr_FR.UTF-8', 'lc_all': 'café=1; $x', 'app_colour': 'blue', 'app_limit': 100}
# bonjour
# red red red/fr_FR.UTF-8/$NO
# unset: 'APP_COLOUR'
# str expected, not int
# '''
# [env]
# "LANG" = "fr_FR.UTF-8"
# "LC_ALL" = "café=1; $x"
# ///
import os

GREETINGS = {"en": "hello", "fr": "bonjour", "de": "hallo"}
DEFAULTS = {"LANG": "en_GB", "LC_ALL": "", "APP_COLOUR": "blue", "APP_LIMIT": "100"}


def settings():
    return {key.lower(): os.environ.get(key, value) for key, value in DEFAULTS.items()}


found = settings()
found["app_limit"] = int(found["app_limit"])
print(found)
print(GREETINGS[found["lang"].partition("_")[0]])
os.environ["APP_COLOUR"] = "red"
print(os.getenv("APP_COLOUR"), settings()["app_colour"], os.path.expandvars("$APP_COLOUR/${LANG}/$NO"))
del os.environ["APP_COLOUR"]
try:
    os.environ["APP_COLOUR"]
except KeyError as error:
    print("unset:", error)
try:
    os.environ["APP_LIMIT"] = 5
except TypeError as error:
    print(error)
os.environ.get("NOT_THERE"), "LANG" in os.environ, "APP_LIMIT" in os.environ
