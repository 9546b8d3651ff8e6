"""What reporting guidelines ask of a study, answered from its record as far as that goes."""
