"""gymnasium's Blackjack in words."""

from __future__ import annotations

import numpy as np
from gymnasium.envs.toy_text import BlackjackEnv
from gymnasium.envs.toy_text.blackjack import is_bust, sum_hand, usable_ace

from ..base import Menu
from ..window import Row, characters, picture
from .toy import Moment, ToyText

CARDS = {1: "an ace", 8: "an 8"}


class Blackjack(ToyText):
    """Come closer to 21 than the dealer, and not beyond it: reward 1, 0 for a draw, -1.

    Cards are drawn with putting back; the dealer draws up to 17.

    The vector holds the sum of the hand, the dealer's open card and whether an ace counts as 11.

    Args:
        natural: whether an ace and a ten in the first two cards pay 1.5; without effect where `sab` is true.
        sab: the rules of Sutton and Barto: an ace and a ten beat every other hand of the dealer.
        render_mode: `rgb_array`, `ansi` or None.

    Raises:
        ValueError: an unknown render mode.
    """

    max_steps = 30  # never met: 21 aces at most
    kept = ("player", "dealer")

    def __init__(self, natural: bool = False, sab: bool = True, render_mode: str | None = None):
        super().__init__(BlackjackEnv(natural=natural, sab=sab), True, np.array([31, 10, 1]), render_mode)

    def _menu(self, state: Moment) -> Menu:
        return Menu(("stick", "take a card"), (True, True))

    def _goal(self, state: Moment) -> str:
        return "Come closer to 21 than the dealer, and not beyond 21."

    def _scene(self, state: Moment) -> str:
        player, dealer = map(list, state.values)
        ace = " with an ace that counts as 11" if usable_ace(player) else ""
        yours = f"You hold {sum_hand(player)}{ace}"
        if is_bust(player):
            return f"{yours}, which is beyond 21."
        return f"{yours}. The dealer shows {CARDS.get(dealer[0], f'a {dealer[0]}')}."

    def _vector(self, state: Moment) -> np.ndarray:
        player, dealer = map(list, state.values)
        return np.array([sum_hand(player), dealer[0], usable_ace(player)], np.float32)

    def _ansi(self, state: Moment) -> str:
        return characters("Blackjack", self._table(state))

    def _picture(self, state: Moment) -> np.ndarray:
        return picture("Blackjack", self._table(state))

    def _table(self, state: Moment) -> list[Row]:
        player, dealer = state.values
        return [
            Row("Dealer", chips=((_sign(dealer[0]), False), ("?", False))),
            Row("You", note=f"{sum_hand(list(player))}", chips=tuple((_sign(card), True) for card in player)),
        ]


def _sign(card: int) -> str:
    return "A" if card == 1 else str(card)
