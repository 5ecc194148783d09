"""Hierarchical topic models for gensim by Neural NMF."""
