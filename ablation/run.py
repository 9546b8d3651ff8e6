"""`python -m ablation.run`: runs every trial of a search space, records it, writes the report."""

if __name__ == "__main__":
    from ablation.commands.doors import run

    run()
