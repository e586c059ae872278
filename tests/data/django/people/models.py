from django.db import models


class Person(models.Model):
    name = models.CharField(max_length=200)
    born = models.DateField(null=True)
    seen = models.DateTimeField(null=True)
    about = models.JSONField(default=dict)
    friends = models.ManyToManyField("self")
