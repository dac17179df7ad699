"""Rewrites the standard library's archive with compiled modules; run by the guest itself.

The guest's own compiler makes byte code that fits the guest. Each source stays beside its byte
code, so that `inspect` and tracebacks can show it; the byte code is marked as never to be checked
against it. Expects `SOURCE`, `TARGET`, `ORIGIN`, `LEAVE_OUT` (top-level names), `EDITS` and `EXTRA` to be defined.
"""


import importlib.util
import importlib._bootstrap_external as bootstrap
import sys
import zipfile

source = zipfile.ZipFile(SOURCE)
target = zipfile.ZipFile(TARGET, "w")
moment = (1980, 1, 1, 0, 0, 0)


def put(name, data, method):
    info = zipfile.ZipInfo(name, moment)
    info.external_attr = 0o444 << 16
    target.writestr(info, data, method, 6)


for name in sorted(source.namelist()):
    top = name.split("/")[0].removesuffix(".py")
    if name.endswith("/") or top in LEAVE_OUT or name.endswith(".pyc"):
        continue
    data = source.read(name)
    for edit in EDITS:
        if edit["file"] == name:
            assert edit["old"].encode() in data, edit
            data = data.replace(edit["old"].encode(), edit["new"].encode())
    if name.endswith(".py"):
        code = compile(data, f"{ORIGIN}/{name}", "exec", dont_inherit=True, optimize=0)
        digest = importlib.util.source_hash(data)
        put(name + "c", bytes(bootstrap._code_to_hash_pyc(code, digest, False)), zipfile.ZIP_STORED)
    put(name, data, zipfile.ZIP_DEFLATED)
for name, data in EXTRA.items():
    put(name, data, zipfile.ZIP_DEFLATED)
target.close()
sys.stdout.flush()
