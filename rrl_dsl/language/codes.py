"""Every diagnostic code with its title.

Codes are stable and never reused; RRL020 (a statement not yet supported) is retired.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

CODES: Final = MappingProxyType(
    {
        # 0xx syntax
        "RRL001": "an invalid character",
        "RRL002": "a malformed number",
        "RRL003": "a malformed name",
        "RRL004": "a string without its closing quote",
        "RRL005": "an unknown escape sequence",
        "RRL006": "an opening bracket without a closing bracket",
        "RRL007": "a closing bracket without an opening bracket",
        "RRL008": "an unexpected word or symbol",
        "RRL009": "an unfinished statement",
        "RRL010": "a missing comma",
        "RRL011": "a file that is too large",
        "RRL012": "too many tokens",
        "RRL013": "brackets nested too deeply",
        "RRL014": "a file that is not UTF-8 text",
        "RRL015": "a recipe without a graph",
        "RRL016": "more than one graph",
        "RRL017": "a statement in the wrong place",
        "RRL018": "an unsupported language version",
        "RRL019": "too many errors to show",
        "RRL021": "a recipe file that cannot be read",
        "RRL022": "a file outside the folder of the recipe that names it",
        "RRL023": "circular imports",
        "RRL024": "a file name in a recipe without a folder",
        "RRL025": "too many imports",
        # 1xx names
        "RRL101": "an unknown name",
        "RRL102": "an unknown argument",
        "RRL103": "a name defined twice",
        "RRL104": "a definition with the name of a built-in",
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
        "RRL211": "a parameter value of the wrong type",
        "RRL212": "a graph with a contrast as part of another graph",
        # 3xx values
        "RRL301": "a value out of range",
        "RRL302": "a graph that is too deep",
        "RRL303": "arguments that cannot be used together",
        # 4xx what the data set, loss or backend cannot serve
        "RRL401": "a missing label or field",
        "RRL402": "invalid rows",
        "RRL403": "a recipe that is not bound to a dataset",
        "RRL404": "a recipe that the loss cannot train on",
        "RRL405": "too few rows for the loss",
        "RRL406": "embeddings that do not match the relation",
        "RRL407": "an unknown loss",
        "RRL408": "an invalid option of a loss",
        "RRL409": "collapsed embeddings",
        "RRL410": "a missing dataset",
        "RRL411": "an unknown dataset",
        "RRL412": "an invalid dataset",
        "RRL413": "an unknown evaluation strategy",
        "RRL414": "a file of pairs that cannot be read",
        "RRL415": "an invalid row of a file of pairs",
        "RRL416": "a pair with an unknown sample",
        "RRL417": "a field of the wrong kind",
        "RRL418": "a recipe that needs embeddings",
        "RRL419": "a recipe that needs additional columns",
        "RRL420": "a dataset that is too small for the recipe",
        "RRL421": "rows that are not in the bound dataset",
        "RRL422": "an unusable loss of another package",
        "RRL423": "an invalid sum of losses",
        "RRL424": "a model without an output that the loss needs",
        "RRL425": "rows with too few views for the recipe",
        "RRL426": "a note on how a dataset was read",
        "RRL428": "a file that exceeds a size limit",
        "RRL430": "an invalid matrix",
        # 5xx configuration and runs
        "RRL501": "an unknown key of the configuration",
        "RRL502": "an invalid value of the configuration",
        "RRL503": "a configuration file that is not valid YAML",
        "RRL504": "a run directory that cannot be used",
        "RRL505": "a run that cannot be resumed",
        "RRL506": "an unavailable device or precision",
        "RRL507": "an output file that cannot be written",
        "RRL508": "diverged training",
        "RRL509": "a warning about a run",
        "RRL510": "code without permission to run",
        "RRL511": "a run whose other process ended",
        "RRL515": "too little memory",
        "RRL516": "a file or folder error of the operating system",
    }
)
"""Code -> title. The hundreds digit is the stage that reports the code."""
