"""Modules that programs written for Theano import from its sandbox."""
