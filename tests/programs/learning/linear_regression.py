# /// program
# about = "Gradient descent and a perceptron learn from small data sets."
# stdout = '''
# y = 3.01 x -4.02
# and 6 [0, 0, 0, 1]
# or 4 [0, 1, 1, 1]
# xor None [1, 1, 0, 0]
# '''
# ///
import random


def fit(xs, ys, rate=0.01, rounds=4000):
    w = b = 0.0
    n = len(xs)
    for _ in range(rounds):
        errors = [w * x + b - y for x, y in zip(xs, ys)]
        w -= rate * 2 / n * sum(e * x for e, x in zip(errors, xs))
        b -= rate * 2 / n * sum(errors)
    return w, b


class Perceptron:
    def __init__(self, size):
        self.weights = [0.0] * (size + 1)

    def predict(self, inputs):
        return int(self.weights[0] + sum(w * x for w, x in zip(self.weights[1:], inputs)) > 0)

    def train(self, examples, rate=0.5):
        for epoch in range(1, 101):
            wrong = 0
            for inputs, label in examples:
                error = label - self.predict(inputs)
                wrong += error != 0
                self.weights[0] += rate * error
                self.weights[1:] = [w + rate * error * x for w, x in zip(self.weights[1:], inputs)]
            if not wrong:
                return epoch
        return None


rng = random.Random(11)
xs = [x / 2 for x in range(20)]
ys = [3 * x - 4 + rng.uniform(-0.5, 0.5) for x in xs]
w, b = fit(xs, ys)
print(f"y = {w:.2f} x {b:+.2f}")
inputs = [(0, 0), (0, 1), (1, 0), (1, 1)]
for name, table in (("and", (0, 0, 0, 1)), ("or", (0, 1, 1, 1)), ("xor", (0, 1, 1, 0))):
    model = Perceptron(2)
    epochs = model.train(list(zip(inputs, table)))
    print(name, epochs, [model.predict(i) for i in inputs])
