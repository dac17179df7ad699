# /// program
# about = "A seeded random generator gives the same samples everywhere."
# value = "True"
# stdout = '''
# [4, 2, 6, 5, 3, 2, 6, 4, 6, 3]
# [0.53318, 0.636148, 0.735242] -0.745292 0.231303
# ['3D', 'QD', 'QC', '3H', '2H'] QH [17, 25, 47, 63]
# 8
# True
# True
# 3.128
# '''
# ///
import random

random.seed(2024)
print([random.randint(1, 6) for _ in range(10)])
print([round(random.random(), 6) for _ in range(3)], round(random.gauss(0, 1), 6), round(random.uniform(-1, 1), 6))
deck = [rank + suit for suit in "SHDC" for rank in "A23456789TJQK"]
random.shuffle(deck)
print(deck[:5], random.choice(deck), random.sample(range(100), 4))
print(random.choices(["red", "blue"], weights=[9, 1], k=8).count("red"))
one, two = random.Random("seed"), random.Random("seed")
print([one.randrange(1000) for _ in range(4)] == [two.randrange(1000) for _ in range(4)])
state = random.getstate()
first = [random.getrandbits(16) for _ in range(3)]
random.setstate(state)
print(first == [random.getrandbits(16) for _ in range(3)])
inside = sum(random.random() ** 2 + random.random() ** 2 <= 1 for _ in range(20_000))
print(4 * inside / 20_000)
free = random.SystemRandom().random()
0 <= free < 1
