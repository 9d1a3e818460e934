"""Comparisons with independent implementations; see README.md.

NumPyro is loaded here because nutpie and ArviZ register a lazy module in its place:
its parts, when imported through that, are executed twice and lose their submodules.
"""

import numpyro as numpyro
