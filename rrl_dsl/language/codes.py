"""Every diagnostic code with what it is about.

Codes are stable and never reused; RRL020 (a statement not yet supported) is retired.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

CODES: Final = MappingProxyType(
    {
        # 0xx syntax
        "RRL001": "a character the language does not use",
        "RRL002": "a malformed number",
        "RRL003": "a malformed name",
        "RRL004": "a string without its closing quote",
        "RRL005": "an escape the language does not know",
        "RRL006": "an opening bracket that is never closed",
        "RRL007": "a closing bracket that nothing opened",
        "RRL008": "a word or sign in the wrong place",
        "RRL009": "something unfinished",
        "RRL010": "a missing comma",
        "RRL011": "a file that is too large",
        "RRL012": "too many tokens",
        "RRL013": "brackets nested too deeply",
        "RRL014": "a file that is not UTF-8 text",
        "RRL015": "a recipe without a graph",
        "RRL016": "more than one graph",
        "RRL017": "a statement in the wrong place",
        "RRL018": "a language version this release cannot read",
        "RRL019": "too many errors to show",
        "RRL021": "a recipe file that cannot be read",
        "RRL022": "a file outside the folder of the recipe that names it",
        "RRL023": "imports that go round in a circle",
        "RRL024": "a file named by a text that lies in no folder",
        "RRL025": "too many imports",
        # 1xx names
        "RRL101": "an unknown name",
        "RRL102": "an unknown argument",
        "RRL103": "a name defined twice",
        "RRL104": "a name that belongs to a built-in",
        "RRL105": "a reserved word used as a name",
        "RRL106": "an unknown parameter",
        "RRL107": "a call of something that is not a built-in",
        "RRL108": "a built-in without its parentheses",
        # 2xx types
        "RRL201": "an operand of the wrong type",
        "RRL202": "an argument of the wrong type",
        "RRL203": "a transform without a graph on its left",
        "RRL204": "a recipe that is a transform",
        "RRL205": "a difference whose right side is not binary",
        "RRL206": "too many positional arguments",
        "RRL207": "an argument given twice",
        "RRL208": "a missing argument",
        "RRL209": "a positional argument after a named one",
        "RRL210": "a recipe that is not a graph",
        "RRL211": "a parameter value of another type",
        "RRL212": "a graph with a contrast as a part of another",
        # 3xx values
        "RRL301": "a value out of range",
        "RRL302": "a graph that is too deep",
        "RRL303": "arguments that exclude each other",
        # 4xx what the data set, loss or backend cannot serve
        "RRL401": "a label or field that the rows do not carry",
        "RRL402": "rows that are malformed",
        "RRL403": "a recipe that must be bound to a data set first",
        "RRL404": "a recipe that the loss cannot train on",
        "RRL405": "too few rows for the loss",
        "RRL406": "embeddings that do not fit the relation",
        "RRL407": "an unknown loss",
        "RRL408": "a bad option of a loss",
        "RRL409": "embeddings that have collapsed",
        "RRL410": "a data set that is not there",
        "RRL411": "an unknown data set",
        "RRL412": "a malformed data set",
        "RRL413": "an unknown evaluation strategy",
        "RRL414": "a file of pairs that cannot be read",
        "RRL415": "a line of a file that is malformed",
        "RRL416": "a pair with a sample that the data set lacks",
        "RRL417": "a field of another kind than the recipe reads",
        "RRL418": "a recipe that needs embeddings",
        "RRL419": "a recipe that needs columns of its own",
        "RRL420": "a data set too small for the recipe",
        "RRL421": "rows that the bound data set lacks",
        "RRL422": "a loss of another package that cannot be used",
        "RRL423": "a sum of losses that cannot be read",
        "RRL424": "a model that lacks what the loss needs",
        "RRL425": "rows with fewer views than the recipe asks for",
        "RRL426": "a note on how a data set was read",
        "RRL428": "a file that holds more than is read",
        # 5xx configuration and runs
        "RRL501": "an unknown key of the configuration",
        "RRL502": "a configuration value that does not fit",
        "RRL503": "a configuration file that is not readable YAML",
        "RRL504": "a run directory that cannot be used",
        "RRL505": "a run that cannot be resumed",
        "RRL506": "a device or precision that this machine lacks",
        "RRL507": "an output file that cannot be written",
        "RRL508": "training that went out of bounds",
        "RRL509": "a warning about what the recipe relates",
        "RRL510": "a file that names code which it may not run",
        "RRL511": "a run of which another process ended",
        "RRL515": "memory that this machine lacks",
        "RRL516": "a file or folder that the system refuses",
    }
)
"""Code -> what it is about; the hundreds say which stage complains."""
