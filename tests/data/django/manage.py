#!/usr/bin/env python3
"""A small Django project, for tests/it/sources/django.rs: its fixtures go into a store and come back."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    execute_from_command_line(sys.argv)
