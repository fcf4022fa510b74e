"""`python -m rrl_dsl`: the command line, where the console script is not on the path."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the working directory, whose modules are not to be imported
    from rrl_dsl.cli.start import run

    run()
