"""How cells respond to a perturbation: a model that starts at the best simple baseline and earns every step away from it."""
