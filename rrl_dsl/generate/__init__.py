"""What is generated and checked in: `python -m rrl_dsl.generate` renews it, `--check` compares."""
