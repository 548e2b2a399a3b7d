"""The inference path: the weights and the vectors of `core.model.listing_model`, near the limit of a CPU core.

What makes it fast, measured one by one: sequences are packed without padding, sorted by length, about a thousand
tokens a batch (they stay in the cache); weights are reordered once for oneDNN, whose matrix products then run at the
machine's peak; attention is two matrix products and a softmax over rows of nearly equal length, or over bands of
them; the exact cuts of the readable model are kept (`[CLS]` absorbs its projections, the last layer computes nothing
else). There is no gradient here, and no dropout.
"""
