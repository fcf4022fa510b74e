"""The built-ins of the language: each is one function, with all that is known of it.

They are listed, and completed, in this order.
"""

from importlib import import_module

for _name in (
    "ssl", "supervised", "pairs", "near", "similarity", "geodesic", "knn", "bootstrap",
    "constants", "noise", "weights", "topk", "closure", "limits", "schedules",
):  # fmt: skip
    import_module(f"rrl_dsl.graph.builtins.{_name}")
