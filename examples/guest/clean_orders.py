"""Clean and sum up messy shop orders. Runs inside the sandbox.

Given: the file `orders.csv`, the variable `rates_to_eur` (currency code to Decimal).
Left behind: `orders_clean.csv`, `orders_rejected.csv`. Value: the report, as plain data.
"""

import csv
import difflib
import re
import statistics
from collections import Counter, defaultdict
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

CENT = Decimal("0.01")
CATEGORIES = ("Kitchen", "Garden", "Books", "Toys", "Electronics", "Clothing")
DATE_FORMATS = ("%Y-%m-%d", "%d/%m/%Y", "%d.%m.%y", "%b %d, %Y", "%Y-%m-%dT%H:%M:%SZ")
SIGNS = {"€": "EUR", "$": "USD", "£": "GBP"}
COUNTRIES = {
    **dict.fromkeys(("germany", "de", "deutschland"), "DE"),
    **dict.fromkeys(("france", "fr"), "FR"),
    **dict.fromkeys(("netherlands", "nl", "the netherlands", "holland"), "NL"),
    **dict.fromkeys(("united kingdom", "uk", "gb", "great britain"), "GB"),
    **dict.fromkeys(("united states", "us", "usa", "u.s.a."), "US"),
}
STATUSES = {"sent": "shipped", "deliverd": "delivered", "canceled": "cancelled"}
COUNTED = ("shipped", "delivered")

repairs = Counter()


class Unusable(Exception):
    """A row that cannot be saved, with the reason."""


def parse_date(text):
    for form in DATE_FORMATS:
        try:
            day = datetime.strptime(text.strip(), form).date()
        except ValueError:
            continue
        if form != DATE_FORMATS[0]:
            repairs["date rewritten"] += 1
        return day
    raise Unusable(f"no date: {text!r}" if text else "date missing")


def parse_money(text):
    """Return (amount, currency); a bare number is in euros."""
    currency = next((code for sign, code in SIGNS.items() if sign in text), None)
    if named := re.search(r"EUR|USD|GBP", text):
        currency = named[0]
    digits = re.sub(r"[^\d.,]", "", text)
    if re.search(r",\d\d$", digits):
        digits = digits.replace(".", "").replace(",", ".")
        repairs["decimal comma"] += 1
    try:
        amount = Decimal(digits.replace(",", ""))
    except InvalidOperation:
        raise Unusable(f"no price: {text!r}" if text else "price missing") from None
    return amount, currency or "EUR"


def parse_quantity(text):
    match = re.fullmatch(r"x?(-?\d+)( pcs)?", text.strip())
    if not match:
        raise Unusable(f"no quantity: {text!r}" if text else "quantity missing")
    quantity = int(match[1])
    if quantity < 1:
        raise Unusable(f"quantity below 1: {quantity}")
    if match[0] != match[1]:
        repairs["quantity rewritten"] += 1
    return quantity


def parse_discount(text):
    text = text.replace(" ", "")
    if text in ("", "-", "0"):
        return Decimal(0)
    return Decimal(text.removesuffix("%")) / 100 if text.endswith("%") else Decimal(text)


def parse_name(text):
    text = " ".join(text.split())
    if "," in text:
        last, first = text.split(", ")
        return f"{first} {last.title()}".replace(" De ", " de ")
    return text


def parse_category(text):
    text = text.strip().title()
    if text in CATEGORIES:
        return text
    close = difflib.get_close_matches(text, CATEGORIES, n=1, cutoff=0.7)
    return close[0] if close else None


def parse_email(text):
    text = text.strip().lower()
    return text if re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", text) else ""


def clean(row):
    product = " ".join(row["product"].split())
    if not product:
        raise Unusable("product missing")
    price, currency = parse_money(row["unit_price"])
    quantity, discount = parse_quantity(row["quantity"]), parse_discount(row["discount"])
    status = row["status"].strip().lower()
    revenue = quantity * price * (1 - discount) * rates_to_eur[currency]
    return {
        "order_id": "A-" + re.sub(r"\D", "", row["order_id"]),
        "date": parse_date(row["date"]),
        "customer": parse_name(row["customer"]),
        "email": parse_email(row["email"]),
        "country": COUNTRIES[row["country"].strip().lower()],
        "category": parse_category(row["category"]),
        "product": product,
        "quantity": quantity,
        "unit_price": price,
        "currency": currency,
        "discount": discount,
        "status": STATUSES.get(status, status),
        "revenue_eur": revenue.quantize(CENT, rounding=ROUND_HALF_UP),
        "note": " ".join(row["note"].split()),
    }


def read(path):
    """Return the usable rows without repeats, the rejected ones, and how many there were."""
    orders, rejected, total = {}, [], 0
    with open(path, encoding="utf-8-sig", newline="") as source:
        for total, row in enumerate(csv.DictReader(source), 1):
            try:
                order = clean(row)
            except Unusable as reason:
                rejected.append({"row": total, "order_id": row["order_id"], "reason": str(reason)})
                continue
            if order["order_id"] in orders:
                repairs["duplicate dropped"] += 1
            else:
                orders[order["order_id"]] = order
    return list(orders.values()), rejected, total


def agree_on_products(orders):
    """Give every product the spelling and the category that most of its orders have."""
    spellings, categories = defaultdict(Counter), defaultdict(Counter)
    for order in orders:
        key = order["product"].casefold()
        spellings[key][order["product"]] += 1
        if order["category"]:
            categories[key][order["category"]] += 1
    for order in orders:
        key = order["product"].casefold()
        order["product"] = spellings[key].most_common(1)[0][0]
        category = categories[key].most_common(1)[0][0]
        if order["category"] != category:
            repairs["category filled in" if not order["category"] else "category corrected"] += 1
            order["category"] = category


def write(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def total_by(orders, key):
    totals = defaultdict(Decimal)
    for order in orders:
        totals[key(order)] += order["revenue_eur"]
    return dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))


orders, rejected, total = read("orders.csv")
agree_on_products(orders)
orders.sort(key=lambda order: (order["date"], order["order_id"]))
write("orders_clean.csv", orders)
write("orders_rejected.csv", rejected)
print(f"{total} rows read, {len(orders)} orders kept, {len(rejected)} rejected")

sold = [order for order in orders if order["status"] in COUNTED]
by_month = total_by(sold, lambda order: order["date"].replace(day=1))
values = [order["revenue_eur"] for order in sold]
{
    "rows": total,
    "orders": len(orders),
    "sold": len(sold),
    "rejected": dict(Counter(r["reason"].partition(":")[0] for r in rejected)),
    "repairs": dict(repairs.most_common()),
    "revenue": sum(values),
    "median_order": statistics.median(values),
    "largest_order": max(values),
    "by_category": total_by(sold, lambda order: order["category"]),
    "by_country": total_by(sold, lambda order: order["country"]),
    "by_month": {month: by_month[month] for month in sorted(by_month)},
    "by_product": dict(list(total_by(sold, lambda order: order["product"]).items())[:5]),
    "customers": len({order["customer"] for order in orders}),
    "without_email": sum(not order["email"] for order in orders),
    "first_day": min((order["date"] for order in orders), default=date.min),
    "last_day": max((order["date"] for order in orders), default=date.min),
}
