"""Sweeps of backbones x embedding sizes: trained, measured, compared, and drawn for a paper.

`sweep.run_sweep` runs one, `state.read_state` says how far one is; nothing is imported here, so
that the workers of a sweep load no more than they use.
"""
