"""What becomes of runs, each arrow of the state machine in one place: claim, settle, take over, mend.

Scheduler and workers both call these; neither imports the other.
"""
