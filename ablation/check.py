"""`python -m ablation.check`: looks at a cohort, or a network of your own, before anything is spent."""

if __name__ == "__main__":
    from ablation.commands.doors import check

    check()
