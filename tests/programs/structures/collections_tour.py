# /// program
# about = "deque, ChainMap, Counter arithmetic, defaultdict, namedtuple, OrderedDict, UserDict."
# value = "('text/html', {'content-type': 'text/html', 'accept': '*/*'}, (1, 2, 0))"
# stdout = '''
# deque([5, 3, 4], maxlen=3) 5
# True {'user': 'admin', 'debug': True}
# Counter({'apple': 2}) Counter({'apple': 3, 'pear': 2}) Counter({'apple': 5, 'pear': 4}) Counter({'b': 2}) 7
# ['apple', 'apple'] 0
# 4 0
# Point(x=1, y=2, z=0) Point(x=1, y=2, z=9) {'x': 1, 'y': 2, 'z': 0} ('x', 'y', 'z')
# ['b', 'c', 'a'] True True
# '''
# ///
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque, namedtuple

recent = deque(maxlen=3)
for n in range(6):
    recent.append(n)
recent.rotate(1)
print(recent, recent[0])

defaults = {"colour": "red", "user": "guest"}
settings = ChainMap({"user": "admin"}, {}, defaults)
settings["debug"] = True
print(dict(settings) == {"colour": "red", "user": "admin", "debug": True}, settings.maps[0])

stock, sold = Counter(apple=5, pear=2), Counter(apple=3, pear=4)
print(stock - sold, stock & sold, stock | sold, +Counter(a=-1, b=2), stock.total())
stock.subtract(sold)
print(sorted(stock.elements()), stock["kiwi"])

tree = lambda: defaultdict(tree)
animals = tree()
animals["cat"]["lion"]["legs"] = 4
print(animals["cat"]["lion"]["legs"], len(animals["dog"]))

Point = namedtuple("Point", "x y z", defaults=[0])
p = Point(1, 2)
print(p, p._replace(z=9), p._asdict(), Point._fields)

order = OrderedDict.fromkeys("abc")
order.move_to_end("a")
print(list(order), order == OrderedDict.fromkeys("bca"), dict(order) == dict.fromkeys("abc"))


class CaseInsensitive(UserDict):
    def __setitem__(self, key, value):
        super().__setitem__(key.lower(), value)

    def __getitem__(self, key):
        return super().__getitem__(key.lower())


headers = CaseInsensitive({"Content-Type": "text/html"})
headers.update(ACCEPT="*/*")
headers["content-TYPE"], dict(headers), p
