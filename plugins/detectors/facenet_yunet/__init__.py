"""Detector plugin `yunet`."""
