from django.db import models


class Item(models.Model):
    title = models.TextField(unique=True)
    price = models.DecimalField(max_digits=12, decimal_places=2)
    picture = models.BinaryField(null=True)


class Order(models.Model):
    buyer = models.ForeignKey("people.Person", on_delete=models.PROTECT)
    items = models.ManyToManyField(Item)
    placed = models.DateTimeField(auto_now_add=True)
