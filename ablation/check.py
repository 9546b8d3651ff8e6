"""`python -m ablation.check`: looks at a network of your own before anything is trained."""

if __name__ == "__main__":
    from ablation.commands.doors import check

    check()
