"""The errors of requests to a run (lists, vectors, events): a code with fields each, and their sentences, worded here only.

Commands, Python and pages show a sentence with the paths of run and market; clients of a service get the code and the sentence
without paths.
"""

from __future__ import annotations

from typing import Any

from listing_vibes.errors import NotThere, VibesError

#: The sentence of each code. `run` and `market` are paths; `rule` names an option or a rule, `choices` are joined by commas.
SENTENCES = {
    # ids
    "unknown_listing": "There is no listing '{listing}' in {run}; give one of its listing ids.",
    "unknown_user": "There is no user '{user}' in {run}; check the id.",
    "listing_not_user": "There is no user '{user}' in {run}, but a listing with this id; request similar listings, or give the history "
    "['{user}'].",
    "mixed_ids": "{ids} are not all users or all listings of {run}, or both; give users as a frame with the column user_id, or a history "
    'as [{{"listing_id": ...}}, ...].',
    "not_an_id": "{value} is not an id; give a text or a whole number.",
    "rule_listing": "{rule} names '{listing}', which is not a listing of {run}; give ids of its listings.",
    "dial_listing": "The dial '{dial}' names '{listing}', which is not a listing of {run} with a vector in the space '{space}'; leave "
    "it out.",
    # histories and events
    "no_listing_column": "{name} has no column 'listing_id'; give one row per event, oldest first.",
    "bad_event": "{name} has the {column} {value} in row {row}; give every event a {column}, and seconds of 0 or more in duration_s.",
    "several_users": "The history has events of {users} users; give those of one user.",
    "unknown_action": "{name} is '{action}', which is unknown in this market; use one of: {choices}.",
    "empty_id": "{name} is empty; give an id.",
    "no_user": "user_id is missing; give it, or the request_id of a response.",
    "future_event": "timestamp is '{value}', in the future; give when it happened.",
    # values and options
    "bad_value": "{name} is '{value}'; give {expected}.",
    "unparsed_value": "{reason}",
    "bad_k": "k is {value}; give how many listings, a whole number from 1.",
    "bad_rules": "The rules are {value}; give a mapping, such as {{'where': 'price<=100'}}, or `Rules`.",
    "half_of_at_most": "Rule at_most needs a number and an attribute; give both, such as 2 host_id.",
    "bad_condition": "{rule} is '{text}'; write a condition such as price<=100, rooms=2|3, within 3km of 48.14,11.58 or live on "
    "2025-03-03.",
    "bad_condition_value": "{rule} is '{text}'; {attribute} takes {takes}.",
    "too_many_alternatives": "{rule} has {values:,} values of {attribute}; give at most {limit:,}.",
    "no_order": "{rule} is '{text}', but {attribute} ({kind}) has no order; use =, as in {attribute}={value}.",
    "unknown_attribute": "{rule} names '{name}', which is not an attribute, or is excluded by market.toml; give one of: {choices}.",
    "not_a_column": "{rule} names '{name}', which is not an attribute with one value per listing; give one of: {choices}.",
    "unknown_draft_attribute": "The market has no attribute '{name}'; it has: {choices}.",
    "bad_boost": "{rule} is '{text}'; write for example 'fresh 0.5 14d' (half of it left after 14 days), 'near 48.14,11.58 0.5 2km' or "
    "'building=villa 0.5', with a weight of up to {limit:g}.",
    "bad_dial": "{rule} is '{text}'; write for example 'lighter 1.5 photos +MORE-LIKE-THIS -LESS-LIKE-THAT', with a weight from "
    "-{limit:g} to {limit:g}.",
    "bad_location": "{rule} is '{text}'; {name} goes from -{limit:g} to {limit:g}.",
    "half_a_surrogate": "{name} has half of a surrogate pair, which is no character; send text in UTF-8.",
    "too_much_text": "The attributes have more than {limit} characters; send less text.",
    "too_many_pixels": "The photos have more than {limit} megapixels together; send smaller ones.",
    "not_base64": "{name} is not base64 ({reason}); encode the file's bytes.",
    # what the run or its market lacks
    "no_dates": "{rule} is '{text}', but {market} has no dates of its listings; add published_at or expires_at, or leave it out.",
    "no_publication_dates": "{rule} is '{text}', but {market} has no dates when listings were published; add published_at and "
    "timestamps, or leave it out.",
    "no_locations": "{rule} is '{text}', but the listings of {market} have no {name}; leave the condition out.",
    "unknown_space": "{run} has no space '{space}'; it has: {choices}.",
    "space_not_embedded": "{run} was written before its market had [vectors.{space}]; run `vibes embed {market} RUN`.",
    "no_vector": "Listing '{listing}' has nothing in the space '{space}'; choose another space.",
    "no_model": "{run} has no trained model, which is required; train one with `vibes train MARKET RUN`.",
    "no_model_to_blend": "{run} has no trained model to blend with {blend}; leave out the blend, or train one with "
    "`vibes train MARKET RUN`.",
    "unknown_blend": "The blend is '{blend}'; {run} has {choices}.",
    "no_blends": "{run} has no fitted blends, so the blend {blend} is not possible; fit them with `vibes evaluate` (for a refit, evaluate "
    "the run that it repeats before).",
    "outdated_blend": "{run} was evaluated with {what}, which it no longer has; evaluate it again.",
}


class RequestError(VibesError):
    """Invalid input of a request.

    Args:
        code: one of `SENTENCES`, which a program can compare.
        fields: the values that the sentence names; `within` says in which part of the request the error is.
    """

    def __init__(self, code: str, fields: dict[str, Any] | None = None, /, **named: Any) -> None:
        self.code, self.fields = code, (fields or {}) | named
        super().__init__(code, self.fields)  # the arguments with which a copy in another process is made

    def __str__(self) -> str:
        return self._sentence(self.fields)

    def for_client(self) -> str:
        """Return the sentence for clients of a service, which do not learn its paths."""
        return self._sentence(self.fields | {"run": "this run", "market": "this market"})

    def _sentence(self, fields: dict[str, Any]) -> str:
        text = SENTENCES[self.code].format(**fields)
        within = f"{fields['within']}: " if "within" in fields else ""
        return within + (f"T{text[1:]}" if text.startswith("this ") else text)


class UnknownId(RequestError, NotThere):
    """A listing or a user that the run does not have."""
