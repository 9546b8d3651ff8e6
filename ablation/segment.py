"""`python -m ablation.segment`: labels new scans with recorded networks."""

if __name__ == "__main__":
    from ablation.commands.doors import segment

    segment()
