"""`python -m rrl_dsl`: the command line, where the console script is not on the path."""

from rrl_dsl.cli.start import run

if __name__ == "__main__":
    run()
