"""What a person looks at by hand when a sweep does not work: machine, folders, record, storage, cluster."""
