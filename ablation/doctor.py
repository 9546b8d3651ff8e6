"""`python -m ablation.doctor`: looks at machine, cluster, record and storage, and says what to do."""

if __name__ == "__main__":
    from ablation.commands.doors import doctor

    doctor()
