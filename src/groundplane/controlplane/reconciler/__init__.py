"""The reconciler: what should be against what is. Takes no input but the data plane's messages and the clock.

It never touches an engine and never changes what a user wants, but for a guest that powered itself off.
"""

from groundplane.controlplane.reconciler.correction import correct
from groundplane.controlplane.reconciler.drift import page as list_drift
from groundplane.controlplane.reconciler.incidents import page as list_incidents
from groundplane.controlplane.reconciler.incidents import refresh as refresh_incidents
from groundplane.controlplane.reconciler.looks import ask_for_looks
from groundplane.controlplane.reconciler.reconciler import Reconciler

__all__ = [
    "Reconciler",
    "ask_for_looks",
    "correct",
    "list_drift",
    "list_incidents",
    "refresh_incidents",
]
