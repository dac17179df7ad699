# /// program
# about = "An LRU cache on OrderedDict, with hits and evictions counted."
# value = "(1, 1, 2)"
# stdout = '''
# 1 <LRU ['b', 'a']>
# evict b
# gone <LRU ['a', 'c']>
# evict a
# <LRU ['c', 'd']>
# '''
# ///
from collections import OrderedDict


class LRUCache:
    def __init__(self, capacity):
        self.capacity = capacity
        self.items = OrderedDict()
        self.hits = self.misses = self.evicted = 0

    def get(self, key, default=None):
        try:
            self.items.move_to_end(key)
        except KeyError:
            self.misses += 1
            return default
        self.hits += 1
        return self.items[key]

    def put(self, key, value):
        self.items[key] = value
        self.items.move_to_end(key)
        if len(self.items) > self.capacity:
            old, _ = self.items.popitem(last=False)
            self.evicted += 1
            print("evict", old)

    def __repr__(self):
        return f"<LRU {list(self.items)}>"


cache = LRUCache(2)
cache.put("a", 1)
cache.put("b", 2)
print(cache.get("a"), cache)
cache.put("c", 3)
print(cache.get("b", "gone"), cache)
cache.put("d", 4)
print(cache)
vars(cache)["hits"], cache.misses, cache.evicted
