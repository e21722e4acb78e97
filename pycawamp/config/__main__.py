"""`python -m pycawamp.config`: the table of all options, for docs/operations.md."""

from pycawamp.config.describe import table
from pycawamp.config.options import OPTIONS

print(table(OPTIONS), end="")
