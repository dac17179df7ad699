"""Make `data/orders.csv`: 4,000 rows of web-shop orders as messy as exports really are.

Every order is made cleanly first and soiled afterwards, so the true totals are known: `truth()`
gives them, and a test compares them with what the cleaning program finds. The same seed always
gives the same file.

    python examples/make_orders.py
"""

from __future__ import annotations

import csv
import io
import random
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

SEED = 20240601
ROWS = 4_000
DUPLICATES = 140
UNUSABLE = 75
DATA = Path(__file__).parent / "data" / "orders.csv"
RATES_TO_EUR = {"EUR": Decimal(1), "USD": Decimal("0.92"), "GBP": Decimal("1.17")}
CENT = Decimal("0.01")

COLUMNS = (
    *("order_id", "date", "customer", "email", "country", "category", "product"),
    *("quantity", "unit_price", "discount", "status", "note"),
)
CATALOGUE = {
    "Kitchen": {"Cast-iron pan": "49.90", "Chef's knife": "79.00", "Tea kettle": "34.50"},
    "Garden": {"Hedge shears": "27.95", "Watering can 10 l": "18.40", "Seed set, herbs": "9.99"},
    "Books": {"Atlas of Birds": "39.00", "The Long Winter": "12.50", 'Cooking "al dente"': "24.00"},
    "Toys": {"Wooden train": "44.95", "Puzzle 1000": "16.99", "Kite": "22.00"},
    "Electronics": {"Desk lamp LED": "59.00", "Headphones": "129.00", "E-reader": "1149.00"},
    "Clothing": {"Rain jacket": "89.95", "Wool socks (3)": "19.90", "Straw hat": "29.00"},
}
COUNTRIES = {
    "DE": ("Germany", "DE", "Deutschland", "germany "),
    "FR": ("France", "FR", "FRANCE"),
    "NL": ("Netherlands", "NL", "The Netherlands", "Holland"),
    "GB": ("United Kingdom", "UK", "GB", "Great Britain"),
    "US": ("United States", "US", "USA", "U.S.A."),
}
CURRENCY_OF = {"DE": "EUR", "FR": "EUR", "NL": "EUR", "GB": "GBP", "US": "USD"}
FIRST = ("Jana", "Luc", "Sophie", "Tom", "Aïcha", "Miguel", "Zoë", "Karl", "Emma", "Björn")
LAST = ("Müller", "Dubois", "de Vries", "Smith", "Okafor", "García", "Łukasik", "O'Neil")
STATUSES = {
    "shipped": ("shipped", "Shipped", "SHIPPED", "sent"),
    "delivered": ("delivered", "Delivered", "deliverd"),
    "cancelled": ("cancelled", "canceled", "CANCELLED"),
    "returned": ("returned", "Returned"),
}
NOTES = (
    *("", "", "", "", "", "gift wrap, please", 'leave with "Mrs. Hill"', "call first; bell broken"),
    "two lines:\nsecond one",
)
TYPOS = {
    "Kitchen": ("Kichen", "kitchn"),
    "Garden": ("Gardn", "Gardening"),
    "Books": ("Book", "Boks"),
    "Toys": ("Toyz", "toy"),
    "Electronics": ("Electroncs", "Elektronics"),
    "Clothing": ("Cloting", "Clothng"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order as it really was."""

    number: int
    day: date
    customer: str
    country: str
    category: str
    product: str
    quantity: int
    price: Decimal
    discount_percent: int
    status: str
    note: str

    @property
    def counts(self) -> bool:
        """Whether the order brought money in."""
        return self.status in {"shipped", "delivered"}

    @property
    def revenue_eur(self) -> Decimal:
        """Money that the order brought in, rounded to cents half up."""
        kept = Decimal(100 - self.discount_percent) / 100
        rate = RATES_TO_EUR[CURRENCY_OF[self.country]]
        amount = self.quantity * self.price * kept * rate
        return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def clean_orders() -> list[Order]:
    """Return the orders before anything went wrong with them."""
    rng = random.Random(SEED)
    orders = []
    for number in range(ROWS - DUPLICATES - UNUSABLE):
        category = rng.choices(list(CATALOGUE), weights=(6, 4, 5, 3, 3, 4))[0]
        product, list_price = rng.choice(list(CATALOGUE[category].items()))
        orders.append(
            Order(
                number=10_000 + number,
                day=date(2024, 1, 1) + timedelta(days=int(rng.triangular(0, 181, 140))),
                customer=f"{rng.choice(FIRST)} {rng.choice(LAST)}",
                country=rng.choices(list(COUNTRIES), weights=(9, 4, 3, 3, 2))[0],
                category=category,
                product=product,
                quantity=min(rng.choice((1, 1, 1, 1, 2, 2, 3, 4, 10)), 10),
                price=Decimal(list_price) + rng.choice((0, 0, 0, 1, -1)),
                discount_percent=rng.choice((0, 0, 0, 0, 5, 10, 25)),
                status=rng.choices(list(STATUSES), weights=(5, 12, 1, 1))[0],
                note=rng.choice(NOTES),
            )
        )
    return orders


def soil(order: Order, rng: random.Random) -> dict[str, str]:
    """Write one order down as one of several careless systems would."""
    first, _, last = order.customer.partition(" ")
    address = f"{first}.{last.replace(' ', '')}@example.org".lower()
    category = rng.choices(
        (
            *(order.category, order.category.upper(), f" {order.category.lower()} "),
            *(rng.choice(TYPOS[order.category]), "", rng.choice(("misc", "???", "Toys"))),
        ),
        weights=(70, 8, 6, 8, 5, 3),
    )[0]
    return {
        "order_id": rng.choices((f"A-{order.number}", f"a{order.number}"), weights=(9, 1))[0],
        "date": _date_text(order.day, rng),
        "customer": rng.choices(
            (order.customer, f"{last.upper()}, {first}", f"  {order.customer} "), weights=(7, 2, 1)
        )[0],
        "email": rng.choices(
            (address, address.upper(), "", address.replace("@", "(at)")), weights=(80, 6, 10, 4)
        )[0],
        "country": rng.choice(COUNTRIES[order.country]),
        "category": category,
        "product": rng.choices(
            (order.product, order.product.upper(), order.product + " "), weights=(18, 1, 1)
        )[0],
        "quantity": rng.choices(
            (str(order.quantity), f"{order.quantity} pcs", f"x{order.quantity}"), weights=(8, 1, 1)
        )[0],
        "unit_price": _price_text(order, rng),
        "discount": _discount_text(order.discount_percent, rng),
        "status": rng.choice(STATUSES[order.status]),
        "note": order.note,
    }


def _date_text(day: date, rng: random.Random) -> str:
    formats = ("%Y-%m-%d", "%d/%m/%Y", "%d.%m.%y", "%b %d, %Y", "%Y-%m-%dT09:30:00Z")
    return day.strftime(rng.choices(formats, weights=(10, 4, 3, 2, 1))[0])


def _price_text(order: Order, rng: random.Random) -> str:
    currency = CURRENCY_OF[order.country]
    sign = {"EUR": "€", "USD": "$", "GBP": "£"}[currency]
    english = f"{order.price:,.2f}"
    continental = english.translate(str.maketrans(",.", ".,"))
    choices = [f"{sign}{english}", f"{currency} {english}", f"{english}{sign}"]
    if currency == "EUR":
        choices += [f"{continental} €", english, f"{continental}\N{NO-BREAK SPACE}EUR"]
    return rng.choice(choices)


def _discount_text(percent: int, rng: random.Random) -> str:
    if not percent:
        return rng.choice(("", "0", "-", "0%"))
    return rng.choice((f"{percent}%", f"{percent} %", f"{percent / 100}"))


def spoil(row: dict[str, str], number: int, rng: random.Random) -> dict[str, str]:
    """Return a row that no cleaning can save, under an order number of its own."""
    key, value = rng.choice(
        (
            *(("date", "31/02/2024"), ("date", ""), ("quantity", ""), ("quantity", "many")),
            *(("quantity", "-3"), ("unit_price", ""), ("unit_price", "ask Karl")),
            ("product", ""),
        )
    )
    return {**row, "order_id": f"A-{number}", key: value}


def rows() -> list[dict[str, str]]:
    """Return all rows of the file, in the order in which they stand there."""
    orders = clean_orders()
    rng = random.Random(SEED + 1)
    dirty = [soil(order, rng) for order in orders]
    dirty += [soil(order, rng) for order in rng.sample(orders, DUPLICATES // 2)]
    dirty += [dict(row) for row in rng.sample(dirty, DUPLICATES - DUPLICATES // 2)]
    dirty += [spoil(rng.choice(dirty), 90_000 + n, rng) for n in range(UNUSABLE)]
    rng.shuffle(dirty)
    return dirty


def truth() -> dict[str, Decimal]:
    """Return the revenue in euros of each category, as it really was."""
    totals = dict.fromkeys(CATALOGUE, Decimal(0))
    for order in clean_orders():
        if order.counts:
            totals[order.category] += order.revenue_eur
    return totals


def csv_text() -> str:
    """Return the whole file as text, byte order mark first, as office programs write it."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows())
    return "\N{ZERO WIDTH NO-BREAK SPACE}" + out.getvalue()


if __name__ == "__main__":
    DATA.parent.mkdir(exist_ok=True)
    DATA.write_text(csv_text(), encoding="utf-8", newline="")
