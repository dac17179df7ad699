"""Fuzzing of everything that reads hostile bytes, and of the guest's system calls.

`python -m fuzz all --seconds 5` is the short round; README.md tells the rest. Each target is one
file that says what must hold for any bytes; `rounds` makes the bytes, `mutation` changes known ones.
"""
