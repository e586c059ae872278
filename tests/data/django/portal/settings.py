"""The least that a project with two apps needs; the database is what PG* variables say."""

import os

SECRET_KEY = "only for tests"
INSTALLED_APPS = ["people", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"]}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
