"""Networks: stages, encoders, decoders, attention, weights, kernels. Imports `preparation` and below."""
