"""`python -m ablation.pretrain`: trains the T1 network and publishes its weights in object storage."""

if __name__ == "__main__":
    from ablation.commands.doors import pretrain

    pretrain()
