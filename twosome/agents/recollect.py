"""What a memory recalls for a state, taken apart to be shown."""

from __future__ import annotations

from twosome.agents.recall import Recall
from twosome.agents.remembering import Remembering
from twosome.inspection.recollection import Recalled, Recollection
from twosome.types import Menu, Observation


def recollect(recall: Recall, observation: Observation, menu: Menu) -> Recollection:
    """What a state reminds of, and what that comes to; of another kind of memory only the advice."""
    advice = recall(observation, menu)
    if not isinstance(recall, Remembering):
        return Recollection(text=advice.text)
    found, values = recall.look(observation, menu)
    s = recall.settings
    how = f"memory.use={s.use} memory.form={s.form} memory.similarity={s.similarity}"
    recalled = []
    for situation, similarity in reversed(found):
        if similarity == 0:  # nothing in common: there were too few
            continue
        lists, visits = recall.lists(recall.values(situation)), recall.records[situation].visits
        recalled.append(Recalled(*situation, similarity, visits, lists.good, lists.bad))
    return Recollection(tuple(recalled), advice.text, values, how)


def numbered(phrases: tuple[str, ...]) -> Menu:
    """A menu whose indices nobody asks for."""
    return Menu(phrases, tuple(range(len(phrases))))
