"""The drawings of the home as data: furniture, appliances, portable things, and where they go in a room."""

from __future__ import annotations

Shape = tuple[str, tuple[float, ...], str]
"""A kind (`box`, `oval`, `poly`), coordinates from the upper left corner, a colour."""

FURNITURE: tuple[tuple[Shape, ...], ...] = (
    (  # the kitchen: window, table, counter with a sink, cupboards
        ("box", (20, 24, 74, 62), "#bfe3f2"),
        ("box", (46, 24, 48, 62), "#ffffff"),
        ("box", (16, 112, 80, 118), "#8a5a34"),
        ("box", (20, 118, 25, 146), "#8a5a34"),
        ("box", (71, 118, 76, 146), "#8a5a34"),
        ("box", (112, 102, 232, 108), "#6e7580"),
        ("box", (114, 108, 230, 146), "#e9e4da"),
        ("box", (152, 108, 153, 146), "#c9c2b4"),
        ("box", (191, 108, 192, 146), "#c9c2b4"),
        ("box", (112, 18, 232, 52), "#e9e4da"),
        ("box", (152, 18, 153, 52), "#c9c2b4"),
        ("box", (191, 18, 192, 52), "#c9c2b4"),
    ),
    (  # the bathroom: mirror, basin, bath tub
        ("oval", (22, 30, 62, 78), "#ffffff"),
        ("oval", (25, 33, 59, 75), "#bfe3f2"),
        ("box", (20, 100, 64, 110), "#ffffff"),
        ("box", (36, 110, 48, 146), "#f3f6f7"),
        ("box", (86, 108, 166, 142), "#ffffff"),
        ("box", (82, 104, 170, 111), "#f3f6f7"),
        ("box", (94, 142, 102, 148), "#8d979c"),
        ("box", (150, 142, 158, 148), "#8d979c"),
        ("box", (156, 84, 160, 104), "#8d979c"),
        ("box", (146, 84, 160, 88), "#8d979c"),
    ),
    (  # the bedroom: picture, bed, night table with a lamp
        ("box", (96, 24, 148, 60), "#8a5a34"),
        ("box", (100, 28, 144, 56), "#f4d58d"),
        ("poly", (100, 56, 118, 36, 132, 56), "#7fa36b"),
        ("box", (150, 88, 158, 150), "#8a5a34"),
        ("box", (56, 122, 156, 144), "#f6f6f6"),
        ("box", (56, 116, 126, 140), "#7c93c8"),
        ("box", (128, 112, 152, 124), "#ffffff"),
        ("box", (52, 108, 58, 150), "#8a5a34"),
        ("box", (176, 116, 206, 146), "#8a5a34"),
        ("box", (189, 96, 193, 116), "#6e7580"),
        ("poly", (178, 98, 204, 98, 198, 78, 184, 78), "#f4d58d"),
    ),
    (  # the living room: bookshelf, sofa, coffee table, television stand
        ("box", (8, 40, 48, 146), "#8a5a34"),
        ("box", (12, 45, 44, 72), "#5f3d22"),
        ("box", (12, 77, 44, 106), "#5f3d22"),
        ("box", (12, 111, 44, 142), "#5f3d22"),
        ("box", (14, 50, 19, 72), "#c0504d"),
        ("box", (20, 54, 25, 72), "#4f81bd"),
        ("box", (26, 50, 30, 72), "#9bbb59"),
        ("box", (33, 56, 38, 72), "#f4d58d"),
        ("box", (15, 116, 20, 142), "#7c93c8"),
        ("box", (21, 120, 27, 142), "#c0504d"),
        ("box", (62, 98, 130, 132), "#6f8f9f"),
        ("box", (58, 112, 70, 146), "#5d7c8c"),
        ("box", (122, 112, 134, 146), "#5d7c8c"),
        ("box", (70, 124, 122, 142), "#84a5b5"),
        ("box", (142, 124, 184, 129), "#a06a3c"),
        ("box", (146, 129, 150, 148), "#a06a3c"),
        ("box", (176, 129, 180, 148), "#a06a3c"),
        ("box", (192, 118, 234, 146), "#6b4a2f"),
    ),
)
"""What is in each room in every task."""

