# /// program
# about = "A vending machine as a state machine driven by a script of events."
# stdin = '''
# coin 50
# coin 30
# press cola
# press water
# coin 100
# press cola
# refund
# kick
# '''
# value = "(['water'], 0, {'cola': (120, 1), 'water': (40, 4)})"
# stdout = '''
# coin 50      -> credit 50
# coin 30      -> coin 30 rejected
# press cola   -> 70 more for cola
# press water  -> enjoy your water
# coin 100     -> credit 110
# press cola   -> 10 more for cola
# refund       -> returned [100, 10]
# kick         -> unknown event 'kick'
# '''
# ///
import sys


class VendingMachine:
    COINS = (100, 50, 20, 10)

    def __init__(self, stock):
        self.stock, self.credit, self.sold = stock, 0, []

    def handle(self, line):
        event, _, argument = line.partition(" ")
        handler = getattr(self, f"on_{event}", None)
        if handler is None:
            return f"unknown event {event!r}"
        return handler(argument)

    def on_coin(self, value):
        if int(value) not in self.COINS:
            return f"coin {value} rejected"
        self.credit += int(value)
        return f"credit {self.credit}"

    def on_press(self, name):
        price, left = self.stock[name]
        if not left:
            return f"{name} sold out"
        if self.credit < price:
            return f"{price - self.credit} more for {name}"
        self.credit -= price
        self.stock[name] = (price, left - 1)
        self.sold.append(name)
        return f"enjoy your {name}"

    def on_refund(self, _):
        coins = []
        for coin in self.COINS:
            count, self.credit = divmod(self.credit, coin)
            coins += [coin] * count
        return f"returned {coins}"


machine = VendingMachine({"cola": (120, 1), "water": (40, 5)})
for line in sys.stdin:
    print(f"{line.strip():<12} -> {machine.handle(line.strip())}")
machine.sold, machine.credit, machine.stock
