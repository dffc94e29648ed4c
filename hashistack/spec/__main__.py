"""`python -m hashistack.spec`: prints the JSON Schema of a specification."""

import sys

from hashistack.spec.schema import text

sys.stdout.write(text())
