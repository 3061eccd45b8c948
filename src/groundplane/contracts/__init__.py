"""The frozen wire types between the planes: what should be (specs), what is asked (tasks), what is (states and reports).

They only grow: a field is added with a default, never renamed or removed, so that an agent one release behind works.
Nothing here decides anything.
"""
