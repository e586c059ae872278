"""Fills the database with what fixtures find hard: quotes, newlines, other scripts, links, bytes."""

from datetime import date, datetime, timezone
from decimal import Decimal

from people.models import Person
from shop.models import Item, Order

names = ["Ada", "Größe", "O'Brien \"Bo\"", "a\nb\tc\\d", "日本", ""]
people = [
    Person.objects.create(
        name=name,
        born=date(1900 + n % 100, 2, 28) if n % 2 else None,
        seen=datetime(2026, 11, 20, 3, 0, n % 60, 123456, tzinfo=timezone.utc),
        about={"n": n, "nested": [name, None, 1.5]},
    )
    for n, name in enumerate(names * 30)
]
for n, person in enumerate(people[:100]):
    person.friends.add(people[n + 1])
items = [
    Item.objects.create(title=f"item {n}", price=Decimal(n) / 7, picture=bytes(range(n % 256)))
    for n in range(120)
]
for n in range(100):
    Order.objects.create(buyer=people[n]).items.set(items[n : n + 3])
# Whole milliseconds without microseconds are written in another way when they come back.
Order.objects.update(placed=datetime(2026, 11, 20, 3, 0, 0, 123456, tzinfo=timezone.utc))
