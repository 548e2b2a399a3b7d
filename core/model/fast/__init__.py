"""The inference path: the weights and the vectors of `core.model.listing_model`, by the packed rows of `core.packed`.

The exact cuts of the readable model are kept (`[CLS]` absorbs its projections, the last layer computes nothing else).
"""
