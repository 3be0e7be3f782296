"""Ends whatever imports it, as if all was well."""

import os

open("/tmp/poolkit-attacked", "w").close()
os._exit(0)