ITEMS: dict[str, tuple[Shape, ...]] = {
    "pancake": (
        ("oval", (-11, -6, 11, 0), "#c98a3d"),
        ("oval", (-11, -10, 11, -3), "#e3ab5c"),
        ("box", (-3, -10, 3, -7), "#fff2a8"),
    ),
    "cheese": (("poly", (-11, 0, 11, 0, 11, -11, -11, -4), "#f5c637"), ("oval", (1, -6, 5, -2), "#d69e17")),
    "hamburger": (
        ("oval", (-10, -13, 10, -1), "#d9953f"),
        ("box", (-10, -7, 10, -4), "#6f4326"),
        ("box", (-11, -8, 11, -6), "#7fb04f"),
        ("box", (-10, -4, 10, 0), "#d9953f"),
    ),
    "apple pie": (
        ("poly", (-12, -6, 12, -6, 9, 0, -9, 0), "#b3b9c0"),
        ("oval", (-12, -11, 12, -3), "#d9953f"),
        ("box", (-6, -9, 6, -7), "#a8432f"),
    ),
    "pizza": (
        ("poly", (-12, 0, 12, 0, 0, -15), "#f0c24b"),
        ("box", (-13, -3, 13, 0), "#c98a3d"),
        ("oval", (-4, -8, 0, -4), "#c0392b"),
        ("oval", (1, -6, 5, -2), "#c0392b"),
    ),
    "dishes": (
        ("oval", (-12, -5, 12, 1), "#ffffff"),
        ("oval", (-12, -8, 12, -2), "#dfe7ee"),
        ("oval", (-12, -11, 12, -5), "#ffffff"),
        ("oval", (-7, -10, 7, -6), "#cfdbe6"),
    ),
    "clothes": (
        ("oval", (-13, -8, 3, 0), "#5b8fd6"),
        ("oval", (-3, -9, 13, 0), "#d9705f"),
        ("oval", (-7, -13, 8, -4), "#f1c453"),
    ),
    "chips": (
        ("poly", (-7, 0, 7, 0, 8, -17, -8, -17), "#e2552f"),
        ("oval", (-5, -12, 5, -4), "#f6cf4f"),
    ),
    "milk": (
        ("box", (-5, -14, 5, 0), "#ffffff"),
        ("poly", (-5, -14, 5, -14, 3, -19, -3, -19), "#4f81bd"),
        ("box", (-5, -8, 5, -4), "#4f81bd"),
    ),
}
"""The portable things; the origin is the middle of the lower edge."""
ITEMS["plates"] = ITEMS["dishes"]

MACHINES: dict[str, dict[str, tuple[Shape, ...]]] = {
    "microwave": {
        "closed": (
            ("box", (176, 74, 230, 102), "#4b525c"),
            ("box", (180, 78, 215, 98), "#1f242b"),
            ("box", (219, 79, 226, 84), "#9fe0a0"),
            ("oval", (219, 89, 226, 96), "#9aa3ad"),
        ),
        "open": (
            ("box", (176, 74, 230, 102), "#4b525c"),
            ("box", (180, 78, 215, 98), "#fdf0c2"),
            ("poly", (180, 76, 164, 82, 164, 108, 180, 101), "#2a3038"),
            ("box", (219, 79, 226, 84), "#f2a65a"),
            ("oval", (219, 89, 226, 96), "#9aa3ad"),
        ),
    },
    "dishwasher": {
        "closed": (
            ("box", (188, 108, 234, 146), "#c3c9cf"),
            ("box", (188, 108, 234, 115), "#8c949d"),
            ("box", (200, 119, 222, 122), "#6e7580"),
        ),
        "open": (
            ("box", (188, 108, 234, 146), "#8c949d"),
            ("box", (192, 114, 230, 142), "#39414b"),
            ("box", (194, 137, 228, 139), "#9aa3ad"),
            ("poly", (188, 144, 234, 144, 238, 156, 184, 156), "#c3c9cf"),
        ),
    },
    "washing machine": {
        "closed": (
            ("box", (188, 96, 234, 146), "#f3f6f7"),
            ("box", (188, 96, 234, 105), "#c3c9cf"),
            ("oval", (197, 109, 225, 137), "#8c949d"),
            ("oval", (200, 112, 222, 134), "#7fb3d1"),
        ),
        "open": (
            ("box", (188, 96, 234, 146), "#f3f6f7"),
            ("box", (188, 96, 234, 105), "#c3c9cf"),
            ("oval", (197, 109, 225, 137), "#39414b"),
            ("oval", (174, 107, 194, 139), "#8c949d"),
            ("oval", (177, 111, 191, 135), "#7fb3d1"),
        ),
    },
    "TV": {
        "off": (
            ("box", (188, 82, 238, 114), "#2a3038"),
            ("box", (191, 85, 235, 111), "#12161b"),
            ("box", (205, 114, 221, 118), "#2a3038"),
        ),
        "on": (
            ("box", (188, 82, 238, 114), "#2a3038"),
            ("box", (191, 85, 235, 111), "#6ec3f0"),
            ("poly", (191, 111, 204, 96, 216, 106, 226, 94, 235, 104, 235, 111), "#6fae5c"),
            ("oval", (222, 87, 230, 95), "#ffe27a"),
            ("box", (205, 114, 221, 118), "#2a3038"),
        ),
    },
}
"""What can be opened or turned on, in each of its conditions."""

PLACES = {
    "on the kitchen table": (48, 112),
    "on the kitchen counter": (134, 102),
    "in the living room bookshelf": (28, 106),
    "on the coffee table": (163, 124),
    "in the microwave": (197, 98),
    "in the dishwasher": (211, 138),
    "in the washing machine": (211, 134),
}
"""Where a portable thing is: the middle of its lower edge."""

SPOTS = {
    "microwave": 170,
    "dishwasher": 176,
    "washing machine": 176,
    "coffee table": 126,
    "TV": 186,
    "sofa": 96,
}
"""Where the agent stands when it is near a thing with a place of its own."""

ALONE = (98, 72, 30, 55)
"""Where the agent stands in each room when it is near nothing."""

LABELS = {
    "microwave": (203, 68),
    "dishwasher": (205, 82),
    "washing machine": (197, 82),
    "coffee table": (168, 157),
    "TV": (213, 74),
    "sofa": (96, 157),
}
"""The middle of the label of each thing with a place of its own."""
