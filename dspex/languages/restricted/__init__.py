"""The first wall of restricted Python: what a program may say, name and import.

`names` is the policy in words, `transformer` applies it to source, `guards` to what only shows at
run time, `exports` says which modules there are. Everything here is judged from a list: what nobody
judged is refused. The second wall, the jail, is `dspex.worker`'s, and it is the one that counts.
"""
