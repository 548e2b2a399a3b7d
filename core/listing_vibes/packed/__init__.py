"""Transformer layers without gradient over packed rows, near the limit of a CPU core: for the model's encoder and for texts.

What makes them fast, measured one by one: sequences stand one after the other without padding, sorted by length, about two
thousand tokens a batch (they stay in the cache); weights are reordered once for oneDNN, whose matrix products then run at
the machine's peak; attention is two matrix products and a softmax over rows of nearly equal length, or over bands of
them. There is no gradient here, and no dropout.
"""
