"""`python -m ablation.report`: rebuilds tables, figures and the page from what is recorded."""

if __name__ == "__main__":
    from ablation.commands.doors import report

    report()
