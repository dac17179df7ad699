# /// program
# about = "Shallow and deep copies, cycles, __copy__ and __deepcopy__, slices, aliasing."
# value = "([1, 2, 3], [1, 2], False, True)"
# stdout = '''
# [[1, 0], [1, 0]] [[0, 0], [0, 0]]
# {'list': [1, 2, 9], 'tuple': ([3, 9],)} {'list': [1, 2], 'tuple': ([3],)}
# a' b' True False
# True False [1, [...]]
# '''
# ///
import copy


class Graph:
    def __init__(self, name):
        self.name, self.links, self.cache = name, [], object()

    def __deepcopy__(self, memo):
        twin = type(self)(self.name + "'")
        memo[id(self)] = twin
        twin.links = copy.deepcopy(self.links, memo)
        return twin


matrix = [[0] * 2] * 2
matrix[0][0] = 1
print(matrix, [[0] * 2 for _ in range(2)])
original = {"list": [1, 2], "tuple": ([3],)}
shallow, deep = copy.copy(original), copy.deepcopy(original)
original["list"].append(9)
original["tuple"][0].append(9)
print(shallow, deep)
a, b = Graph("a"), Graph("b")
a.links, b.links = [b], [a]
twin = copy.deepcopy(a)
print(twin.name, twin.links[0].name, twin.links[0].links[0] is twin, twin.cache is a.cache)
loop = [1]
loop.append(loop)
again = copy.deepcopy(loop)
print(again[1] is again, again[1] is loop, again)
x = y = [1]
x += [2]
x = x + [3]
x, y, y is copy.copy(y), copy.copy(2**70) == 2**70
