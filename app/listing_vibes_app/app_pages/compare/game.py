"""Beat the model: guess a visitor's next listing among six, beside the guesses of the model and of popularity."""

import streamlit as st

from listing_vibes.insight.quiz import CHOICES, Round, quiz
from listing_vibes_app.kit.controls import SEEDS, button, random_button
from listing_vibes_app.kit.gallery import gallery, listing_card, page_url
from listing_vibes_app.server.params import link, set_params
from listing_vibes_app.server.runs import BY_RUN, OpenRun
from listing_vibes_app.view.formats import count

RECALL = (
    "This is recall: how often the next listing was among those that were named. The evaluation asks the same with all active "
    "listings to choose from, and 30 to name."
)


def show_game(opened: OpenRun) -> None:
    """Show the score, then the round to guess or the answer to the last guess."""
    with st.spinner("Drawing ten visitors …"):
        rounds = _rounds(opened, link().number("sample", 0, 0, SEEDS))
    guesses = read_guesses(len(rounds))
    if guesses:
        show_score(rounds[: len(guesses)], guesses, opened.run.has_model)
    if st.query_params.get("view") == "answer" and guesses:
        show_answer(opened, rounds[len(guesses) - 1], guesses[-1], len(guesses) == len(rounds))
    elif len(guesses) < len(rounds):
        show_round(opened, rounds[len(guesses)], guesses)
    else:
        st.markdown(f"**{RECALL}**")
        random_button(
            "Play again",
            lambda rng: set_params(sample=int(rng.integers(1, SEEDS)), guesses=None, view=None),
            "Ten other visitors",
        )


@st.cache_resource(show_spinner=False, max_entries=16, hash_funcs=BY_RUN)
def _rounds(opened: OpenRun, seed: int) -> list[Round]:
    return quiz(opened.run, seed=seed)


def read_guesses(rounds: int) -> list[int]:
    """Return the guesses in the URL, one digit each."""
    text = link().read(
        "guesses", lambda text: text if len(text) <= rounds and not text.strip("012345") else None
    )
    return [int(sign) for sign in text or ""]


def show_score(played: list[Round], guesses: list[int], has_model: bool) -> None:
    """Show how many rounds each got right."""
    scores = {
        "You": sum(guess == item.answer for guess, item in zip(guesses, played, strict=True)),
        "Our model" if has_model else "Untrained neighbors": sum(
            item.model == item.answer for item in played
        ),
        "Popularity": sum(item.popularity == item.answer for item in played),
    }
    with st.container(horizontal=True):
        for label, score in scores.items():
            st.metric(label, f"{score} of {len(played)}", border=True, width=190)


def show_round(opened: OpenRun, item: Round, guesses: list[int]) -> None:
    """Show a history and the choices; a click on one is the guess."""
    _show_history(opened, item)
    st.header(f"Round {len(guesses) + 1}: which did they open next?", anchor=False)
    cards = []
    for place, listing in enumerate(item.choices):
        guessed = "".join(map(str, [*guesses, place]))
        params = {
            "part": "game",
            "sample": st.query_params.get("sample"),
            "guesses": guessed,
            "view": "answer",
        }
        href = page_url(opened, "compare", **params)
        cards.append(
            listing_card(opened, opened.view.market.listing_row[listing], href=href, step=f"{place + 1}")
        )
    gallery(opened, cards, key="choices", label=f"{CHOICES} listings to choose from", least=150)


def show_answer(opened: OpenRun, item: Round, guess: int, is_last: bool) -> None:
    """Show which choice was right, and who named it."""
    st.markdown("**You are right.**" if guess == item.answer else "**Not this one.**")
    button(
        "See the result" if is_last else "Next round",
        "arrow_forward",
        lambda: set_params(view=None),
        key="next",
    )
    model = "our model" if opened.run.has_model else "untrained neighbors"
    cards = []
    for place, listing in enumerate(item.choices):
        named = [
            name
            for name, choice in (("you", guess), (model, item.model), ("popularity", item.popularity))
            if choice == place
        ]
        badge = "opened next" if place == item.answer else ""
        step = f"Named by {' and '.join(named)}" if named else f"{place + 1}"
        row = opened.view.market.listing_row[listing]
        cards.append(listing_card(opened, row, step=step, badge=badge, tone="hit" if badge else ""))
    gallery(opened, cards, key="answer", label=f"The {CHOICES} listings, and who named which", least=150)
    _show_history(opened, item)


def _show_history(opened: OpenRun, item: Round) -> None:
    st.caption(f"A visitor looked at {count(len(item.history), 'listing')}, the newest last:")
    rows = [opened.view.market.listing_row[listing] for listing in item.history]
    cards = [listing_card(opened, row, facts=[], href="") for row in rows]  # no link out of the game
    gallery(opened, cards, key="game-history", label="History, newest last", layout="strip", least=130)
