"""`python -m ablation.pretrain`: pretrains a network and publishes its weights in object storage."""

if __name__ == "__main__":
    from ablation.commands.doors import pretrain

    pretrain()
