"""Functions to look at: `jitgrad dump examples.shapes:loss --args "f64[n], f64[m, n], f64[m]"`."""

import jitgrad.numpy as np
from jitgrad import value_and_grad


def loss(w, X, y):
    """Logistic regression's negative log-likelihood; labels y are -1 or 1."""
    return np.sum(np.log(1 + np.exp(-y * (X @ w))))


loss_and_gradient = value_and_grad(loss)


def softmax(x):
    """Softmax of rows, naively."""
    return np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True)
