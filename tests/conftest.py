"""The profiles of hypothesis.

`quick` is the same examples in every run. `pytest --hypothesis-profile=long tests/language
tests/editor -k any` hunts through many new ones; what it finds, it finds first the next time.
"""

from hypothesis import settings

settings.register_profile("quick", max_examples=150, deadline=None, derandomize=True, database=None)
settings.register_profile("long", max_examples=20_000, deadline=None, print_blob=True)
settings.load_profile("quick")
