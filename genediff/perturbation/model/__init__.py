"""How cells respond to a perturbation: a model that starts at the best simple baseline and earns every step from it.

`fit.fit_response` fits one to a `Task`, `store.load_response` reads one beside its data set, and
`model.ResponseModel` is a `Predictor` that also says what its predictions rest on. Nothing is imported here, so that
lists of models are quick.
"""
