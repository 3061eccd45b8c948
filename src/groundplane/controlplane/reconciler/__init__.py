"""The reconciler: what should be against what is. Takes no input but the data plane's messages and the clock.

It never touches an engine and never changes what a user wants, but for a guest that powered itself off.
"""

from groundplane.controlplane.reconciler.correction import correct
from groundplane.controlplane.reconciler.incidents import refresh as refresh_incidents
from groundplane.controlplane.reconciler.looks import ask_for_looks
from groundplane.controlplane.reconciler.reconciler import Reconciler

__all__ = [
    "Reconciler",
    "ask_for_looks",
    "correct",
    "refresh_incidents",
]
