# /// program
# about = "A shelf kept in a mapping that lives in a JSON file, and pickles of its own classes."
# stdout = '''
# ['ann', 'tags'] User(name='Ann', visits=1) True False
# '''
# ///
import json
import shelve
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path


class JsonStore(MutableMapping):
    """A persistent mapping of bytes to bytes, as shelve wants it."""

    def __init__(self, path):
        self.path = Path(path)
        self.data = json.loads(self.path.read_text()) if self.path.exists() else {}

    def __getitem__(self, key):
        return bytes.fromhex(self.data[key.decode()])

    def __setitem__(self, key, value):
        self.data[key.decode()] = value.hex()

    def __delitem__(self, key):
        del self.data[key.decode()]

    def __iter__(self):
        return (key.encode() for key in self.data)

    def __len__(self):
        return len(self.data)

    def sync(self):
        self.path.write_text(json.dumps(self.data))


@dataclass
class User:
    name: str
    visits: int = 0


with shelve.Shelf(JsonStore("users.json"), writeback=True) as shelf:
    shelf["ann"] = User("Ann")
    shelf["bob"] = User("Bob", 4)
    shelf["ann"].visits += 1
    shelf["tags"] = {"a", "b"}
with shelve.Shelf(JsonStore("users.json")) as shelf:
    del shelf["bob"]
    print(sorted(shelf), shelf["ann"], shelf["tags"] == {"a", "b"}, "bob" in shelf)
Path("users.json").unlink()
