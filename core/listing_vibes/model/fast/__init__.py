"""The inference path: the weights and the vectors of `listing_vibes.model.listing_model`, by the packed rows of `listing_vibes.packed`.

The exact cuts of the readable model are kept (`[CLS]` absorbs its projections, the last layer computes nothing else).
"""
