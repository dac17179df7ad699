# /// program
# about = "A bank with accounts, transfers, interest, statements and refused transactions."
# value = "{'Ann': Decimal('-70.50'), 'Bob': Decimal('1142.91')}"
# stdout = '''
# refused: Ann has only 29.50 available
# refused: deposit must be positive
# refused: Bob has only 1142.91 available
# 1001 Ann       -70.50
# 1002 Bob      1142.91
#   01 Jan open       1000.00
#   02 Jan deposit     120.50
#   03 Jan interest     22.41
# '''
# ///
from datetime import date
from decimal import Decimal


class TransactionRefused(Exception):
    pass


class Account:
    _next_number = 1001

    def __init__(self, owner, balance="0"):
        self.owner = owner
        self.number = Account._next_number
        Account._next_number += 1
        self._history = []
        if Decimal(balance):
            self._book("open", Decimal(balance))

    @property
    def balance(self):
        return sum((amount for _, _, amount in self._history), Decimal(0))

    def _book(self, kind, amount):
        self._history.append((date(2024, 1, 1 + len(self._history)), kind, amount))

    def deposit(self, amount):
        amount = Decimal(amount)
        if amount <= 0:
            raise TransactionRefused("deposit must be positive")
        self._book("deposit", amount)

    def withdraw(self, amount):
        amount = Decimal(amount)
        if amount > self.available:
            raise TransactionRefused(f"{self.owner} has only {self.available} available")
        self._book("withdraw", -amount)

    @property
    def available(self):
        return self.balance

    def __str__(self):
        return f"{self.number} {self.owner:<6}{self.balance:>10.2f}"


class Checking(Account):
    overdraft = Decimal(100)

    @property
    def available(self):
        return self.balance + self.overdraft


class Savings(Account):
    def __init__(self, owner, balance="0", rate="0.02"):
        super().__init__(owner, balance)
        self.rate = Decimal(rate)

    def add_interest(self):
        self._book("interest", (self.balance * self.rate).quantize(Decimal("0.01")))


class Bank:
    def __init__(self):
        self.accounts = {}

    def open(self, account):
        self.accounts[account.number] = account
        return account

    def transfer(self, source, target, amount):
        self.accounts[source].withdraw(amount)
        self.accounts[target].deposit(amount)


bank = Bank()
ann, bob = bank.open(Checking("Ann", "50")), bank.open(Savings("Bob", "1000"))
bank.transfer(ann.number, bob.number, "120.50")
bob.add_interest()
for attempt in (lambda: bank.transfer(ann.number, bob.number, 50), lambda: ann.deposit(-5), lambda: bob.withdraw(5000)):
    try:
        attempt()
    except TransactionRefused as error:
        print("refused:", error)
for account in bank.accounts.values():
    print(account)
for day, kind, amount in bob._history:
    print(f"  {day:%d %b} {kind:<9}{amount:>9.2f}")
{account.owner: account.balance for account in bank.accounts.values()}
